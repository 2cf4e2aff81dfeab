//! One at a time while a provider is in trouble, soonest expiry first when it comes back, and never a standstill.

mod herd;

use proptest::prelude::*;

use super::*;
use crate::decide::fixture::at;

const PLACES: usize = 12;

#[allow(clippy::needless_pass_by_value)] // it reads better
fn later(entry: Entry) -> (DateTime<Utc>, Option<Reason>) {
    match entry {
        Entry::Later(Wait { until, trouble, .. }) => (until, trouble),
        Entry::Enter => panic!("it may enter"),
    }
}

fn down() -> Met {
    Met::Badly(Reason::ProviderUnavailable)
}

/// Asks and is met so.
fn ask(gate: &mut Gate, who: &str, met: &Met, now: DateTime<Utc>) {
    assert_eq!(gate.enter(who, Need::Any, PLACES, now), Entry::Enter, "{who} at {now}");
    gate.leave(who, who, met, now);
}

/// How many pass in each half of the first two seconds, where somebody looks all the time and is met so.
fn passed(gate: &mut Gate, met: &Met) -> [usize; 4] {
    let mut passed = [0; 4];
    for half_milliseconds in 0..4000 {
        let now = at(0) + TimeDelta::microseconds(half_milliseconds * 500);
        if gate.enter("y", Need::Any, PLACES, now) == Entry::Enter {
            gate.leave("y", "y", met, now);
            passed[usize::try_from(half_milliseconds / 1000).unwrap()] += 1;
        }
    }
    passed
}

fn troubled() -> Gate {
    let mut gate = Gate::default();
    for who in ["a", "b", "c"] {
        ask(&mut gate, who, &down(), at(0));
    }
    gate
}

#[test]
fn a_healthy_provider_is_asked_by_as_many_as_there_are_places() {
    let mut gate = Gate::default();
    for who in 0..PLACES {
        assert_eq!(gate.enter(&who.to_string(), Need::Any, PLACES, at(0)), Entry::Enter);
    }
    assert_eq!(later(gate.enter("one more", Need::Any, PLACES, at(0))).1, None);
    gate.leave("0", "0", &Met::Well, at(0));
    assert_eq!(gate.enter("one more", Need::Any, PLACES, at(1)), Entry::Enter);
}

#[test]
fn how_busy_it_is_can_be_asked() {
    let mut gate = Gate::default();
    assert_eq!((gate.waiting(at(0)), gate.in_flight(), gate.is_troubled()), (0, 0, false));
    assert_eq!(gate.enter("a", Need::Any, 1, at(0)), Entry::Enter);
    later(gate.enter("b", Need::Any, 1, at(0)));
    assert_eq!((gate.waiting(at(0)), gate.in_flight(), gate.is_troubled()), (1, 1, false));
    assert_eq!(gate.waiting(at(60)), 0, "it has not come back");
    assert!(troubled().is_troubled());
}

/// What was told before the trouble, and of it, is no wait to be told of afterwards.
#[test]
fn after_trouble_a_wait_is_told_of_when_it_has_lasted_a_minute() {
    let mut gate = Gate::default();
    for who in 0..PLACES {
        assert_eq!(gate.enter(&who.to_string(), Need::Any, PLACES, at(0)), Entry::Enter);
    }
    let told = |gate: &mut Gate, second| match gate.enter("one more", Need::Any, PLACES, at(second)) {
        Entry::Later(Wait { tell, .. }) => tell,
        Entry::Enter => panic!("it may enter at {second}"),
    };
    assert_eq!((0..90).find(|second| told(&mut gate, *second)), Some(60));
    for who in ["0", "1", "2"] {
        gate.leave(who, who, &down(), at(90));
    }
    assert!(gate.is_troubled() && !told(&mut gate, 91), "it is told of the trouble");
    assert_eq!(gate.enter("the first", Need::Next(at(50)), PLACES, at(96)), Entry::Enter);
    gate.leave("the first", "the first", &Met::Well, at(96));
    for who in 0..PLACES {
        gate.inside.insert(format!("again {who}"), (gate.epoch, at(96)));
    }
    assert_eq!((97..200).find(|second| told(&mut gate, *second)), Some(151));
}

#[test]
fn one_alone_is_its_own_trouble() {
    let mut gate = Gate::default();
    for _ in 0..10 {
        ask(&mut gate, "a", &down(), at(0));
    }
    ask(&mut gate, "b", &down(), at(0));
    assert_eq!(
        later(gate.enter("c", Need::Any, PLACES, at(0))).1,
        Some(Reason::ProviderUnavailable),
        "two are more"
    );
}

#[test]
fn an_answer_in_between_forgives() {
    let mut gate = Gate::default();
    for who in ["a", "b"] {
        ask(&mut gate, who, &down(), at(0));
    }
    // A refusal shows that the provider is there.
    ask(&mut gate, "c", &Met::of(&Failure::local(Reason::InvalidClient, "No.")), at(0));
    ask(&mut gate, "d", &down(), at(0));
    assert_eq!(gate.enter("e", Need::Any, PLACES, at(0)), Entry::Enter);
}

#[test]
fn only_what_concerns_everybody_counts() {
    let of = |reason| Met::of(&Failure::local(reason, "No."));
    for reason in [Reason::EndpointUnreachable, Reason::ProviderUnavailable, Reason::TLSVerificationFailed] {
        assert_eq!(of(reason), Met::Badly(reason));
    }
    assert_eq!(of(Reason::RateLimited), Met::TooFast, "a client's own limit, most likely");
    for reason in [Reason::EndpointNotAllowed, Reason::IssuerMismatch, Reason::DiscoveryFailed] {
        assert_eq!(of(reason), Met::NotAtAll, "{reason}");
    }
    for reason in
        [Reason::InvalidClient, Reason::InvalidScope, Reason::MalformedResponse, Reason::AccessDenied]
    {
        assert_eq!(of(reason), Met::Well, "{reason}");
    }
}

#[test]
fn in_trouble_one_at_a_time_is_tried_ever_later() {
    let mut gate = troubled();
    let mut now = at(0);
    let mut pauses = Vec::new();
    for round in 0..6 {
        let (until, reason) = later(gate.enter("x", Need::Any, PLACES, now));
        assert_eq!(reason, Some(Reason::ProviderUnavailable));
        pauses.push((until - now).num_seconds());
        now = until;
        assert_eq!(gate.enter("x", Need::Any, PLACES, now), Entry::Enter, "round {round}");
        assert!(
            matches!(gate.enter("y", Need::Next(at(9999)), PLACES, now), Entry::Later(..)),
            "one at a time"
        );
        gate.leave("x", "x", &down(), now);
    }
    assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
}

#[test]
fn a_limit_closes_the_way_to_nobody() {
    let mut gate = Gate::default();
    for n in 0..10 {
        let now = at(n * 10);
        assert_eq!(gate.enter(&n.to_string(), Need::Any, PLACES, now), Entry::Enter, "{n}");
        gate.leave(&n.to_string(), "somebody", &Met::TooFast, now);
    }
}

#[test]
fn one_tenant_alone_is_no_evidence_where_several_share() {
    let mut gate = Gate::default();
    for who in ["a", "b", "c", "d"] {
        assert_eq!(gate.enter(who, Need::Any, PLACES, at(0)), Entry::Enter);
        gate.leave(who, "team-a", &down(), at(0));
    }
    assert_eq!(gate.enter("e", Need::Any, PLACES, at(0)), Entry::Enter);
    gate.leave("e", "team-b", &down(), at(0));
    assert!(matches!(gate.enter("f", Need::Any, PLACES, at(0)), Entry::Later(..)), "two tenants are");
}

#[test]
fn who_has_tried_in_vain_lets_the_others_go_first() {
    let mut gate = troubled();
    // Its token has expired: nobody's need is greater, and its own client is what is refused.
    let hopeless = Need::Next(at(-100));
    assert!(matches!(gate.enter("hopeless", hopeless, PLACES, at(1)), Entry::Later(..)));
    assert_eq!(gate.enter("hopeless", hopeless, PLACES, at(5)), Entry::Enter);
    gate.leave("hopeless", "hopeless", &down(), at(5));
    for (who, need) in [("hopeless", hopeless), ("healthy", Need::Any)] {
        assert!(matches!(gate.enter(who, need, PLACES, at(6)), Entry::Later(..)));
    }
    assert!(matches!(gate.enter("hopeless", hopeless, PLACES, at(15)), Entry::Later(..)));
    assert_eq!(gate.enter("healthy", Need::Any, PLACES, at(15)), Entry::Enter);
}

#[test]
fn a_clock_that_was_set_back_shuts_nobody_out() {
    let mut gate = troubled();
    let (until, _) = later(gate.enter("x", Need::Any, PLACES, at(-3600)));
    assert!(until <= at(-3600) + TimeDelta::seconds(10), "{until}");
    let mut slowed = Gate::default();
    ask(&mut slowed, "a", &Met::TooFast, at(0));
    let (until, _) = later(slowed.enter("a", Need::Any, PLACES, at(-3600)));
    assert_eq!(slowed.enter("a", Need::Any, PLACES, until), Entry::Enter, "a second later, not an hour");
}

#[test]
fn who_was_under_way_already_does_not_make_it_worse() {
    let mut gate = Gate::default();
    for who in 0..10 {
        gate.enter(&who.to_string(), Need::Any, PLACES, at(0));
    }
    for who in 0..10 {
        gate.leave(&who.to_string(), &who.to_string(), &down(), at(1));
    }
    let (until, _) = later(gate.enter("x", Need::Any, PLACES, at(1)));
    assert!(until < at(7), "{until}: one pause, not seven");
}

#[test]
fn a_try_that_sent_nothing_leaves_its_turn_to_the_next() {
    let mut gate = troubled();
    assert_eq!(gate.enter("x", Need::Any, PLACES, at(6)), Entry::Enter);
    gate.leave("x", "x", &Met::NotAtAll, at(6));
    assert_eq!(gate.enter("y", Need::Any, PLACES, at(6)), Entry::Enter);
}

#[test]
fn whose_token_expires_first_is_first_and_who_never_comes_back_is_in_nobodys_way() {
    let mut gate = troubled();
    for (who, expires) in [("late", 500), ("soon", 50), ("gone", 10)] {
        assert!(matches!(gate.enter(who, Need::Next(at(expires)), PLACES, at(1)), Entry::Later(..)));
    }
    assert!(
        matches!(gate.enter("soon", Need::Next(at(50)), PLACES, at(6)), Entry::Later(..)),
        "it is another's turn"
    );
    assert_eq!(gate.enter("soon", Need::Next(at(50)), PLACES, at(9)), Entry::Enter, "who has missed it");
}

#[test]
fn too_many_requests_lower_the_rate() {
    let mut gate = Gate::default();
    for n in 0..100 {
        ask(&mut gate, &n.to_string(), &Met::Well, at(0));
    }
    ask(&mut gate, "x", &Met::TooFast, at(0));
    let passed = passed(&mut gate, &Met::NotAtAll);
    assert_eq!(passed[0], 0, "at once");
    assert!((34..=37).contains(&passed[1]), "then 70 a second, and {} in half a one", passed[1]);
    assert!((33..=37).contains(&passed[3]), "{} later", passed[3]);
    // Refused again before anything has gone well: it may still be about the requests before.
    ask(&mut gate, "y", &Met::TooFast, at(3));
    let rate = gate.pace.as_ref().map(|pace| pace.rate).unwrap();
    assert!((35.0..36.0).contains(&rate), "{rate}");
}

proptest! {
    #[test]
    fn nobody_is_promised_the_past_and_nobody_waits_for_ever(
        steps in prop::collection::vec((0..20_u8, 0..4_u8, 0..5000_i64, prop::option::of(-100..4000_i64)), 1..200),
    ) {
        let mut gate = Gate::default();
        let mut inside: Vec<String> = Vec::new();
        let mut now = at(0);
        for (who, kind, pass, expires) in steps {
            now += TimeDelta::milliseconds(pass);
            let who = who.to_string();
            if let Some(index) = inside.iter().position(|other| *other == who) {
                inside.swap_remove(index);
                let met = match kind {
                    0 => down(),
                    1 => Met::TooFast,
                    2 => Met::NotAtAll,
                    _ => Met::Well,
                };
                gate.leave(&who, &who, &met, now);
            } else {
                let need = expires.map_or(Need::Any, |expires| Need::Next(at(expires)));
                match gate.enter(&who, need, 3, now) {
                    Entry::Enter => inside.push(who),
                    Entry::Later(Wait { until, .. }) => {
                        prop_assert!(until > now);
                        prop_assert!(until - now <= LAST_PAUSE + TimeDelta::seconds(6), "{}", until - now);
                    }
                }
                prop_assert!(inside.len() <= 3);
            }
        }
        // Everybody leaves; whoever comes alone and keeps coming gets in.
        for who in inside.drain(..) {
            gate.leave(&who, &who, &Met::NotAtAll, now);
        }
        let (begun, mut looks) = (now, 0);
        while now - begun < LAST_PAUSE + TimeDelta::seconds(20) && looks < 5000 {
            looks += 1;
            match gate.enter("last", Need::Any, 3, now) {
                Entry::Enter => return Ok(()),
                Entry::Later(Wait { until, .. }) => now = until,
            }
        }
        prop_assert!(false, "not let in by {looks} looks in {}", now - begun);
    }
}

#[test]
fn who_is_next_is_called_when_a_place_is_free() {
    let mut gate = Gate::default();
    assert_eq!(gate.enter("inside", Need::Any, 1, at(0)), Entry::Enter);
    later(gate.enter("late", Need::Next(at(900)), 1, at(0)));
    later(gate.enter("soon", Need::Next(at(300)), 1, at(0)));
    assert_eq!(gate.call(1, at(0)), None, "there is no place");
    gate.leave("inside", "inside", &Met::Well, at(1));
    assert_eq!(gate.call(1, at(1)).as_deref(), Some("soon"));
    assert_eq!(gate.call(1, at(1)), None, "one place, one call");
    assert_eq!(gate.enter("soon", Need::Next(at(300)), 1, at(1)), Entry::Enter);
    gate.leave("soon", "soon", &Met::Well, at(2));
    assert_eq!(gate.call(1, at(2)).as_deref(), Some("late"));
    assert_eq!(
        gate.call(1, at(9)),
        None,
        "who was called and has not come is gone, and there is nobody else"
    );
}

#[test]
fn who_is_gone_for_good_is_in_nobodys_way_and_is_not_called() {
    let mut gate = Gate::default();
    assert_eq!(gate.enter("inside", Need::Next(at(50)), 1, at(0)), Entry::Enter);
    for who in ["deleted", "lost", "next"] {
        later(gate.enter(who, Need::Next(at(60)), 1, at(0)));
    }
    gate.forget("deleted");
    gate.leave("inside", "inside", &Met::Well, at(20));
    // Nobody has heard of the others for so long that they are not expected any more.
    assert_eq!(gate.call(1, at(20)), None);
    assert_eq!(gate.waiting(at(20)), 0);
    assert_eq!(gate.enter("next", Need::Next(at(60)), 1, at(20)), Entry::Enter);
}

#[test]
fn nobody_is_called_to_a_provider_in_trouble() {
    let mut gate = troubled();
    later(gate.enter("waits", Need::Any, PLACES, at(0)));
    assert_eq!(gate.call(PLACES, at(1)), None);
}
