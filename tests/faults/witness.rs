//! The checks at the end of a story: the number of token requests, and whether a Secret has lost a valid token.

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

/// Reads Secrets all the time, and records each time that a Secret has lost its valid token.
pub(crate) struct Witness {
    losses: Arc<Mutex<BTreeSet<String>>>,
    looks: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Witness {
    /// Starts with these Secrets, which have valid tokens now.
    pub(crate) fn of(story: &Story, secrets: &[&str]) -> Self {
        let (losses, looks) = (Arc::<Mutex<BTreeSet<String>>>::default(), Arc::<Mutex<usize>>::default());
        let api = story.secrets();
        let secrets: Vec<String> = secrets.iter().map(ToString::to_string).collect();
        let (found, seen) = (Arc::clone(&losses), Arc::clone(&looks));
        let task = tokio::spawn(async move {
            loop {
                for name in &secrets {
                    // A failed read proves nothing; the story itself breaks the API server.
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

    /// Checks that no read has found a loss, and that there were enough reads.
    pub(crate) fn saw_no_loss(self) {
        self.task.abort();
        assert_eq!(*self.losses.lock().unwrap(), BTreeSet::new(), "valid tokens were lost");
        let looks = *self.looks.lock().unwrap();
        assert!(looks >= 10, "only {looks} looks");
    }
}

/// Why the Secret has no valid token.
fn loss(secret: Option<&Secret>) -> Option<String> {
    let Some(secret) = secret else { return Some("the Secret was deleted".to_owned()) };
    if !secret.data.as_ref().is_some_and(|data| data.contains_key("access_token")) {
        return Some("the Secret holds no token".to_owned());
    }
    let expires_at: DateTime<Utc> = text(secret, "expires_at").parse().expect("RFC 3339");
    (expires_at <= Utc::now()).then(|| format!("its token expired at {expires_at}"))
}

/// Waits until the target `NAME-token` has its first token, which is valid for an hour.
pub(crate) async fn settled(story: &Story, name: &str) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask(name, &json!({})).await;
    at_rest(story, name, 1).await;
}

/// Waits until the target has the last issued token, status and target agree, the provider has received this number of
/// requests, and no more follow.
pub(crate) async fn at_rest(story: &Story, name: &str, requests: usize) {
    at_rest_within(story, name, requests, SOON).await;
}

/// As [`at_rest`], with a deadline of the caller's.
pub(crate) async fn at_rest_within(story: &Story, name: &str, requests: usize, patience: Duration) {
    eventually("all requests", patience, async || match story.provider.count(TOKEN) {
        count if count >= requests => Ok(()),
        count => Err(format!("{count} of {requests}")),
    })
    .await;
    eventually("rest", patience, async || agree(story, name).await).await;
    story.asked_exactly(requests).await;
    if let Err(problem) = agree(story, name).await {
        panic!("the TokenSource did not stay in its stable state: {problem}");
    }
}

async fn agree(story: &Story, name: &str) -> Result<(), String> {
    let held = consistent(story, name).await?;
    let is_last = story.provider.issued().last() == Some(&held);
    if is_last { Ok(()) } else { Err("the target does not hold the provider's last token".to_owned()) }
}

/// The valid token in the target, if the status agrees.
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

/// Changes the credentials, which causes a renewal immediately. Waits for the minimum interval of five seconds before.
pub(crate) async fn rotate(story: &Story, secret: &str) {
    tokio::time::sleep(Duration::from_secs(6)).await;
    story.credentials("client", secret).await;
}

/// Whether a Secret exists.
pub(crate) async fn exists(secrets: &Api<Secret>, name: &str) -> bool {
    secrets.get_opt(name).await.expect("an answer").is_some()
}
