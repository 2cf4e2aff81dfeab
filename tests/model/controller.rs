//! The controller's part: `controller::reconcile` with every call to the
//! API server and the provider made a step of its own. What to do is asked of the real logic; only the order of the
//! calls, and what is remembered between them, is told again here.

use tokensource::decide::Cause;

use crate::model::{Luck, Model, Mutation, Violation};
use crate::properties;
use crate::real::{Choice, Outcome};
use crate::samples::LIFETIME;
use crate::world::{Look, Seconds, Secret, Step, Stored, World};

/// A state, and what is wrong with the way to it.
pub(crate) type Reached = Result<World, Violation>;

impl Model {
    /// `observe` and `decide`, and what needs no call.
    pub(crate) fn look(&mut self, mut world: World, luck: Luck) -> Reached {
        (world.woken, world.timer) = (false, None);
        world.ghost.clock_set = false;
        let Some(cached) = world.seen_source else { return Ok(world) };
        world.written = world.written.filter(|written| written.version > cached.version);
        let mut source = world.written.unwrap_or(cached);
        let owed = world.unwritten.is_some();
        source.status = world.unwritten.unwrap_or(source.status);
        if luck == Luck::Refused {
            return Ok(try_again(world));
        }
        if reads_target(&world, source.status.target) {
            world.known_target = world.target;
        }
        let target = world
            .known_target
            .map(|known| Secret { altered: known.altered && known.version != source.status.target, ..known });
        let look =
            Look { now: 0, source, owed, target, credentials: world.seen_credentials, held: world.held };
        let choice = self.choose(&world, &look);
        world.started = true;
        match choice {
            Choice::Leave => Ok(world),
            Choice::Keep => self.finish(world, look, choice, Outcome::Kept, false),
            Choice::Suspend => self.finish(world, look, choice, Outcome::Suspended, false),
            Choice::Wait(_) => self.finish(world, look, choice, Outcome::Waiting, false),
            Choice::Refuse(failure) => self.finish(world, look, choice, Outcome::Refused(failure), false),
            Choice::Publish => {
                world.step = Step::Write(look, world.held.unwrap());
                Ok(world)
            }
            Choice::Issue(cause) => {
                let unkept = world.held.is_some_and(|held| held.refresh.is_some());
                world.step = if unkept { Step::KeepHeld(look, cause) } else { Step::Ask(look, cause) };
                Ok(world)
            }
            Choice::Rewrite => panic!("nothing here changes labels, annotations or type"),
        }
    }

    fn choose(&mut self, world: &World, look: &Look) -> Choice {
        let choice = self.real.decide(look);
        match (self.mutation, choice) {
            (Some(Mutation::MintsAtStart), Choice::Keep) if !world.started => {
                Choice::Issue(Cause::RenewalDue)
            }
            (Some(Mutation::IgnoresRetryAt), Choice::Wait(Some(_))) => {
                let waits = self.real.summary(look.source.status).retry_at.is_some_and(|at| at > 0);
                if waits { Choice::Issue(Cause::RenewalDue) } else { choice }
            }
            (Some(Mutation::NeverPauses), Choice::Wait(Some(_)))
            | (Some(Mutation::MintsWhileRefused), Choice::Refuse(_)) => Choice::Issue(Cause::TargetMissing),
            _ => choice,
        }
    }

    /// What comes of a step's one call.
    pub(crate) fn proceed(&mut self, world: World, luck: Luck) -> Reached {
        match world.step {
            Step::Idle => Ok(world),
            Step::KeepHeld(look, cause) => self.keep_held(world, look, cause, luck),
            Step::Drop(look, cause) => {
                let mut world = world;
                if luck != Luck::Refused {
                    world.stored = None;
                }
                world.step = Step::AskAgain(look, cause);
                Ok(world)
            }
            Step::Write(look, token) if token.refresh.is_some() => self.keep(world, look, token, luck),
            Step::Write(look, token) => self.write(world, look, token, luck),
            Step::Record { .. } => Ok(self.record(world, luck)),
            // Answered by the provider: see `ask`. Only reading the credentials may fail here.
            Step::Ask(look, cause) | Step::AskAgain(look, cause) => {
                self.finish(world, look, Choice::Issue(cause), Outcome::Waiting, true)
            }
        }
    }

    fn keep_held(&mut self, mut world: World, look: Look, cause: Cause, luck: Luck) -> Reached {
        let mut held = world.held.unwrap();
        if luck != Luck::Refused {
            world.stored = held.refresh.map(|token| Stored { token, asked: held.asked });
        }
        if luck != Luck::Good {
            return self.finish(world, look, Choice::Issue(cause), Outcome::Waiting, true);
        }
        held.refresh = None;
        world.held = Some(held);
        world.step = Step::Ask(look, cause);
        Ok(world)
    }

    /// Settles the outcome and makes the status.
    pub(crate) fn finish(
        &mut self,
        world: World,
        look: Look,
        choice: Choice,
        outcome: Outcome,
        trouble: bool,
    ) -> Reached {
        let mut world = world;
        let next = self.real.next(&look, choice, outcome);
        properties::status_made(self, &world, &look, &outcome, next.status)?;
        let wake = match self.mutation {
            Some(Mutation::NeverWakes) if matches!(choice, Choice::Wait(_)) => None,
            Some(Mutation::WakesAtOnce) if choice == Choice::Keep => Some(0),
            Some(Mutation::Oversleeps) if choice == Choice::Keep => Some(LIFETIME + 600),
            _ => Some(next.wake),
        };
        if look.owed || next.status != look.source.status {
            let wake = wake.unwrap_or(Seconds::MAX);
            world.step = Step::Record { status: next.status, wake, trouble };
            return Ok(world);
        }
        Ok(end(world, wake, trouble))
    }

    fn record(&self, mut world: World, luck: Luck) -> World {
        let Step::Record { status, wake, trouble } = world.step else { return world };
        let wake = (wake != Seconds::MAX).then_some(wake);
        let Some(mut source) = world.source else {
            if world.seen_source.is_some() && self.mutation != Some(Mutation::ForgetsWhatIsGone) {
                world.unwritten = Some(status);
                return end(world, wake, trouble);
            }
            return end(forget(world), wake, trouble);
        };
        if luck != Luck::Refused {
            (source.status, source.version) = (status, World::unused());
            world.source = Some(source);
            if !world.ghost.crashed || properties::target_tells(&world) {
                (world.ghost.unrecorded, world.ghost.crashed) = (false, false);
            }
        }
        if luck == Luck::Good {
            if self.mutation != Some(Mutation::ForgetsOwnWrites) {
                world.written = Some(source);
            }
            world.unwritten = None;
            return end(world, wake, trouble);
        }
        if self.mutation != Some(Mutation::ForgetsUnwrittenStatus) {
            world.unwritten = Some(status);
        }
        try_again(world)
    }
}

/// Whether a look has to read the target in full.
pub(crate) fn reads_target(world: &World, recorded: u8) -> bool {
    world.known_target.is_some_and(|known| known.ours && known.version != recorded)
}

/// The end of a reconcile: calm, or trouble.
fn end(mut world: World, wake: Option<Seconds>, trouble: bool) -> World {
    if trouble {
        return try_again(world);
    }
    (world.step, world.troubles, world.timer) = (Step::Idle, 0, wake);
    world
}

/// `reconcile::try_again`: half a second, doubled up to a minute; here in whole seconds.
fn try_again(mut world: World) -> World {
    world.step = Step::Idle;
    if world.seen_source.is_none() {
        return world;
    }
    world.troubles = (world.troubles + 1).min(8);
    world.timer = Some((1 << world.troubles.saturating_sub(2)).min(60));
    world
}

/// The object is gone, and with it what was remembered of it.
pub(crate) fn forget(mut world: World) -> World {
    (world.written, world.unwritten, world.held, world.troubles) = (None, None, None, 0);
    world.ghost.came = None;
    world
}
