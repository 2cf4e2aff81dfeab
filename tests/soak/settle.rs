//! The end of a run: after the faults, all TokenSources become Ready, and their statuses are true. Knows the stable state.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kube::Api;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::json;
use tokensource::api::{TokenSource, from_kubernetes};
use tokensource_kit::kstatus;
use tokio::time::{Instant, sleep};

use crate::faults::say;
use crate::history::{Cause, Fact, Held};
use crate::sampler::is_ready;
use crate::world::World;

/// The deadline: the Secret of a predecessor may block a target for a minute, and a circuit breaker may be open almost as
/// long.
const PATIENCE: Duration = Duration::from_secs(100);

/// Waits until all TokenSources are Ready with true statuses; at the deadline, returns the violations.
pub(crate) async fn to_rest(world: &World) -> Vec<String> {
    ask_for_what_waits_too_long(world).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let unrest = unrest(world).await;
        if unrest.is_empty() || Instant::now() > deadline {
            return unrest
                .into_iter()
                .map(|what| format!("after {PATIENCE:?} without faults: {what}"))
                .collect();
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Requests renewals where the next attempt is more than a minute away. After three malformed answers in a row, for example, the
/// wait is 20 minutes: an operator would request a renewal.
async fn ask_for_what_waits_too_long(world: &World) {
    for place in &world.sources {
        let source = world.api(*place).get(&place.name()).await.expect("the TokenSource");
        let retry_at = source.status.and_then(|status| status.retry_at);
        if retry_at.is_some_and(|at| from_kubernetes(&at) > Utc::now() + TimeDelta::seconds(60)) {
            say(&format!("{}: renewal requested, because the next attempt would be late", place.key()));
            let at = Utc::now();
            let patch =
                json!({"metadata": {"annotations": {"tokensource.dev/renew-requested-at": "the end"}}});
            world.patch(*place, &patch).await;
            world.note_as_of(at, *place, Fact::Cause(Cause::RenewalRequested));
        }
    }
}

async fn unrest(world: &World) -> Vec<String> {
    let all = Api::<TokenSource>::all(world.admin.clone()).list(&ListParams::default()).await;
    let all = all.expect("the TokenSources").items;
    let mut unrest: Vec<String> = all.iter().flat_map(|source| complaints(world, source)).collect();
    if all.len() != world.sources.len() {
        unrest.push(format!("{} TokenSources, not {}", all.len(), world.sources.len()));
    }
    unrest
}

fn complaints(world: &World, source: &TokenSource) -> Vec<String> {
    let name = format!("{}/{}", source.namespace().unwrap_or_default(), source.name_any());
    let mut all = kstatus::check(source).err().unwrap_or_default();
    let status = source.status.clone().unwrap_or_default();
    let expires_at = status.expires_at.as_ref().map(from_kubernetes);
    if !is_ready(source) || status.failures != 0 {
        all.push(format!("not Ready, or with failures: {status:?}"));
    }
    all.extend(untrue(world, &name, expires_at));
    all.into_iter().map(|what| format!("{name}: {what}")).collect()
}

/// Checks that the target's last token is valid and expires at the status's time.
fn untrue(world: &World, name: &str, expires_at: Option<DateTime<Utc>>) -> Option<String> {
    let history = world.journal.open();
    let facts = &history.sources.get(name)?.facts;
    let held = facts.iter().rev().find_map(|(_, fact)| match fact {
        Fact::Holds(held) => Some(*held),
        _ => None,
    });
    match (held, expires_at) {
        (Some(Held::Token(token)), Some(said)) => {
            // The controller counts from the time of its request, in whole seconds.
            let off = (token.expires_at - said).abs() > TimeDelta::seconds(3);
            let late = token.expires_at <= Utc::now();
            (off || late).then(|| format!("{token} is in the target, and the status says until {said}"))
        }
        other => Some(format!("the target holds {:?}", other.0)),
    }
}
