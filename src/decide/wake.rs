//! When to look again if nothing happens before. Knows the instants a status names.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::conditions::is_true;
use super::{Outcome, Plan};
use crate::api::{ConditionType, TokenSourceStatus, from_kubernetes};

/// A safety net: whatever a watch may have lost is found within it.
const LOOK_AGAIN: TimeDelta = TimeDelta::hours(1);
/// What was refused for something in the cluster heals within this, even where no watch says that it has come or
/// gone, as of the ConfigMap of `tls.caBundleRef`.
const REFUSED: TimeDelta = TimeDelta::seconds(60);
/// After an instant, not at it: "now" must have passed it when the timer fires.
const SLACK: TimeDelta = TimeDelta::milliseconds(20);

/// How long to wait; never zero, never more than an hour.
pub fn wake_after(
    plan: &Plan,
    outcome: &Outcome,
    status: &TokenSourceStatus,
    next_errand: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Duration {
    let mut instants = vec![now + LOOK_AGAIN];
    let ready = is_true(&status.conditions, ConditionType::Ready);
    if let (true, Some(expires_at)) = (ready, status.expires_at.as_ref()) {
        // One that has passed was looked at now.
        instants.extend(Some(from_kubernetes(expires_at)).filter(|expires_at| *expires_at > now));
    }
    match (plan, outcome) {
        // A limiter wakes those that wait for it.
        (Plan::Leave | Plan::Suspend | Plan::Wait(None), _) | (_, Outcome::Deferred(_)) => {}
        (Plan::Wait(Some(until)), _) => {
            instants.push(*until);
            // What waits may be a renewal that somebody asked for: the one that is due comes before it. One that is
            // due already is what waits.
            instants.extend(status.renew_at.as_ref().map(from_kubernetes).filter(|due| *due > now));
        }
        (_, Outcome::Refused(_)) => instants.push(now + REFUSED),
        (_, Outcome::NotRestarted(_)) => {
            instants.push(now + REFUSED);
            instants.extend(status.renew_at.as_ref().map(from_kubernetes));
        }
        _ => {
            instants.extend(status.retry_at.as_ref().map(from_kubernetes));
            if status.failures == 0 {
                instants.extend(next_errand);
                instants.extend(status.renew_at.as_ref().map(from_kubernetes));
            }
        }
    }
    let soonest = instants.into_iter().min().unwrap_or(now);
    (soonest - now + SLACK).max(SLACK).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::to_kubernetes;

    fn after(plan: &Plan, renew_at: i64) -> Duration {
        let now = DateTime::UNIX_EPOCH;
        let status = TokenSourceStatus {
            renew_at: Some(to_kubernetes(now + TimeDelta::seconds(renew_at))),
            ..TokenSourceStatus::default()
        };
        wake_after(plan, &Outcome::Waiting, &status, None, now)
    }

    #[test]
    fn request_that_waits_does_not_postpone_a_due_renewal() {
        let until = DateTime::UNIX_EPOCH + TimeDelta::seconds(50);
        let slack = Duration::from_millis(20);
        let wait = Plan::Wait(Some(until));
        assert_eq!(after(&wait, 15), Duration::from_secs(15) + slack);
        assert_eq!(after(&wait, 90), Duration::from_secs(50) + slack);
        // Due already, and held back by the pace: no spinning until then.
        assert_eq!(after(&wait, -3), Duration::from_secs(50) + slack);
        assert_eq!(after(&wait, 0), Duration::from_secs(50) + slack);
    }
}
