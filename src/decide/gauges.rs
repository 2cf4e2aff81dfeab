//! The state of a `TokenSource` in numbers, for monitoring. Knows the status and the time; must not know how a number is
//! named or shown.

use chrono::{DateTime, Utc};

use crate::api::{ConditionType, Reason, TokenSourceSpec, TokenSourceStatus, from_kubernetes};

/// One `TokenSource` in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauges {
    /// Whether the target holds a token that is valid now and was requested with this spec.
    pub ready: bool,
    /// Failed attempts in a row.
    pub failures: i32,
    /// Why the last attempt failed, or why no request was sent; None unless `Renewed` is False.
    pub problem: Option<Reason>,
    /// When the last published token expires or expired.
    pub expires_at: Option<DateTime<Utc>>,
    /// When the next token is requested. In the past if the controller is late. None if no request is planned.
    pub renews_at: Option<DateTime<Utc>>,
}

/// Makes the numbers from the status and the time, so that an outdated status does not look healthy forever.
pub fn gauges(spec: &TokenSourceSpec, status: Option<&TokenSourceStatus>, now: DateTime<Utc>) -> Gauges {
    let expires_at = status.and_then(|status| status.expires_at.as_ref()).map(from_kubernetes);
    let renews_at = status.and_then(|status| status.renew_at.as_ref()).map(from_kubernetes);
    let said = status.is_some_and(|status| ConditionType::Ready.is_true(&status.conditions));
    Gauges {
        ready: said && expires_at.is_some_and(|expires_at| now < expires_at),
        failures: status.map_or(0, |status| status.failures),
        problem: status.and_then(problem),
        expires_at,
        // A suspended TokenSource is not renewed, although its status still has the time.
        renews_at: renews_at.filter(|_| !spec.suspend),
    }
}

fn problem(status: &TokenSourceStatus) -> Option<Reason> {
    Reason::named(&ConditionType::Renewed.find_false(&status.conditions)?.reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::conditions::State;
    use crate::decide::fixture::{Scene, at};

    fn of(scene: &Scene, now: i64) -> Gauges {
        gauges(&scene.spec, Some(&scene.status), at(now))
    }

    #[test]
    fn a_valid_token_has_its_times_and_is_not_ready_after_its_expiry() {
        let scene = Scene::good();
        let gauges = of(&scene, 60);
        assert!(gauges.ready);
        assert_eq!(gauges.failures, 0);
        assert_eq!(gauges.expires_at, Some(at(3600)));
        assert!(gauges.renews_at.is_some_and(|renews_at| at(60) < renews_at && renews_at < at(3600)));
        assert!(of(&scene, 3599).ready);
        assert!(!of(&scene, 3600).ready, "though the condition still says so");
    }

    #[test]
    fn before_anything_was_recorded_there_are_no_times() {
        let nothing = Gauges { ready: false, failures: 0, problem: None, expires_at: None, renews_at: None };
        assert_eq!(gauges(&Scene::good().spec, None, at(0)), nothing);
    }

    #[test]
    fn a_failed_attempt_has_its_reason_and_a_success_or_a_suspension_has_none() {
        for (state, reason, problem) in [
            (State::False, "ProviderUnavailable", Some(Reason::ProviderUnavailable)),
            (State::False, "NoReasonOfThisVersion", None),
            (State::True, "TokenIssued", None),
            (State::Unknown, "Suspended", None),
        ] {
            let mut scene = Scene::good();
            let renewed = scene.status.conditions.iter_mut().find(|condition| condition.type_ == "Renewed");
            let renewed = renewed.unwrap();
            renewed.status = state.as_str().to_owned();
            renewed.reason = reason.to_owned();
            assert_eq!(of(&scene, 60).problem, problem, "{reason}");
        }
    }

    #[test]
    fn a_suspended_token_source_has_no_renewal_time() {
        let mut scene = Scene::good();
        scene.spec.suspend = true;
        let gauges = of(&scene, 60);
        assert_eq!(gauges.renews_at, None);
        assert!(gauges.ready);
        assert_eq!(gauges.expires_at, Some(at(3600)));
    }
}
