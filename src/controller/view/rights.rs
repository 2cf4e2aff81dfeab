//! Asks the API server whether the controller has the rights that it needs to write tokens.
//!
//! A missing right to list or watch shows immediately, because the caches stay empty; a missing right to write would show
//! only after a token has been issued. Must not know who grants rights.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;

use crate::controller::error::{CallError, call};

/// Verb, group, resource and subresource.
const NEEDED: [(&str, &str, &str, &str); 4] = [
    ("get", "", "secrets", ""),
    ("create", "", "secrets", ""),
    ("patch", "", "secrets", ""),
    ("patch", "tokensource.dev", "tokensources", "status"),
];
/// The pause before missing rights are checked again.
const RECHECK_PAUSE: Duration = Duration::from_secs(30);

/// The missing rights by namespace. The empty name stands for the whole cluster.
type Missing = BTreeMap<String, Vec<String>>;

/// The latest results of the checks of the controller's rights. Clones share one state.
#[derive(Clone)]
pub struct Rights {
    missing: watch::Receiver<Missing>,
    scopes: usize,
}

impl Rights {
    /// Checks the rights now, and again until none is missing. `namespaces` is empty for the whole cluster.
    pub(crate) fn watch(client: &Client, namespaces: &[String]) -> Self {
        let scopes = if namespaces.is_empty() { vec![String::new()] } else { namespaces.to_vec() };
        let (sender, missing) = watch::channel(Missing::new());
        let rights = Self { missing, scopes: scopes.len() };
        let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
        tokio::spawn(async move {
            loop {
                // A failed check does not count as a missing right.
                let complete = match check(&api, &scopes).await {
                    Ok(missing) => {
                        let complete = missing.is_empty();
                        report(&sender, missing);
                        complete
                    }
                    Err(error) => {
                        tracing::debug!(detail = %error, "The controller's rights could not be checked");
                        false
                    }
                };
                if complete {
                    break;
                }
                tokio::time::sleep(RECHECK_PAUSE).await;
            }
        });
        rights
    }

    /// Whether tokens can be written in at least one namespace. A namespace without its Role does not make the others
    /// unready.
    pub fn suffice(&self) -> bool {
        self.missing.borrow().len() < self.scopes
    }

    /// The rights of a controller that lacks none.
    #[cfg(test)]
    pub(crate) fn complete() -> Self {
        Self { missing: watch::channel(Missing::new()).1, scopes: 1 }
    }

    /// The missing rights in words, one line for each namespace; empty if none is missing.
    pub fn in_words(&self) -> String {
        in_words(&self.missing.borrow())
    }
}

fn in_words(missing: &Missing) -> String {
    missing.iter().fold(String::new(), |mut text, (namespace, rights)| {
        let place = if namespace.is_empty() { String::new() } else { format!(" in namespace {namespace}") };
        let _ = writeln!(text, "rights are missing{place}: {}", rights.join(", "));
        text
    })
}

fn report(sender: &watch::Sender<Missing>, missing: Missing) {
    sender.send_if_modified(|before| {
        let changed = *before != missing;
        if changed && missing.is_empty() {
            tracing::info!("The rights that were missing have been granted");
        } else if changed {
            let detail = in_words(&missing);
            tracing::warn!(
                detail = detail.trim_end(),
                "Rights are missing that tokens need: grant those in deploy/kustomize"
            );
        }
        *before = missing;
        changed
    });
}

async fn check(api: &Api<SelfSubjectAccessReview>, namespaces: &[String]) -> Result<Missing, CallError> {
    let mut missing = Missing::new();
    for namespace in namespaces {
        for (verb, group, resource, subresource) in NEEDED {
            let attributes = ResourceAttributes {
                namespace: Some(namespace.clone()).filter(|namespace| !namespace.is_empty()),
                verb: Some(verb.to_owned()),
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource: Some(subresource.to_owned()).filter(|subresource| !subresource.is_empty()),
                ..ResourceAttributes::default()
            };
            let spec = SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                ..SelfSubjectAccessReviewSpec::default()
            };
            let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
            let answer = call(api.create(&PostParams::default(), &review)).await?;
            if !answer.status.is_some_and(|status| status.allowed) {
                let of = if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
                missing.entry(namespace.clone()).or_default().push(format!("{verb} {resource}{of}"));
            }
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(missing: &[&str], scopes: usize) -> Rights {
        let entry = |namespace: &&str| ((*namespace).to_owned(), vec!["create secrets".to_owned()]);
        let (_, missing) = watch::channel(missing.iter().map(entry).collect());
        Rights { missing, scopes }
    }

    #[test]
    fn controller_is_unready_only_where_no_namespace_can_be_served() {
        assert!(rights(&[], 1).suffice());
        assert!(!rights(&[""], 1).suffice());
        assert!(rights(&["team-a"], 2).suffice());
        assert!(!rights(&["team-a", "team-b"], 2).suffice());
    }

    #[test]
    fn missing_rights_are_named_with_their_namespace() {
        assert_eq!(rights(&[], 1).in_words(), "");
        assert_eq!(rights(&[""], 1).in_words(), "rights are missing: create secrets\n");
        let text = "rights are missing in namespace team-a: create secrets\n";
        assert_eq!(rights(&["team-a"], 2).in_words(), text);
    }
}
