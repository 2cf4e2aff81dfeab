//! The rules of the election, and their effect on several processes while the API server fails and time passes.

use proptest::prelude::*;

use super::super::{DURATION, RENEWAL, REREAD, RETRY};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn lease(holder: Option<&str>, record: &str, transitions: i32) -> Found {
    Found { holder: holder.map(str::to_owned), duration: DURATION, record: record.to_owned(), transitions }
}

fn candidate() -> (Candidate, Instant) {
    (Candidate::new("me".to_owned()), Instant::now())
}

#[test]
fn lease_without_a_holder_is_taken_at_once() {
    let (mut me, now) = candidate();
    assert_eq!(me.next(None, now), Step::Write);
    assert_eq!(me.next(Some(&lease(None, "1", 7)), now), Step::Write);
    assert_eq!(me.next(Some(&lease(Some("me"), "1", 7)), now), Step::Write, "ours is renewed");
}

#[test]
fn late_lease_is_taken_after_an_announcement_only() {
    let (mut me, now) = candidate();
    let found = lease(Some("other"), "1", 0);
    assert_eq!(me.next(Some(&found), now), Step::Wait(9 * SECOND));
    assert_eq!(me.next(Some(&found), now + 8 * SECOND), Step::Wait(SECOND));
    assert_eq!(me.next(Some(&found), now + 9 * SECOND), Step::Announce);
    assert_eq!(me.next(Some(&found), now + 100 * SECOND), Step::Announce, "it could not be written");
    me.announced(now + 100 * SECOND);
    assert_eq!(me.next(Some(&found), now + 102 * SECOND), Step::Wait(4 * SECOND));
    assert_eq!(me.next(Some(&found), now + 106 * SECOND), Step::Write);
}

#[test]
fn each_renewal_starts_the_wait_anew() {
    let (mut me, now) = candidate();
    for turn in 0..10 {
        let found = lease(Some("other"), &turn.to_string(), 0);
        assert_eq!(me.next(Some(&found), now + turn * 14 * SECOND), Step::Wait(9 * SECOND));
        me.announced(now + turn * 14 * SECOND);
    }
}

#[test]
fn leader_that_cannot_renew_is_fenced_and_leads_again_once_it_can() {
    let (mut me, now) = candidate();
    assert_eq!(me.state(now), CandidateState::Follower);
    me.wrote(now, 1);
    assert_eq!(me.state(now + 9 * SECOND), CandidateState::Leader);
    assert_eq!(me.state(now + 10 * SECOND), CandidateState::Fenced);
    assert_eq!(me.next(Some(&lease(Some("me"), "1", 1)), now + 3600 * SECOND), Step::Write);
    me.wrote(now + 3600 * SECOND, 1);
    assert_eq!(me.state(now + 3601 * SECOND), CandidateState::Leader);
}

#[test]
fn former_leader_is_lost_where_another_process_holds_or_has_held_the_lease() {
    for (found, expected) in [
        (Some(lease(Some("other"), "9", 2)), Step::Lost),
        (Some(lease(None, "9", 2)), Step::Lost),
        (Some(lease(None, "9", 1)), Step::Write), // cleared by hand
        (Some(lease(Some("me"), "9", 1)), Step::Write),
        (None, Step::Write),
    ] {
        let (mut me, now) = candidate();
        me.wrote(now, 1);
        assert_eq!(me.next(found.as_ref(), now + SECOND), expected, "{found:?}");
    }
}

/// How the API server handles calls.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Api {
    Answers,
    /// Reads succeed, writes fail, as with a full etcd.
    ReadOnly,
    /// No call is answered.
    Silent,
    /// Writes succeed, but their responses are lost.
    Mute,
}

#[derive(Clone, Debug)]
struct Stored {
    found: Found,
    version: u64,
}

struct Process {
    candidate: Candidate,
    /// When the process acts next; None once it has ended.
    at: Option<Duration>,
    /// The lease as this process last wrote it.
    ours: Option<Stored>,
    /// When the process is killed.
    killed: Option<Duration>,
}

/// Several processes and one lease. A call takes no time, except that a call without a response takes the whole deadline.
struct World {
    start: Instant,
    lease: Option<Stored>,
    processes: Vec<Process>,
    /// How the API server behaves from each of these instants, for every process.
    api: Vec<(Duration, Api)>,
}

impl World {
    fn new(starts: &[u64], api: Vec<(Duration, Api)>) -> Self {
        let process = |(number, start): (usize, &u64)| Process {
            candidate: Candidate::new(format!("process {number}")),
            at: Some(Duration::from_millis(*start)),
            ours: None,
            killed: None,
        };
        let processes = starts.iter().enumerate().map(process).collect();
        Self { start: Instant::now(), lease: None, processes, api }
    }

    fn api(&self, now: Duration) -> Api {
        self.api.iter().rev().find(|(since, _)| *since <= now).map_or(Api::Answers, |(_, api)| *api)
    }

    /// Runs until this instant. Returns who led when; fails if two processes lead at the same time.
    fn run(&mut self, until: Duration) -> Vec<(Duration, Option<usize>)> {
        let mut led = Vec::new();
        loop {
            let due =
                |process: &Process| process.at.filter(|at| process.killed.is_none_or(|killed| *at < killed));
            let next =
                (0..self.processes.len()).filter_map(|number| Some((due(&self.processes[number])?, number)));
            let Some((now, number)) = next.min() else { break };
            if now > until {
                break;
            }
            self.act(number, now);
            led.push((now, self.leader(now)));
        }
        led
    }

    fn leader(&self, now: Duration) -> Option<usize> {
        let leads = |process: &&Process| {
            let alive = process.at.is_some() && process.killed.is_none_or(|killed| now < killed);
            alive && process.candidate.state(self.start + now) == CandidateState::Leader
        };
        let leaders: Vec<_> =
            self.processes.iter().filter(leads).map(|one| one.candidate.identity()).collect();
        assert!(leaders.len() < 2, "{leaders:?} lead at {now:?}");
        let leader = leaders.first()?.strip_prefix("process ")?;
        leader.parse().ok()
    }

    fn act(&mut self, number: usize, now: Duration) {
        let api = self.api(now);
        let instant = self.start + now;
        let mut process = self.processes.swap_remove(number);
        process.at = self.step(&mut process, api, instant).map(|pause| now + pause);
        self.processes.push(process);
        let last = self.processes.len() - 1;
        self.processes.swap(number, last);
    }

    /// Does the same as `Election`.
    fn step(&mut self, process: &mut Process, api: Api, now: Instant) -> Option<Duration> {
        let silence = super::super::DEADLINE + RETRY;
        if process.ours.is_none() && api == Api::Silent {
            return Some(silence);
        }
        let known = process.ours.take().or_else(|| self.lease.clone());
        let step = process.candidate.next(known.as_ref().map(|stored| &stored.found), now);
        match step {
            Step::Lost => return None,
            Step::Wait(wait) => return Some(wait.min(RENEWAL)),
            Step::Write | Step::Announce => {}
        }
        match api {
            Api::Silent => return Some(silence),
            Api::ReadOnly => return Some(RETRY),
            Api::Answers | Api::Mute => {}
        }
        let version = |stored: &Option<Stored>| stored.as_ref().map(|stored| stored.version);
        if version(&known) != version(&self.lease) {
            return Some(REREAD);
        }
        let me = process.candidate.identity().to_owned();
        let mut found = known.as_ref().map_or_else(|| lease(None, "", 0), |stored| stored.found.clone());
        if step == Step::Write {
            let changes_hands = found.holder.as_ref() != Some(&me);
            found.transitions += i32::from(changes_hands);
            found.holder = Some(me);
            found.record = format!("{now:?}");
        }
        let stored = Stored { found, version: version(&known).unwrap_or(0) + 1 };
        self.lease = Some(stored.clone());
        if api == Api::Mute {
            return Some(silence);
        }
        if step == Step::Write {
            process.candidate.wrote(now, stored.found.transitions);
            process.ours = Some(stored);
        } else {
            process.candidate.announced(now);
        }
        Some(RENEWAL)
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

proptest! {
    /// For any behaviour of the API server and any time at which a process is killed: two processes never lead at the same
    /// time, and once the API server answers again, a process leads.
    #[test]
    fn two_processes_never_lead_and_a_dead_leader_is_replaced(
        starts in prop::collection::vec(0_u64..20_000, 2..4),
        mut api in prop::collection::vec(
            (0_u64..300, prop::sample::select(vec![Api::Answers, Api::ReadOnly, Api::Silent, Api::Mute])), 0..8),
        killed in prop::option::of(0_u64..300),
    ) {
        api.push((300, Api::Answers));
        api.sort_by_key(|(at, _)| *at);
        let mut world = World::new(&starts, api.into_iter().map(|(at, api)| (seconds(at), api)).collect());
        world.processes[0].killed = killed.map(seconds);
        let led = world.run(seconds(400));
        let last = led.last().expect("a process acts");
        prop_assert!(last.1.is_some(), "{:?}", led.iter().rev().take(20).collect::<Vec<_>>());
    }

    /// For any duration in which the API server accepts no writes or does not answer: the leader before the outage leads
    /// after it.
    #[test]
    fn leader_before_an_outage_leads_after_it(
        starts in prop::collection::vec(0_u64..20_000, 2..4),
        begin in 40_000_u64..60_000,
        length in 1_000_u64..3_600_000,
        outage in prop::sample::select(vec![Api::ReadOnly, Api::Silent]),
    ) {
        let (from, to) = (Duration::from_millis(begin), Duration::from_millis(begin + length));
        let mut world = World::new(&starts, vec![(from, outage), (to, Api::Answers)]);
        let before = world.run(from).last().and_then(|(_, leader)| *leader);
        prop_assert!(before.is_some());
        let after = world.run(to + seconds(60));
        prop_assert_eq!(after.last().and_then(|(_, leader)| *leader), before);
    }

    /// Without an outage, a killed leader is replaced within 21 s: the duration of the lease, one pause between two reads,
    /// and the conflicts with other candidates.
    #[test]
    fn killed_leader_is_replaced_within_twenty_one_seconds(
        starts in prop::collection::vec(0_u64..20_000, 2..4),
        at in 40_000_u64..60_000,
    ) {
        let killed = Duration::from_millis(at);
        let mut world = World::new(&starts, Vec::new());
        let leader = world.run(killed).last().and_then(|(_, leader)| *leader).expect("a leader");
        world.processes[leader].killed = Some(killed);
        let led = world.run(killed + seconds(21));
        let next = led.iter().find_map(|(_, leader)| *leader);
        prop_assert!(next.is_some_and(|next| next != leader), "{led:?}");
    }
}
