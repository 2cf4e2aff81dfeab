//! Observes a run by watches of all Secrets and TokenSources, and computes the growth of the controller's memory. Must not
//! know when a token is needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokensource::api::{ConditionType, TokenSource};
use tokensource_kit::kstatus;

use crate::history::{Fact, Held, Journal, clock};

/// Observations that are not in the history.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    /// Violations of the kstatus rules, and the number of checked statuses.
    pub(crate) breaches: Arc<Mutex<(Vec<String>, usize)>>,
}

/// The name of the target of the TokenSource with this name.
pub(crate) fn target_of(name: &str) -> String {
    format!("{name}-token")
}

pub(crate) async fn watch_secrets(client: Client, journal: Journal) {
    let mut events = Box::pin(watcher(Api::<Secret>::all(client), watcher::Config::default()));
    let mut last: HashMap<String, Held> = HashMap::new();
    while let Some(event) = events.next().await {
        let (secret, there) = match event {
            Ok(Event::Apply(secret) | Event::InitApply(secret)) => (secret, true),
            Ok(Event::Delete(secret)) => (secret, false),
            // `watcher` restarts the watch after an error.
            Ok(Event::Init | Event::InitDone) | Err(_) => continue,
        };
        let namespace = secret.namespace().unwrap_or_default();
        let Some(source) = secret.name_any().strip_suffix("-token").map(|name| format!("{namespace}/{name}"))
        else {
            continue;
        };
        let held = if there { held(&secret, &journal) } else { Held::Nothing };
        // Only changes of the token are recorded, and not those of labels and annotations.
        if last.insert(source.clone(), held) != Some(held) {
            journal.note(&source, Fact::Holds(held));
        }
    }
}

fn held(secret: &Secret, journal: &Journal) -> Held {
    let value = secret.data.as_ref().and_then(|data| data.get("access_token"));
    let text = value.and_then(|value| String::from_utf8(value.0.clone()).ok()).unwrap_or_default();
    journal.open().tokens.get(&text).map_or(Held::Rubbish, |token| Held::Token(*token))
}

pub(crate) async fn watch_sources(client: Client, journal: Journal, seen: Seen) {
    let mut events = Box::pin(watcher(Api::<TokenSource>::all(client), watcher::Config::default()));
    let mut last: HashMap<String, bool> = HashMap::new();
    while let Some(event) = events.next().await {
        let Ok(Event::Apply(source) | Event::InitApply(source)) = event else { continue };
        let name = format!("{}/{}", source.namespace().unwrap_or_default(), source.name_any());
        {
            let mut breaches = seen.breaches.lock().unwrap_or_else(PoisonError::into_inner);
            breaches.1 += 1;
            if let Err(broken) = kstatus::check_in_passing(&source) {
                let at = clock(chrono::Utc::now());
                breaches.0.push(format!("{name} at {at}: {}: {:?}", broken.join("; "), source.status));
            }
        }
        let ready = is_ready(&source);
        if last.insert(name.clone(), ready) != Some(ready) {
            journal.note(&name, Fact::Ready(ready));
        }
    }
}

pub(crate) fn is_ready(source: &TokenSource) -> bool {
    source.status.iter().any(|status| ConditionType::Ready.is_true(&status.conditions))
}

/// The ratio of the medians of the last and the first third; the first tenth is warm-up.
pub(crate) fn growth(samples: &[u64]) -> Option<f64> {
    let settled = samples.get(samples.len() / 10..)?;
    let third = settled.len() / 3;
    let (first, last) = (settled.get(..third)?, settled.get(settled.len() - third..)?);
    Some(median(last)? / median(first)?)
}

fn median(samples: &[u64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).map(|middle| f64::from(u32::try_from(*middle).unwrap_or(u32::MAX)))
}
