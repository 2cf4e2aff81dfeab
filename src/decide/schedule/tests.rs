//! The time of renewal for lifetimes of all sizes, and the bounds of jitter.

use super::*;
use crate::api::Duration;
use crate::decide::fixture::at;

const LIFETIMES: [i64; 12] = [86_400, 3600, 1800, 900, 600, 361, 360, 359, 300, 60, 7, 1];

fn percentage(at_percentage: u8) -> Renewal {
    Renewal { at_percentage: Some(at_percentage), ..Renewal::default() }
}

fn before(seconds: u64) -> Renewal {
    Renewal { before: Some(Duration::from_secs(seconds)), ..Renewal::default() }
}

fn wishes() -> Vec<Renewal> {
    let percentages = [1, 5, 9, 50, 75, 99].map(percentage);
    let befores = [0, 1, 59, 180, 300, 900, 3300, 3599, 3600, 86_000, 1_000_000].map(before);
    percentages.into_iter().chain(befores).chain([Renewal::default()]).collect()
}

fn life(lifetime: i64) -> Life {
    Life { issued_at: at(0), expires_at: at(lifetime) }
}

fn before_jitter(lifetime: i64, renewal: &Renewal) -> i64 {
    let lifetime = TimeDelta::seconds(lifetime);
    wanted_renewal(lifetime, renewal).min(latest_renewal(lifetime)).num_seconds()
}

fn due_by_uid(lifetime: i64, renewal: &Renewal) -> Vec<i64> {
    let due = |n| (renew_at(life(lifetime), renewal, &format!("uid-{n}"), None) - at(0)).num_seconds();
    (0..300).map(due).collect()
}

#[test]
fn due_before_jitter() {
    let cases = [
        ("the default is 75 % of a day", Renewal::default(), 86_400, 64_800),
        ("75 % of an hour", Renewal::default(), 3600, 2700),
        ("75 % of half an hour", Renewal::default(), 1800, 1350),
        ("75 % of a quarter of an hour", Renewal::default(), 900, 675),
        ("ten minutes: never later than the time a mount needs", Renewal::default(), 600, 420),
        ("six minutes: the margin is half of them", Renewal::default(), 360, 180),
        ("five minutes: half of the lifetime", Renewal::default(), 300, 150),
        ("one minute: half of the lifetime", Renewal::default(), 60, 30),
        ("half of the lifetime, by atPercentage", percentage(50), 86_400, 43_200),
        ("99 % of an hour still leaves the margin", percentage(99), 3600, 3420),
        ("an early percentage of a short lifetime is obeyed", percentage(10), 300, 30),
        ("a quarter of an hour before the end of a day, and no percentage", before(900), 86_400, 85_500),
        ("before, of an hour", before(900), 3600, 2700),
        ("before, shorter than the margin, gives way to it", before(60), 3600, 3420),
        ("before zero gives way to the margin", before(0), 3600, 3420),
        ("before, as long as the lifetime, is half of the lifetime", before(3600), 3600, 1800),
        ("before, beyond the lifetime, is half of the lifetime", before(7200), 3600, 1800),
        ("half of an odd lifetime is a whole second", before(7200), 3601, 1800),
    ];
    for (name, renewal, lifetime, due) in cases {
        assert_eq!(before_jitter(lifetime, &renewal), due, "{name}");
    }
}

#[test]
fn jitter_is_at_most_a_tenth_of_the_lead_and_never_later() {
    for renewal in wishes() {
        for lifetime in LIFETIMES {
            let plain = before_jitter(lifetime, &renewal);
            let tenth = (lifetime - plain + 9) / 10;
            for due in due_by_uid(lifetime, &renewal) {
                assert!(due <= plain, "{renewal:?} of {lifetime}: {due} is later than {plain}");
                assert!(
                    due >= plain - tenth,
                    "{renewal:?} of {lifetime}: {due} is earlier than {plain} − {tenth}"
                );
            }
        }
    }
}

#[test]
fn jitter_never_uses_up_the_wait() {
    for renewal in wishes() {
        for lifetime in LIFETIMES {
            let plain = before_jitter(lifetime, &renewal);
            let soonest = due_by_uid(lifetime, &renewal).into_iter().min().unwrap();
            assert!(
                soonest >= plain * 9 / 10,
                "{renewal:?} of {lifetime}: due after {soonest} instead of {plain}"
            );
        }
    }
}

#[test]
fn jitter_spreads_objects_and_leaves_each_where_it_is() {
    let due = due_by_uid(3600, &Renewal::default());
    assert_eq!(due, due_by_uid(3600, &Renewal::default()));
    let (first, last) = (due.iter().min().unwrap(), due.iter().max().unwrap());
    assert!(*first < 2620 && *last > 2690, "{first} to {last}");
}

#[test]
fn due_falls_on_whole_seconds() {
    let odd = Duration::from_secs(1);
    let fraction: Renewal = serde_json::from_str(r#"{"before": "1500ms"}"#).unwrap();
    for renewal in wishes().into_iter().chain([fraction, Renewal { before: Some(odd), ..Renewal::default() }])
    {
        for lifetime in LIFETIMES {
            let due = renew_at(life(lifetime), &renewal, "uid", None);
            assert_eq!(due.timestamp_subsec_nanos(), 0, "{renewal:?} of {lifetime}");
        }
    }
}

#[test]
fn a_life_of_no_length_is_due_at_once_and_does_not_panic() {
    for lifetime in [0, -1, -86_400] {
        for renewal in wishes() {
            assert!(renew_at(life(lifetime), &renewal, "uid", None) <= at(0), "{renewal:?} of {lifetime}");
        }
    }
}

#[test]
fn a_provider_that_returns_the_same_token() {
    let cases = [
        ("the next request is shortly before the end", 3600, 2700, 3420),
        ("then once a minute", 3600, 3430, 3490),
        ("but no later than at the end", 3600, 3580, 3600),
        ("an instant before the token was issued does not delay its renewal", 3600, -1, 2700),
        ("a short lifetime: not before it is due", 300, 10, 150),
        ("a short lifetime: once a minute, too", 300, 150, 210),
    ];
    for (name, lifetime, unchanged, plain) in cases {
        let due = |n| renew_at(life(lifetime), &Renewal::default(), &format!("uid-{n}"), Some(at(unchanged)));
        let latest = (0..300).map(due).max().unwrap();
        assert!(
            (latest - at(plain)).abs() <= TimeDelta::seconds(1),
            "{name}: {latest} instead of {}",
            at(plain)
        );
    }
}

#[test]
fn every_uid_is_due_between_the_bounds() {
    for (lifetime, renewal) in
        LIFETIMES.into_iter().flat_map(|life| wishes().into_iter().map(move |wish| (life, wish)))
    {
        let (least, greatest) = due_between(TimeDelta::seconds(lifetime), &renewal);
        for uid in ["a", "b", "c", "d"] {
            let due = renew_at(life(lifetime), &renewal, uid, None) - at(0);
            assert!(
                least <= due && due <= greatest,
                "{lifetime} s, {renewal:?}: {due} of {least} to {greatest}"
            );
        }
        assert_eq!(greatest.num_seconds(), before_jitter(lifetime, &renewal));
    }
}
