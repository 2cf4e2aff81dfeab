//! Visits every state of a small limiter, breadth first: no permit and no resumption is lost in any order of events.

use std::collections::{HashSet, VecDeque};

use super::*;

/// The state of a TokenSource.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Nothing,
    Waits,
    Asks,
}

#[derive(Clone, Debug)]
struct State {
    limiter: Limiter,
    sources: Vec<(Request, Does, bool)>,
    now: DateTime<Utc>,
    next: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Come(usize),
    Answer(usize, Answer),
    Leave(usize),
    Tick,
}

impl State {
    fn new(names: &[(&str, &str)], permits: usize, is_shared: bool) -> Self {
        let sources = names.iter().enumerate().map(|(number, (namespace, name))| {
            // One had a token before, the other had none.
            let request =
                if number % 2 == 0 { renewal(namespace, name, 5000) } else { first(namespace, name) };
            (request, Does::Nothing, false)
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
        for (index, (_, does, resumed)) in self.sources.iter().enumerate() {
            match does {
                Does::Nothing => steps.push(Step::Come(index)),
                Does::Waits if *resumed => steps.extend([Step::Come(index), Step::Leave(index)]),
                Does::Waits => steps.push(Step::Leave(index)),
                Does::Asks => steps.extend(
                    [Answer::Succeeded, down(), Answer::Limited, Answer::Unrelated]
                        .map(|answer| Step::Answer(index, answer)),
                ),
            }
        }
        steps
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Come(index) => {
                let (request, does, resumed) = &mut self.sources[index];
                *resumed = false;
                let admission = self.limiter.acquire(request.clone(), self.now);
                *does = if admission == Admission::Granted { Does::Asks } else { Does::Waits };
            }
            Step::Answer(index, answer) => {
                let (request, does, _) = &mut self.sources[index];
                *does = Does::Nothing;
                let failed = matches!(answer, Answer::Failed(_) | Answer::Limited);
                request.last_failure = failed.then_some(self.now);
                self.limiter.release(&request.name, answer, self.now);
            }
            Step::Leave(index) => {
                let (request, does, resumed) = &mut self.sources[index];
                (*does, *resumed) = (Does::Nothing, false);
                self.limiter.leave(&request.name, self.now);
            }
            Step::Tick => self.now = self.next.unwrap_or(self.now + TimeDelta::seconds(1)),
        }
        let resumed = self.limiter.resume(self.now);
        for name in &resumed.names {
            let (_, does, resumed) =
                self.sources.iter_mut().find(|(request, ..)| request.name == *name).unwrap();
            assert_eq!(*does, Does::Waits, "only a waiter is resumed");
            *resumed = true;
        }
        self.next = resumed.next;
    }

    /// Checks the invariants of every state.
    fn check(&self) -> Result<(), String> {
        let limiter = &self.limiter;
        let count = |what| self.sources.iter().filter(|(_, does, _)| *does == what).count();
        let hold = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        hold(limiter.in_flight() == count(Does::Asks), "a permit for each request, and no other")?;
        hold(limiter.permits.len() <= limiter.capacity, "no more permits than there are")?;
        hold(
            limiter.in_flight() + limiter.waiting() <= count(Does::Asks) + count(Does::Waits),
            "nobody twice",
        )?;
        let held_back = limiter.is_open() || limiter.rate.is_some() || !limiter.limited.is_empty();
        let has_room = |request: &Request| !limiter.is_shared || limiter.shares.has_room(&request.name.0);
        let asleep = self.sources.iter().any(|(request, does, resumed)| {
            *does == Does::Waits && !resumed && limiter.waiters.has(&request.name) && has_room(request)
        });
        let is_free = limiter.permits.len() < limiter.capacity;
        hold(held_back || !is_free || !asleep, "a permit is free, and a waiter asleep")
    }

    /// From here on, each request succeeds and each resumed TokenSource comes: then each waiter gets a permit by the
    /// returned instant.
    fn comes_to_rest(mut self) -> Result<(), String> {
        for _ in 0..60 {
            if self.sources.iter().all(|(_, does, _)| *does != Does::Waits) && self.limiter.in_flight() == 0 {
                return if self.limiter.permits.is_empty() {
                    Ok(())
                } else {
                    Err("a permit is lost".to_owned())
                };
            }
            let asks = self.sources.iter().position(|(_, does, _)| *does == Does::Asks);
            let resumed = self.sources.iter().position(|(_, does, resumed)| *does == Does::Waits && *resumed);
            let step = match (asks, resumed) {
                (Some(index), _) => Step::Answer(index, Answer::Succeeded),
                (None, Some(index)) => Step::Come(index),
                (None, None) if self.next.is_none() => {
                    return Err("all wait, and no event will resume them".to_owned());
                }
                (None, None) => Step::Tick,
            };
            self.take(step);
        }
        Err("a waiter has no turn".to_owned())
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
            let held = next.check().and_then(|()| next.clone().comes_to_rest());
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
