//! Thousands who come at once: after an outage, with nothing at all, or against a limit.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;

/// A fleet of which everybody is due at once; returns in which order they were served, and how many requests failed.
fn recover(fleet: &[(String, i64)], outage: i64) -> (Vec<(String, i64)>, Vec<String>) {
    let mut gate = Gate::default();
    let mut looks: Vec<(DateTime<Utc>, usize)> = (0..fleet.len()).map(|who| (at(0), who)).collect();
    let (mut served, mut failed) = (Vec::new(), Vec::new());
    while let Some(next) = looks.iter().enumerate().min_by_key(|(_, look)| **look).map(|(index, _)| index) {
        let (now, index) = looks.swap_remove(next);
        let (who, expires) = &fleet[index];
        assert!(now < at(100_000), "a standstill");
        match gate.enter(who, Need::Next(at(*expires)), PLACES, now) {
            Entry::Later(Wait { until, .. }) => {
                assert!(until > now, "a busy loop");
                looks.push((until, index));
            }
            Entry::Enter if now < at(outage) => {
                gate.leave(who, who, &down(), now);
                failed.push(who.clone());
                // Its own wait, as the schedule has it.
                looks.push((now + TimeDelta::seconds(30), index));
            }
            Entry::Enter => {
                gate.leave(who, who, &Met::Well, now);
                served.push((who.clone(), (now - at(0)).num_seconds()));
            }
        }
    }
    (served, failed)
}

#[test]
fn five_hundred_send_one_probe_and_come_back_in_order() {
    // Expiry in an order that has nothing to do with the names'.
    let fleet: Vec<_> = (0..500).map(|n| (format!("s{n}"), 10_000 + (n * 7919) % 500)).collect();
    let (served, failed) = recover(&fleet, 600);
    assert_eq!(served.len(), 500);
    assert!(failed.len() <= 20, "{failed:?}: requests to a provider that was down for ten minutes");
    let expiry = |who: &str| fleet.iter().find(|(name, _)| name == who).unwrap().1;
    // As many may overtake as there are places, and once more while somebody sleeps; who has failed comes when its own wait is over.
    let overtaken = served.iter().enumerate().filter(|(position, (who, _))| {
        if failed.contains(who) {
            return false;
        }
        let before = served.iter().take(*position).filter(|(other, _)| expiry(other) > expiry(who));
        before.count() > 2 * PLACES
    });
    let overtaken = overtaken.count();
    assert!(overtaken <= 20, "{overtaken} of 500 out of order");
    let first = served.first().unwrap().1;
    let last = served.last().unwrap().1;
    assert!((600..=665).contains(&first), "the first success after {first} s");
    assert!(last - first <= 60, "all within a minute: {} s", last - first);
    let at_once = served.iter().filter(|(_, second)| *second == first).count();
    assert!(at_once <= 8, "{at_once} in the first second");
}

/// What became of a herd that came within the first seconds to a provider which takes its time for each.
struct Served {
    /// Whom, in order, and when, in seconds.
    order: Vec<(usize, f64)>,
    looks: usize,
}

/// The herd is known by the second of its expiry.
fn serve(herd: &[i64], places: usize, stay: TimeDelta) -> Served {
    let mut gate = Gate::default();
    let mut served = Served { order: Vec::new(), looks: 0 };
    // One each tenth of a millisecond.
    let comes = |who: usize| at(0) + TimeDelta::microseconds(i64::try_from(who).unwrap() * 100);
    let first = |who: usize| Reverse((comes(who), who, false));
    let mut events: BinaryHeap<_> = (0..herd.len()).map(first).collect();
    while let Some(Reverse((now, who, leaves))) = events.pop() {
        let name = who.to_string();
        if leaves {
            gate.leave(&name, &name, &Met::Well, now);
            served.order.push((who, (now - at(0)).as_seconds_f64()));
            continue;
        }
        served.looks += 1;
        match gate.enter(&name, Need::Next(at(herd[who])), places, now) {
            Entry::Enter => events.push(Reverse((now + stay, who, true))),
            Entry::Later(Wait { until, .. }) => events.push(Reverse((until, who, false))),
        }
    }
    served
}

#[test]
fn a_herd_is_served_as_fast_as_there_are_places() {
    let herd: Vec<_> = (0..5000).map(|n| 10_000 + (n * 7919) % 5000).collect();
    for (places, stay) in [(16_u8, 100_u16), (16, 1000), (128, 100), (4, 20)] {
        let served = serve(&herd, places.into(), TimeDelta::milliseconds(stay.into()));
        let last = served.order.last().unwrap().1;
        let best = 5.0 * f64::from(stay) / f64::from(places);
        // A few seconds are for finding out how fast it is.
        assert!(last <= best * 1.3 + 5.0, "{places} places, {stay} ms: {last:.1} s in place of {best:.1} s");
        assert!(served.looks <= 40 * herd.len(), "{} looks for 5000", served.looks);
        // Who came before the others had come is not out of order, nor who is among those in front.
        let slack = 300 + 2 * usize::from(places);
        let astray = |(place, (who, _)): &(usize, &(usize, f64))| {
            place.abs_diff(usize::try_from(herd[*who] - 10_000).unwrap()) > slack
        };
        let astray = served.order.iter().enumerate().skip(300).filter(astray).count();
        assert!(astray <= 250, "{places} places, {stay} ms: {astray} of 5000 out of order");
    }
}

#[test]
fn a_pace_grows_however_many_look() {
    let mut gate = Gate::default();
    ask(&mut gate, "a", &Met::TooFast, at(0));
    // One a second from now on; 10 look each millisecond.
    let passed = (0..30_000).filter(|n| {
        let (who, now) = ((n % 10).to_string(), at(0) + TimeDelta::microseconds(n * 100));
        let passes = gate.enter(&who, Need::Any, PLACES, now) == Entry::Enter;
        if passes {
            gate.leave(&who, &who, &Met::NotAtAll, now);
        }
        passes
    });
    assert!((2..=3).contains(&passed.count()));
}

/// One request a second, and once a 429: there is no rate that it could have been about. Forty who come later, as after a
/// change of their credentials, must not be let in one a second for that.
#[test]
fn a_429_out_of_the_blue_is_no_limit() {
    let mut gate = Gate::default();
    for second in 0..10 {
        ask(&mut gate, &second.to_string(), &Met::Well, at(second));
    }
    ask(&mut gate, "limited", &Met::TooFast, at(10));
    let mut waiting: Vec<(DateTime<Utc>, String)> = (0..40).map(|n| (at(11), n.to_string())).collect();
    let mut last = at(11);
    while let Some(next) = (0..waiting.len()).min_by_key(|n| waiting[*n].0) {
        let (now, who) = waiting.swap_remove(next);
        last = now;
        match gate.enter(&who, Need::Next(at(100)), 16, now) {
            Entry::Enter => gate.leave(&who, &who, &Met::Well, now),
            Entry::Later(Wait { until, .. }) => waiting.push((until, who)),
        }
    }
    assert!(last - at(11) < TimeDelta::seconds(8), "{}", last - at(11));
}

#[test]
fn a_limit_holds_however_high_it_is() {
    let mut gate = Gate::default();
    for n in 0..600 {
        ask(&mut gate, &n.to_string(), &Met::Well, at(0));
    }
    ask(&mut gate, "x", &Met::TooFast, at(0));
    let passed = passed(&mut gate, &Met::Well);
    assert_eq!(passed[0], 0, "at once");
    let within = |range: std::ops::Range<usize>| passed[range].iter().sum::<usize>();
    // They begin with seven tenths, and come near the limit within half a second.
    assert!((420..600).contains(&within(1..3)), "{passed:?}");
    assert!((520..600).contains(&within(2..4)), "{passed:?}");
}

/// Who comes, or hears whether they were granted a token.
type Event = (DateTime<Utc>, u32, Option<bool>);

/// A provider that grants so many in each window and refuses the rest; more are due than that. Returns how many it has
/// granted and refused in the last two of three minutes.
fn against_windows(limit: u32, window: i64, due: u32) -> (u32, u32) {
    let (mut gate, latency) = (Gate::default(), TimeDelta::milliseconds(50));
    let arrivals = (0..due * 180).map(|n| {
        let when = at(0) + TimeDelta::microseconds(i64::from(n) * 1_000_000 / i64::from(due));
        Reverse((when, n, None))
    });
    let mut events: BinaryHeap<Reverse<Event>> = arrivals.collect();
    let (mut granted_in, mut granted, mut refused) = ((0, 0), 0, 0);
    while let Some(Reverse((now, who, answer))) = events.pop() {
        if now >= at(180) {
            break;
        }
        let name = who.to_string();
        match answer {
            None => match gate.enter(&name, Need::Next(at(1000 + i64::from(who))), 16, now) {
                Entry::Enter => {
                    let this = now.timestamp() / window;
                    let before = if granted_in.0 == this { granted_in.1 } else { 0 };
                    let grants = before < limit;
                    granted_in = (this, before + u32::from(grants));
                    if now >= at(60) {
                        granted += u32::from(grants);
                        refused += u32::from(!grants);
                    }
                    events.push(Reverse((now + latency, who, Some(grants))));
                }
                Entry::Later(Wait { until, .. }) => events.push(Reverse((until, who, None))),
            },
            Some(true) => gate.leave(&name, &name, &Met::Well, now),
            Some(false) => {
                gate.leave(&name, &name, &Met::TooFast, now);
                events.push(Reverse((now + TimeDelta::seconds(1), who, None)));
            }
        }
    }
    (granted, refused)
}

#[test]
fn a_limit_is_nearly_used_up_however_it_is_counted() {
    for (limit, window, due) in [(50, 1, 67), (15, 1, 20), (50 * 60, 60, 67), (150, 1, 1000), (290, 1, 1000)]
    {
        let (granted, refused) = against_windows(limit, window, due);
        let most = limit * 120 / u32::try_from(window).unwrap();
        assert!(granted * 100 >= most * 85, "{limit} in {window} s: {granted} of {most}, {refused} refused");
        assert!(refused * 100 <= granted * 4, "{limit} in {window} s: {granted} granted, {refused} refused");
    }
}
