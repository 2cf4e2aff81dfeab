//! Records the events of two watches: when each target got a new token, and the state and renewal time of each TokenSource.
//! Must not know how figures are computed from the record.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The record of one TokenSource. Its name is the key, because names are unique across namespaces here.
#[derive(Clone, Debug, Default)]
struct Seen {
    ready: bool,
    renew_at: Option<DateTime<Utc>>,
    issued_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
}

/// A token that was written to a target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: DateTime<Utc>,
    /// When the renewal was due, and when the previous token expires; None for a first token.
    pub(crate) due: Option<DateTime<Utc>>,
    pub(crate) deadline: Option<DateTime<Utc>>,
}

#[derive(Default)]
struct State {
    seen: HashMap<String, Seen>,
    arrivals: Vec<(String, Arrival)>,
    ready: usize,
    /// How many events the watches of the benchmark received, and how many tokens expired in a target.
    events: u64,
    expired: u64,
}

/// The record so far.
#[derive(Clone, Default)]
pub(crate) struct Journal {
    state: Arc<Mutex<State>>,
    /// Notified for each new token.
    news: Arc<watch::Sender<()>>,
}

/// Two watches, which end when this is dropped.
pub(crate) struct Watches(Vec<JoinHandle<()>>);

impl Drop for Watches {
    fn drop(&mut self) {
        for watch in &self.0 {
            watch.abort();
        }
    }
}

impl Journal {
    /// Starts the watches.
    pub(crate) fn follow(&self, client: &Client) -> Watches {
        let kind = GroupVersionKind::gvk("tokensource.dev", "v1alpha1", "TokenSource");
        let sources = Api::<DynamicObject>::all_with(client.clone(), &ApiResource::from_gvk(&kind));
        let secrets = Api::<Secret>::all(client.clone());
        let targets = Config::default().labels("app.kubernetes.io/managed-by=tokensource");
        let (of_sources, of_secrets) = (self.clone(), self.clone());
        Watches(vec![
            tokio::spawn(async move {
                let mut events = watcher(sources, Config::default()).boxed();
                while let Some(event) = events.next().await {
                    if let Ok(Event::Apply(source) | Event::InitApply(source)) = event {
                        of_sources.note_source(&source);
                    }
                }
            }),
            tokio::spawn(async move {
                let mut events = watcher(secrets, targets).boxed();
                while let Some(event) = events.next().await {
                    if let Ok(Event::Apply(secret) | Event::InitApply(secret)) = event {
                        of_secrets.note_secret(&secret);
                    }
                }
            }),
        ])
    }

    /// How many are Ready.
    pub(crate) fn ready(&self) -> usize {
        self.open().ready
    }

    /// Waits until this number of TokenSources is Ready.
    pub(crate) async fn await_ready(&self, count: usize) {
        while self.ready() < count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until this TokenSource has a token that is newer than a mark.
    pub(crate) async fn await_token(&self, mark: usize, name: &str) -> Arrival {
        let mut news = self.news.subscribe();
        loop {
            news.borrow_and_update();
            let arrivals = self.arrivals(mark);
            if let Some((_, arrival)) = arrivals.into_iter().find(|(of, _)| of == name) {
                return arrival;
            }
            news.changed().await.expect("the journal itself owns the sender");
        }
    }

    /// The number of tokens so far.
    pub(crate) fn mark(&self) -> usize {
        self.open().arrivals.len()
    }

    /// The tokens that were written after a mark.
    pub(crate) fn arrivals(&self, mark: usize) -> Vec<(String, Arrival)> {
        self.open().arrivals.get(mark..).unwrap_or_default().to_vec()
    }

    /// The number of tokens that expired in their targets before they were replaced.
    pub(crate) fn expired(&self) -> u64 {
        let state = self.open();
        let now = Utc::now();
        let standing = state.seen.values().filter(|seen| seen.expires_at.is_some_and(|at| at < now)).count();
        state.expired + u64::try_from(standing).unwrap_or_default()
    }

    /// The number of events that the watches of the benchmark received.
    pub(crate) fn events(&self) -> u64 {
        self.open().events
    }

    /// The TokenSources with a token: when it is due and when it expires.
    pub(crate) fn standing(&self) -> HashMap<String, (DateTime<Utc>, DateTime<Utc>)> {
        let state = self.open();
        let pair = |(name, seen): (&String, &Seen)| Some((name.clone(), (seen.renew_at?, seen.expires_at?)));
        state.seen.iter().filter_map(pair).collect()
    }

    fn note_source(&self, source: &DynamicObject) {
        let status = &source.data["status"];
        let conditions = status["conditions"].as_array();
        let ready =
            conditions.into_iter().flatten().any(|it| it["type"] == "Ready" && it["status"] == "True");
        let mut guard = self.open();
        let state = &mut *guard;
        state.events += 1;
        let seen = state.seen.entry(source.name_any()).or_default();
        if ready != seen.ready {
            state.ready = if ready { state.ready + 1 } else { state.ready - 1 };
            seen.ready = ready;
        }
        seen.renew_at = time(status["renewAt"].as_str());
    }

    fn note_secret(&self, secret: &Secret) {
        let name = secret.name_any();
        let Some(name) = name.strip_suffix("-token") else { return };
        let annotation = |key: &str| time(secret.annotations().get(key).map(String::as_str));
        let issued_at = annotation("tokensource.dev/issued-at");
        let at = Utc::now();
        let mut guard = self.open();
        let state = &mut *guard;
        state.events += 1;
        let seen = state.seen.entry(name.to_owned()).or_default();
        if seen.issued_at == issued_at {
            return;
        }
        // The status is written after the target, so the known status still describes the previous token.
        let first = seen.issued_at.is_none();
        let due = seen.renew_at.filter(|_| !first);
        let deadline = seen.expires_at.filter(|_| !first);
        if deadline.is_some_and(|deadline| deadline < at) {
            state.expired += 1;
        }
        (seen.issued_at, seen.expires_at) = (issued_at, annotation("tokensource.dev/expires-at"));
        state.arrivals.push((name.to_owned(), Arrival { at, due, deadline }));
        drop(guard);
        self.news.send_replace(());
    }

    fn open(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn time(text: Option<&str>) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text?).ok().map(|time| time.to_utc())
}

/// A span in seconds, which may be negative.
pub(crate) fn seconds(span: TimeDelta) -> f64 {
    span.as_seconds_f64()
}

/// The percentile of the values; NaN without values.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    // an index
    let at = ((sorted.len() as f64 - 1.0) * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
