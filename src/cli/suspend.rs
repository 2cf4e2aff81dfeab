//! `tokensource suspend` and `tokensource resume`: sets and removes `spec.suspend`, and says what happens to the token.
//! Must not know how a suspended TokenSource is treated.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::arguments::SuspendArguments;
use super::cluster::Cluster;
use super::list::{key, selected};
use super::output::{BAD, print, styled, wrapped};
use super::spans::relative;
use super::{Environment, Error, ExitStatus};
use crate::api::{TokenSource, from_kubernetes};
use crate::api_calls::chain;

/// Changes the selected TokenSources. If one of them cannot be changed, the command continues with the next.
pub(super) async fn run(
    arguments: &SuspendArguments,
    suspend: bool,
    environment: &Environment,
) -> Result<ExitStatus, Error> {
    let cluster = Cluster::connect(&arguments.cluster, environment.variable).await?;
    let sources = selected(&arguments.objects, &cluster).await?;
    let mut status = if sources.is_empty() { ExitStatus::Failure } else { ExitStatus::Success };
    for source in &sources {
        let key = key(source);
        let label = arguments.objects.label(&key);
        if source.spec.suspend == suspend {
            print(&format!(
                "{label}: {}\n",
                if suspend { "is suspended already" } else { "is not suspended" }
            ))?;
            continue;
        }
        // Null removes the field, so that the spec is what it was before it was suspended.
        let patch = json!({"spec": {"suspend": suspend.then_some(true)}});
        match cluster.patch("the API server refuses the change", &key, &patch).await {
            Ok(source) => print(&format!("{label}: {}\n", outcome(&source, (environment.now)())))?,
            Err(error) => {
                status = ExitStatus::Failure;
                print(&format!("{label}: {}\n{}", styled(BAD, "not changed"), wrapped(&chain(&error), 2)))?;
            }
        }
    }
    Ok(status)
}

/// A sentence about the token: how long it stays valid, and when it is renewed.
fn outcome(source: &TokenSource, now: DateTime<Utc>) -> String {
    let time =
        |time: Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>| time.map(from_kubernetes);
    let status = source.status.as_ref();
    let expires = time(status.and_then(|status| status.expires_at.as_ref())).filter(|at| *at > now);
    let renews = time(status.and_then(|status| status.renew_at.as_ref()));
    match (source.spec.suspend, expires) {
        (true, Some(at)) => format!(
            "suspended; the token in Secret {} stays and expires {}, and no other is requested",
            source.target_name(),
            relative(at, now)
        ),
        (true, None) => format!("suspended; Secret {} has no valid token", source.target_name()),
        (false, Some(_)) => match renews {
            Some(at) if at > now => format!("resumed; the token is renewed {}", relative(at, now)),
            Some(_) => "resumed; a token is requested now".to_owned(),
            // The status of a suspended TokenSource has no time of renewal.
            None => "resumed; the token is renewed when it is due".to_owned(),
        },
        (false, None) => "resumed; a token is requested now".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcome_says_what_happens_to_the_token() {
        let now = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        let (past, soon, later) = ("2025-12-31T23:00:00Z", "2026-01-01T00:30:00Z", "2026-01-01T00:40:00Z");
        for (suspend, expires, renews, expected) in [
            (
                true,
                Some(later),
                Some(soon),
                "suspended; the token in Secret a-token stays and expires in 40m, and no other is requested",
            ),
            (true, Some(past), Some(past), "suspended; Secret a-token has no valid token"),
            (true, None, None, "suspended; Secret a-token has no valid token"),
            (false, Some(later), Some(soon), "resumed; the token is renewed in 30m"),
            (false, Some(later), Some(past), "resumed; a token is requested now"),
            (false, Some(later), None, "resumed; the token is renewed when it is due"),
            (false, Some(past), Some(past), "resumed; a token is requested now"),
        ] {
            let source: TokenSource = serde_json::from_value(json!({
                "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource", "metadata": {"name": "a"},
                "spec": {"suspend": suspend, "target": {"name": "a-token"}},
                "status": {"expiresAt": expires, "renewAt": renews},
            }))
            .unwrap();
            assert_eq!(outcome(&source, now), expected);
        }
    }
}
