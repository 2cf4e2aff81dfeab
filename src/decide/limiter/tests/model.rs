//! Visits every state of a small limiter, breadth first: no permit and no resumption is lost in any order of events.

use std::collections::{HashSet, VecDeque};

use super::*;

/// The state of a TokenSource.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Idle,
    Waiting,
    Sending,
}

#[derive(Clone, Debug)]
struct State {
    limiter: Limiter,
    /// The TokenSources, each with its request, its phase, and whether it has been resumed.
    sources: Vec<(Request, Phase, bool)>,
    now: DateTime<Utc>,
    next: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// This TokenSource wants to send its request.
    Acquire(usize),
    /// The request of this TokenSource is answered.
    Release(usize, Answer),
    /// This TokenSource needs no token any more.
    Leave(usize),
    /// Time passes, until the limiter must be called again.
    Tick,
}

impl State {
    fn new(names: &[(&str, &str)], permits: usize, is_shared: bool) -> Self {
        let sources = names.iter().enumerate().map(|(number, (namespace, name))| {
            // Half of the TokenSources had a token before, and the other half had none.
            let request =
                if number % 2 == 0 { renewal(namespace, name, 5000) } else { first(namespace, name) };
            (request, Phase::Idle, false)
        });
        Self {
            sources: sources.collect(),
            limiter: Limiter::new(permits, is_shared, at(0)),
            now: at(0),
            next: None,
        }
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = vec![Step::Tick];
        for (index, (_, phase, resumed)) in self.sources.iter().enumerate() {
            match phase {
                Phase::Idle => steps.push(Step::Acquire(index)),
                Phase::Waiting if *resumed => steps.extend([Step::Acquire(index), Step::Leave(index)]),
                Phase::Waiting => steps.push(Step::Leave(index)),
                Phase::Sending => steps.extend(
                    [Answer::Succeeded, down(), Answer::Limited, Answer::Unrelated]
                        .map(|answer| Step::Release(index, answer)),
                ),
            }
        }
        steps
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Acquire(index) => {
                let (request, phase, resumed) = &mut self.sources[index];
                *resumed = false;
                let admission = self.limiter.acquire(request.clone(), self.now);
                *phase = if admission == Admission::Granted { Phase::Sending } else { Phase::Waiting };
            }
            Step::Release(index, answer) => {
                let (request, phase, _) = &mut self.sources[index];
                *phase = Phase::Idle;
                let failed = matches!(answer, Answer::Failed(_) | Answer::Limited);
                request.last_failure = failed.then_some(self.now);
                self.limiter.release(&request.name, answer, self.now);
            }
            Step::Leave(index) => {
                let (request, phase, resumed) = &mut self.sources[index];
                (*phase, *resumed) = (Phase::Idle, false);
                self.limiter.leave(&request.name, self.now);
            }
            Step::Tick => self.now = self.next.unwrap_or(self.now + TimeDelta::seconds(1)),
        }
        let resumed = self.limiter.resume(self.now);
        for name in &resumed.names {
            let (_, phase, resumed) =
                self.sources.iter_mut().find(|(request, ..)| request.name == *name).unwrap();
            assert_eq!(*phase, Phase::Waiting, "only a waiter is resumed");
            *resumed = true;
        }
        self.next = resumed.next;
    }

    /// Checks the invariants of every state.
    fn check(&self) -> Result<(), String> {
        let limiter = &self.limiter;
        let count = |wanted| self.sources.iter().filter(|(_, phase, _)| *phase == wanted).count();
        let hold = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        hold(limiter.in_flight() == count(Phase::Sending), "a permit for each request, and no other")?;
        hold(limiter.permits.len() <= limiter.capacity, "no more permits than there are")?;
        hold(
            limiter.in_flight() + limiter.waiting() <= count(Phase::Sending) + count(Phase::Waiting),
            "no TokenSource is counted twice",
        )?;
        let held_back = limiter.is_open() || limiter.rates.limit_any();
        let has_room = |request: &Request| !limiter.is_shared || limiter.shares.has_room(&request.name.0);
        let is_overlooked = self.sources.iter().any(|(request, phase, resumed)| {
            *phase == Phase::Waiting && !resumed && limiter.waiters.has(&request.name) && has_room(request)
        });
        let is_free = limiter.permits.len() < limiter.capacity;
        hold(held_back || !is_free || !is_overlooked, "a free permit is granted to a waiter")
    }

    /// Checks that each waiter gets a permit and that all permits are returned, if from here on each request succeeds and
    /// each resumed TokenSource acquires its permit.
    fn serves_all_waiters(mut self) -> Result<(), String> {
        for _ in 0..60 {
            let none_waits = self.sources.iter().all(|(_, phase, _)| *phase != Phase::Waiting);
            if none_waits && self.limiter.in_flight() == 0 {
                return if self.limiter.permits.is_empty() {
                    Ok(())
                } else {
                    Err("a permit is lost".to_owned())
                };
            }
            let sending = self.sources.iter().position(|(_, phase, _)| *phase == Phase::Sending);
            let resumed =
                self.sources.iter().position(|(_, phase, resumed)| *phase == Phase::Waiting && *resumed);
            let step = match (sending, resumed) {
                (Some(index), _) => Step::Release(index, Answer::Succeeded),
                (None, Some(index)) => Step::Acquire(index),
                (None, None) if self.next.is_none() => {
                    return Err("waiters are left, and nothing will resume them".to_owned());
                }
                (None, None) => Step::Tick,
            };
            self.take(step);
        }
        Err("a waiter got no permit".to_owned())
    }
}

/// Visits every state within this number of steps, and returns the number of states.
fn search(begin: State, depth: usize) -> usize {
    let (mut seen, mut queue) = (HashSet::new(), VecDeque::from([(begin, Vec::new())]));
    while let Some((state, path)) = queue.pop_front() {
        for step in state.steps() {
            let mut next = state.clone();
            next.take(step);
            let mut path = path.clone();
            path.push(step);
            if !seen.insert(format!("{next:?}")) {
                continue;
            }
            let held = next.check().and_then(|()| next.clone().serves_all_waiters());
            assert_eq!(held, Ok(()), "{path:#?}");
            if path.len() < depth {
                queue.push_back((next, path));
            }
        }
    }
    seen.len()
}

#[test]
fn no_resumption_and_no_permit_is_lost_whatever_requests_do() {
    const THREE: [(&str, &str); 3] = [("a", "a1"), ("a", "a2"), ("b", "b1")];
    let visited = [
        search(State::new(&THREE, 1, true), 6),
        search(State::new(&THREE, 2, true), 5),
        search(State::new(&THREE, 2, false), 5),
    ];
    assert!(visited.iter().all(|states| *states > 1000), "{visited:?}");
}
