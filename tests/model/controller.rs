//! The controller's part: `controller::reconcile`, in which each call to the API server and the provider is one step. The
//! product's own logic decides, also in which order tokens are requested and written. The steps around these decisions, and
//! the state between the calls, are implemented here a second time.

use chrono::TimeDelta;
use tokensource::decide::backoff::retry_after_error;
use tokensource::decide::{Cause, ObtainCall, PublishCall};

use crate::model::{Luck, Model, Mutation, Violation};
use crate::properties;
use crate::real::{Choice, Next, Outcome};
use crate::samples::{LIFETIME, UID};
use crate::world::{Look, Seconds, Secret, Step, World};

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
            return Ok(self.try_again(world));
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
                let token = world.held.unwrap();
                world.step = Step::Publish(PublishCall::first(token.refresh.is_some()), look, token);
                Ok(world)
            }
            Choice::Issue(cause) => {
                let unstored = world.held.is_some_and(|held| held.refresh.is_some());
                world.step = Step::Obtain(ObtainCall::first(unstored), look, cause);
                Ok(world)
            }
            Choice::Rewrite => panic!("nothing here changes labels, annotations or type"),
        }
    }

    fn choose(&mut self, world: &World, look: &Look) -> Choice {
        let choice = self.real.decide(look);
        match (self.mutation, choice) {
            (Some(Mutation::RequestsAtStart), Choice::Nothing) if !world.started => {
                Choice::Issue(Cause::RenewalDue)
            }
            (Some(Mutation::IgnoresRetryAt), Choice::Wait(Some(_))) => {
                let waits = self.real.summary(look.source.status).retry_at.is_some_and(|at| at > 0);
                if waits { Choice::Issue(Cause::RenewalDue) } else { choice }
            }
            (Some(Mutation::NeverPauses), Choice::Wait(Some(_)))
            | (Some(Mutation::IgnoresRefusal), Choice::Refuse(_)) => Choice::Issue(Cause::TargetMissing),
            _ => choice,
        }
    }

    /// The result of a step's call.
    pub(crate) fn proceed(&mut self, world: World, luck: Luck) -> Reached {
        match world.step {
            Step::Idle => Ok(world),
            Step::Obtain(call, look, cause) => self.obtain(world, (call, look, cause), luck),
            Step::Publish(call, look, token) => self.publish(world, (call, look, token), luck),
            Step::Record { .. } => Ok(self.record(world, luck)),
        }
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
            let Next { status, reports_request, .. } = next;
            world.step = Step::Record { status, reports_request, after, failed };
            return Ok(world);
        }
        Ok(self.end(world, after, failed))
    }

    fn record(&mut self, mut world: World, luck: Luck) -> World {
        let Step::Record { status, reports_request, after, failed } = world.step else { return world };
        let after = (after != Seconds::MAX).then_some(after);
        let Some(mut source) = world.source else {
            if world.seen_source.is_none() || self.mutation == Some(Mutation::ForgetsWhatIsGone) {
                world = forget(world);
            } else if reports_request {
                world.unwritten = Some(status);
            }
            return self.end(world, after, failed);
        };
        if luck != Luck::Refused {
            (source.status, source.version) = (status, World::unused());
            world.source = Some(source);
            if !world.ghost.crashed || properties::target_records_request(&world) {
                (world.ghost.unrecorded, world.ghost.crashed) = (false, false);
            }
        }
        if luck == Luck::Good {
            if self.mutation != Some(Mutation::ForgetsOwnWrites) {
                world.written = Some(source);
            }
            world.unwritten = None;
            return self.end(world, after, failed);
        }
        if self.mutation != Some(Mutation::ForgetsUnwrittenStatus) {
            world.unwritten = Some(status);
        }
        self.try_again(world)
    }

    /// The end of a reconcile, with or without an error.
    fn end(&mut self, mut world: World, after: Option<Seconds>, failed: bool) -> World {
        if failed {
            return self.try_again(world);
        }
        (world.step, world.consecutive_errors, world.timer) = (Step::Idle, 0, after);
        world
    }

    /// `reconcile::try_again`, in whole seconds.
    fn try_again(&mut self, mut world: World) -> World {
        world.step = Step::Idle;
        let Some(source) = world.seen_source else { return world };
        world.consecutive_errors = (world.consecutive_errors + 1).min(8);
        let life_left = self.real.summary(source.status).expires_at.unwrap_or_default();
        let (errors, life_left) = (world.consecutive_errors.into(), TimeDelta::seconds(life_left.into()));
        let wait = retry_after_error(errors, life_left, UID).as_millis().div_ceil(1000);
        world.timer = Some(Seconds::try_from(wait).unwrap());
        world
    }
}

/// Whether an observation has to read the target in full.
pub(crate) fn reads_target(world: &World, recorded: u8) -> bool {
    world.known_target.is_some_and(|known| known.ours && known.version != recorded)
}

/// Drops the local state of the object, after its deletion or a crash.
pub(crate) fn forget(mut world: World) -> World {
    (world.written, world.unwritten, world.held, world.consecutive_errors) = (None, None, None, 0);
    world.ghost.came = None;
    world
}
