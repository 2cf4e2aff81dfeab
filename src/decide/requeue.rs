//! When the next reconcile is due if no change triggers one before. Knows the instants in the status; must not know a
//! workqueue.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Outcome, Plan};
use crate::api::{ConditionType, TokenSourceStatus, from_kubernetes};

/// The longest pause, so that a change that no watch delivered is noticed.
const LONGEST: TimeDelta = TimeDelta::hours(1);
/// The pause after a refusal or a failed restart. Some causes, such as a missing ConfigMap of `tls.caBundleRef`, are not
/// watched.
const REFUSED: TimeDelta = TimeDelta::seconds(60);
/// Added to each wait, so that the instant has passed when the timer fires.
const SLACK: TimeDelta = TimeDelta::milliseconds(20);

/// How long to wait: more than zero, at most an hour.
pub fn requeue_after(
    plan: &Plan,
    outcome: &Outcome,
    status: &TokenSourceStatus,
    next_follow_up: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Duration {
    let mut instants = vec![now + LONGEST];
    let ready = ConditionType::Ready.is_true(&status.conditions);
    if let (true, Some(expires_at)) = (ready, status.expires_at.as_ref()) {
        // An expiry that has passed was handled by this reconcile.
        instants.extend(Some(from_kubernetes(expires_at)).filter(|expires_at| *expires_at > now));
    }
    match (plan, outcome) {
        // The limiter triggers the reconcile of a TokenSource that waits for it.
        (Plan::AwaitDeletion | Plan::Suspend | Plan::Wait(None), _) | (_, Outcome::Deferred(_)) => {}
        (Plan::Wait(Some(until)), _) => {
            instants.push(*until);
            // The wait may be for a requested renewal, and the scheduled renewal may come before it. A scheduled renewal
            // that is already due is the one that waits.
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
                instants.extend(next_follow_up);
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
        requeue_after(plan, &Outcome::Waiting, &status, None, now)
    }

    #[test]
    fn request_that_waits_does_not_postpone_a_due_renewal() {
        let until = DateTime::UNIX_EPOCH + TimeDelta::seconds(50);
        let slack = Duration::from_millis(20);
        let wait = Plan::Wait(Some(until));
        assert_eq!(after(&wait, 15), Duration::from_secs(15) + slack);
        assert_eq!(after(&wait, 90), Duration::from_secs(50) + slack);
        // Due already, and delayed by the minimum interval: no reconcile until then.
        assert_eq!(after(&wait, -3), Duration::from_secs(50) + slack);
        assert_eq!(after(&wait, 0), Duration::from_secs(50) + slack);
    }
}
