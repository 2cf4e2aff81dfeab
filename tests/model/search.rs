//! Visits every state once, breadth first, and checks all properties on the way. Also follows the fair sequence from every state
//! to a stable state. Knows nothing about tokens.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::model::{Model, Move, Violation};
use crate::properties;
use crate::world::{Seconds, World};

/// The maximum number of fair events before a stable state; a longer sequence is a loop.
const PATIENCE: usize = 400;

/// The result of a search.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Visited {
    pub(crate) states: usize,
    pub(crate) moves: usize,
    /// The longest distance from the start to a state.
    pub(crate) depth: u32,
    /// The longest fair sequence to a stable state, in events and in the model's time.
    pub(crate) to_rest: (u32, Seconds),
}

impl fmt::Display for Visited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, moves, depth, to_rest: (steps, seconds) } = self;
        write!(
            f,
            "{states} states, {moves} moves, {depth} deep, stable after {steps} fair moves and {seconds} s"
        )
    }
}

/// A sequence of events after which a property fails.
#[derive(Debug)]
pub(crate) struct Counterexample {
    pub(crate) violation: Violation,
    /// Each event, and the state after it.
    pub(crate) trace: Vec<String>,
}

struct Search<'a> {
    model: &'a mut Model,
    start: World,
    /// For each state, by its number: the state before, and the event between the two states.
    ways: Vec<(usize, Option<Move>)>,
    known: HashSet<u64>,
    settling: HashMap<u64, (u32, Seconds)>,
    visited: Visited,
}

/// Visits every state that can be reached with this number of disturbances.
pub(crate) fn explore(model: &mut Model, disturbances: u8) -> Result<Visited, Counterexample> {
    let start = model.start(disturbances);
    let mut search = Search {
        model,
        start,
        ways: vec![(0, None)],
        known: HashSet::from([fingerprint(&start)]),
        settling: HashMap::new(),
        visited: Visited::default(),
    };
    search.run()?;
    Ok(Visited { states: search.ways.len(), ..search.visited })
}

impl Search<'_> {
    fn run(&mut self) -> Result<(), Counterexample> {
        let mut queue = VecDeque::from([(self.start, 0, 0)]);
        while let Some((world, number, depth)) = queue.pop_front() {
            self.visited.depth = self.visited.depth.max(depth);
            if let Err(violation) = properties::state(self.model, &world) {
                return Err(self.counterexample(number, &[], violation));
            }
            if self.model.rests {
                self.settle(world, number)?;
            }
            for happening in self.model.moves(&world) {
                self.visited.moves += 1;
                match self.model.after(world, happening) {
                    Err(violation) => return Err(self.counterexample(number, &[happening], violation)),
                    Ok(next) => {
                        if self.known.insert(fingerprint(&next)) {
                            queue.push_back((next, self.ways.len(), depth + 1));
                            self.ways.push((number, Some(happening)));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Follows the fair sequence until rest, or until a state from which rest is known to be reached.
    fn settle(&mut self, from: World, number: usize) -> Result<(), Counterexample> {
        let mut world = World { cut_off: false, ..from.bare() };
        let (mut way, mut passed) = (Vec::new(), Vec::new());
        let mut rest = loop {
            let mark = fingerprint(&world);
            if let Some(known) = self.settling.get(&mark) {
                break *known;
            }
            passed.push((mark, 0));
            if properties::is_rest(self.model, &world) {
                if let Err(violation) = properties::stays_at_rest(self.model, &world) {
                    return Err(self.counterexample(number, &way, violation));
                }
                self.settling.insert(mark, (0, 0));
                passed.pop();
                break (0, 0);
            }
            let next = match Model::fair(&world) {
                None => properties::restless("no event will start another reconcile"),
                Some(_) if way.len() > PATIENCE => properties::restless("the events never end"),
                Some(happening) => {
                    way.push(happening);
                    if let (Move::Pass(by), Some(last)) = (happening, passed.last_mut()) {
                        last.1 = by;
                    }
                    self.model.after(world, happening)
                }
            };
            world = match next {
                Ok(next) => next.bare(),
                Err(violation) => return Err(self.counterexample(number, &way, violation)),
            };
        };
        for (mark, by) in passed.into_iter().rev() {
            rest = (rest.0 + 1, rest.1 + by);
            self.settling.insert(mark, rest);
        }
        let longest = &mut self.visited.to_rest;
        *longest = (longest.0.max(rest.0), longest.1.max(rest.1));
        Ok(())
    }

    /// Repeats the sequence, and describes it.
    fn counterexample(&mut self, number: usize, then: &[Move], violation: Violation) -> Counterexample {
        let mut way: Vec<Move> = then.iter().rev().copied().collect();
        let mut at = number;
        while let (before, Some(happening)) = self.ways[at] {
            way.push(happening);
            at = before;
        }
        let mut world = self.start;
        let mut trace = Vec::new();
        let until = way.len() - then.len();
        for (step, happening) in way.into_iter().rev().enumerate() {
            if step == until && then.len() > 1 {
                // The fair sequence to a stable state does not need the data for the checks of single events.
                world = world.bare();
            }
            let after = self.model.after(world, happening);
            let told = match after {
                Ok(next) => {
                    world = next;
                    crate::trace::state(&self.model.real, &next)
                }
                Err(_) => "!".to_owned(),
            };
            trace.push(format!("{:<28} {told}", format!("{happening:?}")));
        }
        Counterexample { violation, trace }
    }
}

fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "NOT TRUE: {}\n  {}", self.violation.property, self.violation.what)?;
        self.trace.iter().enumerate().try_for_each(|(step, line)| writeln!(f, "{:>4}. {line}", step + 1))
    }
}
