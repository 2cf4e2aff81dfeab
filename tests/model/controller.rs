//! The controller's part: `controller::reconcile`, in which each call to the API server and the provider is one step. The
//! product's own logic decides; only the order of the calls and the state between them is repeated here.

use tokensource::decide::Cause;

use crate::model::{Luck, Model, Mutation, Violation};
use crate::properties;
use crate::real::{Choice, Outcome};
use crate::samples::LIFETIME;
use crate::world::{Look, Seconds, Secret, Step, Stored, World};

/// A state, or the violation on the way to it.
pub(crate) type Reached = Result<World, Violation>;

impl Model {
    /// `observe`, `decide`, and actions without a call.
    pub(crate) fn look(&mut self, mut world: World, luck: Luck) -> Reached {
        (world.triggered, world.timer) = (false, None);
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
            Choice::AwaitDeletion => Ok(world),
            Choice::Nothing => self.finish(world, look, choice, Outcome::Unchanged, false),
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
            (Some(Mutation::MintsAtStart), Choice::Nothing) if !world.started => {
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

    /// The result of a step's call.
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
            Step::Write(look, token) if token.refresh.is_some() => self.store(world, look, token, luck),
            Step::Write(look, token) => self.write(world, look, token, luck),
            Step::Record { .. } => Ok(self.record(world, luck)),
            // The provider answers, see `ask`. Only reading the credentials may fail here.
            Step::Ask(look, cause) | Step::AskAgain(look, cause) => {
                self.finish(world, look, Choice::Issue(cause), Outcome::Waiting, true)
            }
        }
    }

    fn keep_held(&mut self, mut world: World, look: Look, cause: Cause, luck: Luck) -> Reached {
        let mut held = world.held.unwrap();
        if luck != Luck::Refused {
            world.stored = held.refresh.map(|token| Stored { token, token_inputs: held.token_inputs });
        }
        if luck != Luck::Good {
            return self.finish(world, look, Choice::Issue(cause), Outcome::Waiting, true);
        }
        held.refresh = None;
        world.held = Some(held);
        world.step = Step::Ask(look, cause);
        Ok(world)
    }

    /// Updates the observation with the outcome and makes the status.
    pub(crate) fn finish(
        &mut self,
        world: World,
        look: Look,
        choice: Choice,
        outcome: Outcome,
        failed: bool,
    ) -> Reached {
        let mut world = world;
        let next = self.real.next(&look, choice, outcome);
        properties::status_made(self, &world, &look, &outcome, next.status)?;
        let after = match self.mutation {
            Some(Mutation::NeverWakes) if matches!(choice, Choice::Wait(_)) => None,
            Some(Mutation::WakesAtOnce) if choice == Choice::Nothing => Some(0),
            Some(Mutation::Oversleeps) if choice == Choice::Nothing => Some(LIFETIME + 600),
            _ => Some(next.after),
        };
        if look.owed || next.status != look.source.status {
            let after = after.unwrap_or(Seconds::MAX);
            world.step = Step::Record { status: next.status, after, failed };
            return Ok(world);
        }
        Ok(end(world, after, failed))
    }

    fn record(&self, mut world: World, luck: Luck) -> World {
        let Step::Record { status, after, failed } = world.step else { return world };
        let after = (after != Seconds::MAX).then_some(after);
        let Some(mut source) = world.source else {
            if world.seen_source.is_some() && self.mutation != Some(Mutation::ForgetsWhatIsGone) {
                world.unwritten = Some(status);
                return end(world, after, failed);
            }
            return end(forget(world), after, failed);
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
            return end(world, after, failed);
        }
        if self.mutation != Some(Mutation::ForgetsUnwrittenStatus) {
            world.unwritten = Some(status);
        }
        try_again(world)
    }
}

/// Whether an observation has to read the target in full.
pub(crate) fn reads_target(world: &World, recorded: u8) -> bool {
    world.known_target.is_some_and(|known| known.ours && known.version != recorded)
}

/// The end of a reconcile, with or without an error.
fn end(mut world: World, after: Option<Seconds>, failed: bool) -> World {
    if failed {
        return try_again(world);
    }
    (world.step, world.consecutive_errors, world.timer) = (Step::Idle, 0, after);
    world
}

/// `reconcile::try_again`: half a second, doubled up to a minute; here in whole seconds.
fn try_again(mut world: World) -> World {
    world.step = Step::Idle;
    if world.seen_source.is_none() {
        return world;
    }
    world.consecutive_errors = (world.consecutive_errors + 1).min(8);
    world.timer = Some((1 << world.consecutive_errors.saturating_sub(2)).min(60));
    world
}

/// The object is gone, and its local state is dropped.
pub(crate) fn forget(mut world: World) -> World {
    (world.written, world.unwritten, world.held, world.consecutive_errors) = (None, None, None, 0);
    world.ghost.came = None;
    world
}
