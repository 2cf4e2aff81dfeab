//! The effect of a 429: on the client, on all users of the endpoint, on trials, and on the urgency of the request.

use super::*;
use crate::decide::Outcome;
use crate::decide::fixture::{Scene, failure};
use crate::oauth::Retry;

#[test]
fn a_limit_holds_back_the_client_that_met_it() {
    let mut limiter = Limiter::new(16, true, at(0));
    let of_client = |name: &str| Request { credentials: "limited".into(), ..renewal("a", name, 500) };
    answer(&mut limiter, of_client("first"), Answer::Limited, at(0));
    assert!(waits(&mut limiter, of_client("second"), at(0)));
    for number in 0..50 {
        answer(&mut limiter, renewal("b", &number.to_string(), 500), Answer::Succeeded, at(0));
        answer(&mut limiter, renewal("a", &number.to_string(), 500), Answer::Succeeded, at(0));
    }
    let next = limiter.resume(at(0)).next.unwrap();
    assert!(next <= at(2), "{next}");
    assert_eq!(resumed(&mut limiter, next), ["second"]);
}

#[test]
fn limits_that_two_namespaces_meet_together_hold_back_all() {
    let mut limiter = Limiter::new(16, true, at(0));
    answer(&mut limiter, renewal("a", "one", 500), Answer::Limited, at(0));
    answer(&mut limiter, renewal("b", "one", 500), Answer::Limited, at(20));
    assert!(waits(&mut limiter, renewal("c", "one", 500), at(20)));
    let mut apart = Limiter::new(16, true, at(0));
    answer(&mut apart, renewal("a", "one", 500), Answer::Limited, at(0));
    answer(&mut apart, renewal("b", "one", 500), Answer::Limited, at(31));
    assert!(!waits(&mut apart, renewal("c", "one", 500), at(31)));
}

/// A provider that counts all requests of a host refuses any client, also if one namespace alone uses a cluster-wide provider.
#[test]
fn limits_that_two_clients_of_the_only_namespace_meet_hold_back_all() {
    let mut limiter = Limiter::new(16, true, at(0));
    answer(&mut limiter, renewal("a", "one", 500), Answer::Limited, at(0));
    assert!(!waits(&mut limiter, renewal("a", "three", 500), at(10)));
    answer(&mut limiter, renewal("a", "two", 500), Answer::Limited, at(20));
    assert!(waits(&mut limiter, renewal("a", "four", 500), at(20)));
    // The limit may be of this namespace only, so it ends when another namespace arrives.
    assert!(!waits(&mut limiter, renewal("b", "one", 500), at(20)));
    assert!(!waits(&mut limiter, renewal("b", "two", 500), at(20)));
    // That is so if the limit became known after a recovery, too.
    let mut recovered = Limiter::new(16, true, at(0));
    for name in ["one", "two", "three"] {
        answer(&mut recovered, renewal("a", name, 500), down(), at(0));
    }
    assert!(waits(&mut recovered, renewal("a", "one", 500), at(1)));
    assert_eq!(resumed(&mut recovered, at(5)), ["one"]);
    answer(&mut recovered, renewal("a", "one", 500), Answer::Succeeded, at(5));
    for (name, second) in [("one", 10), ("two", 12), ("three", 14)] {
        answer(&mut recovered, renewal("a", name, 500), Answer::Limited, at(second));
    }
    assert!(recovered.rates.limit_any());
    assert!(!waits(&mut recovered, renewal("b", "one", 500), at(14)));
    assert!(!waits(&mut recovered, renewal("b", "two", 500), at(14)));
    // If another namespace is present, its requests may be counted separately.
    let mut shared = Limiter::new(16, true, at(0));
    answer(&mut shared, renewal("b", "one", 500), Answer::Succeeded, at(0));
    answer(&mut shared, renewal("a", "one", 500), Answer::Limited, at(0));
    answer(&mut shared, renewal("a", "two", 500), Answer::Limited, at(20));
    assert!(!waits(&mut shared, renewal("a", "three", 500), at(20)));
}

/// Otherwise clients whose Secrets are recreated again and again would be remembered for ever.
#[test]
fn a_limit_ends_ten_minutes_after_the_last_429() {
    let mut limiter = Limiter::new(16, true, at(0));
    answer(&mut limiter, renewal("a", "one", 5000), Answer::Limited, at(0));
    answer(&mut limiter, renewal("b", "one", 5000), Answer::Limited, at(1));
    assert!(limiter.rates.limit_any());
    limiter.resume(at(601));
    assert!(!limiter.rates.limit_any());
}

/// A 429 does not prolong the pause, so that the trials of a limited client would follow one another.
#[test]
fn a_limited_client_is_not_tried_until_its_rate_permits() {
    let of_client = |name: &str| Request { credentials: "limited".into(), ..renewal("c", name, 500) };
    let mut limiter = open(at(0));
    for name in ["c1", "c2"] {
        assert!(waits(&mut limiter, of_client(name), at(1)));
    }
    assert_eq!(resumed(&mut limiter, at(5)), ["c1"]);
    answer(&mut limiter, of_client("c1"), Answer::Limited, at(5));
    assert_eq!(resumed(&mut limiter, at(5)), [] as [&str; 0]);
    let next = limiter.resume(at(5)).next.unwrap();
    assert!(at(5) < next && next < at(8), "{next}");
    assert_eq!(resumed(&mut limiter, next), ["c2"]);
    // A limit that two tenants meet together applies to trials, too.
    answer(&mut limiter, of_client("c2"), Answer::Limited, next);
    let of_another = |name: &str| Request { credentials: "another".into(), ..renewal("d", name, 500) };
    answer(&mut limiter, of_another("d1"), Answer::Limited, next);
    assert!(waits(&mut limiter, of_another("d2"), next));
    assert!(limiter.resume(next).next.is_some());
}

/// Otherwise a short-lived token that was refused once waits behind all others, also behind those that expire later.
#[test]
fn a_refusal_by_limit_makes_a_renewal_no_less_urgent() {
    let failed = |reason, now| {
        let mut scene = Scene::good();
        scene.record(&Outcome::Failed(at(1800), failure(reason, Retry::TRANSIENT)));
        Request::of(&scene.when(now).observed()).need
    };
    let expires_at = at(3600);
    assert_eq!(failed(Reason::RateLimited, 3599), Need::Renewal(expires_at));
    assert_eq!(failed(Reason::ProviderUnavailable, 3599), Need::Retry(expires_at));
    assert_eq!(failed(Reason::RateLimited, 3600), Need::Retry(expires_at), "it must not be first for ever");
}
