//! What every story ends with: how many tokens were asked for, and whether a Secret has lost a valid one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use serde_json::json;
use tokensource::api::ConditionType;
use tokensource_kit::eventually;
use tokensource_kit::scripted_provider::Answer;
use tokio::task::JoinHandle;

use crate::story::{SOON, Story, TOKEN, is, text};

/// Looks at Secrets all the time, and writes down each look that finds no valid token in one that had one before.
pub(crate) struct Witness {
    losses: Arc<Mutex<BTreeSet<String>>>,
    looks: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Witness {
    /// Begins to look at these Secrets, which hold valid tokens now.
    pub(crate) fn of(story: &Story, secrets: &[&str]) -> Self {
        let (losses, looks) = (Arc::<Mutex<BTreeSet<String>>>::default(), Arc::<Mutex<usize>>::default());
        let api = story.secrets();
        let secrets: Vec<String> = secrets.iter().map(ToString::to_string).collect();
        let (found, seen) = (Arc::clone(&losses), Arc::clone(&looks));
        let task = tokio::spawn(async move {
            loop {
                for name in &secrets {
                    // An API server that does not answer tells nothing; that is a story's own doing.
                    if let Ok(looked) = api.get_opt(name).await {
                        *seen.lock().unwrap() += 1;
                        if let Some(loss) = loss(looked.as_ref()) {
                            found.lock().unwrap().insert(format!("{name}: {loss}"));
                        }
                    }
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Self { losses, looks, task }
    }

    /// No look has found a loss, and there were looks enough to say so.
    pub(crate) fn saw_no_loss(self) {
        self.task.abort();
        assert_eq!(*self.losses.lock().unwrap(), BTreeSet::new(), "valid tokens were lost");
        let looks = *self.looks.lock().unwrap();
        assert!(looks >= 10, "only {looks} looks");
    }
}

/// Why there is no valid token in it.
fn loss(secret: Option<&Secret>) -> Option<String> {
    let Some(secret) = secret else { return Some("it is gone".to_owned()) };
    if !secret.data.as_ref().is_some_and(|data| data.contains_key("access_token")) {
        return Some("it holds no token".to_owned());
    }
    let expires_at: DateTime<Utc> = text(secret, "expires_at").parse().expect("RFC 3339");
    (expires_at <= Utc::now()).then(|| format!("its token expired at {expires_at}"))
}

/// The scripted provider gives tokens of an hour, and the target `NAME-token` holds the first.
pub(crate) async fn settled(story: &Story, name: &str) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask(name, &json!({})).await;
    at_rest(story, name, 1).await;
}

/// The target holds the last token that the provider has issued, status and target agree, and the provider has been asked
/// just so often, and is asked no more.
pub(crate) async fn at_rest(story: &Story, name: &str, requests: usize) {
    at_rest_within(story, name, requests, SOON).await;
}

/// The same, for what takes longer.
pub(crate) async fn at_rest_within(story: &Story, name: &str, requests: usize, patience: Duration) {
    eventually("all requests", patience, async || match story.provider.count(TOKEN) {
        count if count >= requests => Ok(()),
        count => Err(format!("{count} of {requests}")),
    })
    .await;
    eventually("rest", patience, async || agree(story, name).await).await;
    story.asked_exactly(requests).await;
    if let Err(problem) = agree(story, name).await {
        panic!("it was at rest, and is no more: {problem}");
    }
}

async fn agree(story: &Story, name: &str) -> Result<(), String> {
    let held = consistent(story, name).await?;
    let is_last = story.provider.issued().last() == Some(&held);
    if is_last { Ok(()) } else { Err("the target does not hold the provider's last token".to_owned()) }
}

/// The valid token in the target, if the status says the same of it.
pub(crate) async fn consistent(story: &Story, name: &str) -> Result<String, String> {
    let source = story.sources().get(name).await.map_err(|error| error.to_string())?;
    let secret = story.secrets().get(&format!("{name}-token")).await.map_err(|error| error.to_string())?;
    if let Some(loss) = loss(Some(&secret)) {
        return Err(loss);
    }
    let status = source.status.as_ref();
    let recorded = status.and_then(|status| status.target.as_ref()?.resource_version.clone());
    let owner = secret.owner_references().first().map(|owner| &owner.uid);
    let agree = is(&source, ConditionType::Ready, "True")
        && is(&source, ConditionType::Renewed, "True")
        && status.and_then(|status| status.observed_generation) == source.metadata.generation
        && recorded == secret.resource_version()
        && owner == source.metadata.uid.as_ref();
    let version = secret.resource_version();
    if agree {
        Ok(text(&secret, "access_token"))
    } else {
        Err(format!("target {version:?}, owner {owner:?}, status {status:#?}"))
    }
}

/// Other credentials: a renewal at once. The provider is never asked twice within five seconds, so these pass first.
pub(crate) async fn rotate(story: &Story, secret: &str) {
    tokio::time::sleep(Duration::from_secs(6)).await;
    story.credentials("client", secret).await;
}

/// Whether a Secret is there.
pub(crate) async fn exists(secrets: &Api<Secret>, name: &str) -> bool {
    secrets.get_opt(name).await.expect("an answer").is_some()
}
