//! The effect of each event: watches, the clock, users, crashes. The controller's own steps are in `controller`, `asking`
//! and `writing`.

use crate::controller::{Reached, forget};
use crate::model::{Luck, Model, Move};
use crate::real::Grant;
use crate::world::{
    Family, Ghost, LONG_AGO, RefreshToken, Requested, Seconds, Secret, Step, TokenInputs, World,
};

/// How long a process may be down.
const DOWN: Seconds = 600;

/// How long a call may hang: the deadline of a token request.
const STALL: Seconds = 15;

impl Model {
    /// The state after a move.
    pub(crate) fn after(&mut self, mut world: World, happening: Move) -> Reached {
        if is_disturbance(happening) {
            world.left = world.left.saturating_sub(1);
        }
        let mut world = match happening {
            Move::Look(luck) => self.look(world, luck)?,
            Move::Proceed(luck) => self.proceed(world, luck)?,
            Move::Ask(fault) => self.ask(world, fault)?,
            Move::Pass(by) => self.pass(world, by),
            Move::SetClock(by) => self.set_clock(world, by),
            Move::LongCrash => {
                self.shift(&mut world, -DOWN);
                crash(world, false)
            }
            Move::Stall => {
                self.shift(&mut world, -STALL);
                world
            }
            Move::Crash | Move::CrashIntoThePast => crash(world, happening == Move::CrashIntoThePast),
            other => self.outside(world, other),
        };
        world.normalise();
        Ok(world)
    }

    fn shift(&mut self, world: &mut World, by: Seconds) {
        world.shift(by);
        for status in world.statuses() {
            *status = self.real.shift(*status, by);
        }
    }

    fn pass(&mut self, mut world: World, by: Seconds) -> World {
        self.shift(&mut world, -by);
        world.timer = world.timer.map(|timer| timer - by).filter(|timer| *timer > 0);
        world.triggered = world.timer.is_none();
        world
    }

    /// Sets the wall clock. The timer of the next reconcile is unchanged, because timers run by the monotonic clock.
    fn set_clock(&mut self, mut world: World, by: Seconds) -> World {
        self.shift(&mut world, -by);
        // A failed renewal is still due, but by the new wall clock it is unknown how long it has to wait.
        let failed = world.ghost.failed.map(|(generation, token_inputs, _)| (generation, token_inputs, 0));
        world.ghost = Ghost { asked_at: None, failed, came: None, clock_set: true, ..world.ghost };
        world
    }

    /// The effects of watches, users and the garbage collector.
    fn outside(&mut self, mut world: World, happening: Move) -> World {
        match happening {
            Move::DeliverSource => {
                world.seen_source = world.source;
                (world.triggered, world.cut_off) = (true, false);
                if world.source.is_none() {
                    world = forget(world);
                }
            }
            Move::DeliverTarget => {
                (world.seen_target, world.known_target) = (world.target, world.target);
                (world.triggered, world.cut_off) = (true, false);
            }
            Move::DeliverCredentials => {
                world.seen_credentials = world.credentials;
                (world.triggered, world.cut_off) = (true, false);
            }
            Move::CollectGarbage => {
                if world.target.is_some_and(|target| target.ours) {
                    world.target = None;
                } else if world.stored.is_some() {
                    // This deletes the only copy.
                    (world.stored, world.ghost.refresh_lost) = (None, true);
                } else {
                    world.source = None;
                }
            }
            Move::CutOff => world.cut_off = true,
            Move::Rotate => {
                world.credentials += 1;
                if self.real.grant == Grant::RefreshToken {
                    world.family = Family { begun: false, revoked: false };
                    world.ghost.refresh_lost = false;
                    world.tokens().into_iter().for_each(|token| {
                        token.refresh = token.refresh.map(|_| RefreshToken::Used);
                    });
                    world.stored = world.stored.map(|mut stored| {
                        stored.token = RefreshToken::Used;
                        stored
                    });
                }
            }
            Move::DeleteTarget | Move::DeleteForeign => world.target = None,
            Move::Alter => {
                if let Some(target) = &mut world.target {
                    (target.altered, target.version) = (true, World::unused());
                }
            }
            Move::Replace => world.target = Some(foreign()),
            Move::DeleteBackground => world.source = None,
            other => user(&mut world, other),
        }
        world
    }
}

/// A user's change of the `TokenSource` itself.
fn user(world: &mut World, happening: Move) {
    let Some(source) = &mut world.source else { return };
    source.version = World::unused();
    match happening {
        Move::Edit => (source.scope, source.generation) = (1 - source.scope, source.generation + 1),
        Move::Suspend | Move::Resume => {
            (source.suspend, source.generation) = (happening == Move::Suspend, source.generation + 1);
        }
        Move::Request => {
            source.request += 1;
            world.ghost.requested = Requested::Open;
        }
        Move::DeleteForeground => {
            (source.deleting, source.generation) = (true, source.generation + 1);
        }
        other => panic!("not a user's: {other:?}"),
    }
}

/// All memory is lost; the lists of a new process are current or outdated.
fn crash(mut world: World, into_the_past: bool) -> World {
    // The refresh token of a token that is in the target must have been stored before.
    let published = world.target.map(|target| target.token);
    let mut lost = world.tokens().into_iter().filter(|token| Some(token.token) != published);
    if lost.any(|token| token.refresh == Some(RefreshToken::Current)) {
        world.ghost.refresh_lost = true;
    }
    world = forget(world);
    world.ghost.in_the_past = into_the_past;
    if !into_the_past {
        (world.seen_source, world.seen_target) = (world.source, world.target);
        (world.seen_credentials, world.cut_off) = (world.credentials, false);
    }
    world.known_target = world.seen_target;
    (world.step, world.triggered, world.timer, world.started) = (Step::Idle, true, None, false);
    if world.ghost.unrecorded {
        (world.ghost.crashed, world.ghost.failed, world.ghost.refusals) = (true, None, None);
    }
    world
}

/// A Secret with the target's name and another owner.
fn foreign() -> Secret {
    Secret {
        uid: World::unused(),
        version: World::unused(),
        ours: false,
        altered: false,
        token: 0,
        token_inputs: TokenInputs { scope: 0, credentials: 0 },
        handled_renew_request: 0,
        issued_at: LONG_AGO,
        expires_at: LONG_AGO,
    }
}

fn is_disturbance(happening: Move) -> bool {
    match happening {
        Move::DeliverSource
        | Move::DeliverTarget
        | Move::DeliverCredentials
        | Move::Pass(_)
        | Move::CollectGarbage
        | Move::Resume
        | Move::DeleteForeign => false,
        Move::Look(luck) | Move::Proceed(luck) => luck != Luck::Good,
        Move::Ask(fault) => fault.is_some(),
        _ => true,
    }
}
