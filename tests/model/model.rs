//! The possible events in each state, and the fair order of events. Knows which events are disturbances; must not know the
//! effect of an event.

use tokensource::decide::ObtainCall;

use crate::asking::Fault;
use crate::controller::reads_target;
use crate::real::{Grant, Real, Reply};
use crate::samples::REQUESTS;
use crate::world::{Family, Ghost, Seconds, Source, Step, World};

/// The amount by which the clock is changed.
const CLOCK_STEP: Seconds = 3600;

/// The time that passes in a single step while no reconcile changes anything.
const IN_VAIN: Seconds = 1800;

/// How a call to the API server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Luck {
    Good,
    /// An error without effect.
    Refused,
    /// The call took effect, but its answer was lost.
    Lost,
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    DeliverSource,
    DeliverTarget,
    DeliverCredentials,
    Look(Luck),
    Proceed(Luck),
    Ask(Option<Fault>),
    /// Time passes until the timer or an earlier instant.
    Pass(Seconds),
    CollectGarbage,

    Edit,
    Suspend,
    Resume,
    Request,
    Rotate,
    DeleteTarget,
    Alter,
    Replace,
    DeleteForeign,
    DeleteForeground,
    DeleteBackground,

    Crash,
    /// The process is down for longer than any pause lasts.
    LongCrash,
    /// The controller restarts, and its lists do not contain the undelivered events.
    CrashIntoThePast,
    CutOff,
    /// A call hangs for a while.
    Stall,
    SetClock(Seconds),
}

/// A defence that is removed, so that a property must fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    ForgetsHeldToken,
    RequestsAtStart,
    IgnoresRetryAt,
    NeverPauses,
    IgnoresRefusal,
    DropsRefreshToken,
    StoresRefreshTokenLast,
    OverwritesWhatIsThere,
    ClaimsUnwritten,
    NeverWakes,
    WakesAtOnce,
    Oversleeps,
    HandlesNoRequest,
    ForgetsOwnWrites,
    ForgetsUnwrittenStatus,
    ForgetsWhatIsGone,
}

/// A violated property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) property: &'static str,
    pub(crate) what: String,
}

/// The explored model.
pub(crate) struct Model {
    pub(crate) real: Real,
    pub(crate) mutation: Option<Mutation>,
    /// Whether a process may start with outdated lists.
    pub(crate) stale_restarts: bool,
    /// Whether the fair sequence to a stable state is followed from every state.
    pub(crate) rests: bool,
}

impl Model {
    pub(crate) fn new(grant: Grant) -> Self {
        Self { real: Real::new(grant), mutation: None, stale_restarts: true, rests: true }
    }

    /// A new `TokenSource` in an empty cluster.
    pub(crate) fn start(&mut self, disturbances: u8) -> World {
        let status = self.real.no_status();
        let source = Source {
            version: 1,
            generation: 1,
            scope: 0,
            suspend: false,
            request: 0,
            deleting: false,
            status,
        };
        World {
            source: Some(source),
            target: None,
            stored: None,
            credentials: 1,
            family: Family { begun: false, revoked: false },
            seen_source: Some(source),
            seen_target: None,
            seen_credentials: 1,
            cut_off: false,
            known_target: None,
            written: None,
            unwritten: None,
            held: None,
            consecutive_errors: 0,
            step: Step::Idle,
            triggered: true,
            timer: None,
            started: true,
            left: disturbances,
            ghost: Ghost::default(),
        }
    }

    /// The next event that happens without a disturbance, in the fair order.
    pub(crate) fn fair(world: &World) -> Option<Move> {
        if world.source != world.seen_source {
            return Some(Move::DeliverSource);
        }
        if world.target_undelivered() {
            return Some(Move::DeliverTarget);
        }
        if world.credentials != world.seen_credentials {
            return Some(Move::DeliverCredentials);
        }
        match world.step {
            Step::Idle => {}
            step if step.is_request() => return Some(Move::Ask(None)),
            _ => return Some(Move::Proceed(Luck::Good)),
        }
        if world.triggered {
            return Some(Move::Look(Luck::Good));
        }
        if is_garbage(world) {
            return Some(Move::CollectGarbage);
        }
        world.timer.map(Move::Pass)
    }

    /// All possible events in this state.
    pub(crate) fn moves(&self, world: &World) -> Vec<Move> {
        let mut moves = Vec::with_capacity(24);
        let mut when = |possible: bool, happening: Move| {
            if possible {
                moves.push(happening);
            }
        };
        when(world.source != world.seen_source, Move::DeliverSource);
        when(world.target_undelivered(), Move::DeliverTarget);
        when(world.credentials != world.seen_credentials, Move::DeliverCredentials);
        when(is_garbage(world), Move::CollectGarbage);
        let idle = world.step == Step::Idle;
        let asking = world.step.is_request();
        when(idle && world.triggered, Move::Look(Luck::Good));
        when(asking, Move::Ask(None));
        when(!idle && !asking, Move::Proceed(Luck::Good));
        if idle && !world.triggered && (!world.undelivered() || world.cut_off) && !is_garbage(world) {
            for instant in pauses(world) {
                when(true, Move::Pass(instant));
            }
        }
        let ours = world.target.is_some_and(|target| target.ours);
        when(world.source.is_some_and(|source| source.suspend), Move::Resume);
        when(world.target.is_some() && !ours, Move::DeleteForeign);
        if world.left > 0 {
            self.disturbances(world, &mut moves);
        }
        moves
    }

    fn disturbances(&self, world: &World, moves: &mut Vec<Move>) {
        let mut when = |possible: bool, happening: Move| {
            if possible {
                moves.push(happening);
            }
        };
        let live = world.source.filter(|source| !source.deleting);
        let ours = world.target.is_some_and(|target| target.ours);
        when(live.is_some(), Move::Edit);
        when(live.is_some_and(|source| !source.suspend), Move::Suspend);
        when(live.is_some_and(|source| usize::from(source.request) + 1 < REQUESTS.len()), Move::Request);
        when(live.is_some(), Move::Rotate);
        when(ours, Move::DeleteTarget);
        when(world.target.is_some_and(|target| target.ours && !target.altered), Move::Alter);
        when(ours || (world.target.is_none() && live.is_some()), Move::Replace);
        when(live.is_some(), Move::DeleteForeground);
        when(world.source.is_some(), Move::DeleteBackground);
        when(true, Move::Crash);
        when(true, Move::LongCrash);
        when(self.stale_restarts && world.undelivered(), Move::CrashIntoThePast);
        when(world.undelivered() && !world.cut_off, Move::CutOff);
        when(world.step != Step::Idle, Move::Stall);
        when(true, Move::SetClock(CLOCK_STEP));
        when(true, Move::SetClock(-CLOCK_STEP));
        match world.step {
            Step::Idle => {
                let recorded = world.seen_source.map_or(0, |source| source.status.target);
                when(world.triggered && reads_target(world, recorded), Move::Look(Luck::Refused));
            }
            Step::Obtain(call, ..) if world.step.is_request() => {
                when(call == ObtainCall::Request, Move::Proceed(Luck::Refused));
                let refusal = match self.real.grant {
                    Grant::Password => Reply::InvalidGrant,
                    Grant::ClientCredentials | Grant::RefreshToken => Reply::InvalidClient,
                };
                for reply in [Reply::Unavailable, Reply::Limited, refusal] {
                    when(true, Move::Ask(Some(Fault::Reply(reply))));
                }
                when(true, Move::Ask(Some(Fault::Lost)));
            }
            _ => {
                when(true, Move::Proceed(Luck::Refused));
                when(true, Move::Proceed(Luck::Lost));
            }
        }
    }
}

/// Whether the garbage collector has work: an object whose owner is deleted or being deleted.
fn is_garbage(world: &World) -> bool {
    let owned = world.target.is_some_and(|target| target.ours) || world.stored.is_some();
    match world.source {
        None => owned,
        Some(source) => source.deleting,
    }
}

/// The instants to which time may pass: the timer, and earlier ends of pauses after a request.
fn pauses(world: &World) -> Vec<Seconds> {
    let Some(timer) = world.timer else { return Vec::new() };
    // While a foreign Secret blocks the target, most of the reconciles once a minute are skipped.
    let foreign = world.target.is_some_and(|target| !target.ours) && world.known_target == world.target;
    let timer = if foreign && timer == 60 { IN_VAIN } else { timer };
    let pauses = world.ghost.asked_at.into_iter().flat_map(|asked| [asked + 5, asked + 60]);
    pauses.filter(|instant| 0 < *instant && *instant < timer).chain([timer]).collect()
}
