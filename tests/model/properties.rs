//! What must hold: on every token request, every write, every status, every state at rest.
//! Knows the truth of the API server and the provider. Must not know how the controller came to what it does.

use crate::model::{Model, Violation};
use crate::real::{Grant, Outcome, Real};
use crate::world::{Asked, Look, Requested, Seconds, Secret, Source, Status, Step, World};

/// A request is made only for want of a usable token, when it is due, or when somebody asks for it.
pub(crate) const NO_NEEDLESS_REQUEST: &str = "a token is requested only when one is needed";
/// Waits are kept.
pub(crate) const PACE: &str = "waits are kept";
/// Nothing of somebody else's is written, and nothing good is given up.
pub(crate) const NOTHING_LOST: &str = "nothing good is overwritten";
/// A used refresh token is never shown again, unless a crash or a lost answer has taken the good one.
pub(crate) const NO_REUSE: &str = "a used refresh token is not sent again";
/// What the status says is so, in the form kstatus asks for.
pub(crate) const TRUTH: &str = "the status is true";
/// Left alone, the system comes to rest with a good token.
pub(crate) const REST: &str = "the system comes to rest";

type Verdict = Result<(), Violation>;

fn violated<T>(property: &'static str, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { property, what: what.into() })
}

/// Whether this is a token that is good now for these inputs.
fn is_good(target: Option<Secret>, asked: Asked) -> bool {
    target.is_some_and(|target| {
        target.ours && !target.altered && target.asked == asked && target.expires_at > 0
    })
}

/// Whether the token is one for this spec and alive, with whichever version of the credentials it was asked for.
fn is_usable(target: Option<Secret>, scope: u8, now: Seconds) -> bool {
    target.is_some_and(|target| {
        target.ours && !target.altered && target.asked.scope == scope && target.expires_at > now
    })
}

fn inputs(world: &World, source: &Source) -> Asked {
    Asked { scope: source.scope, credentials: world.credentials }
}

/// On every token request, as it is sent. `again` is the second of a look, after a refused refresh token.
pub(crate) fn request(model: &Model, world: &World, look: &Look, asked: Asked, again: bool) -> Verdict {
    let ghost = &world.ghost;
    // Judged with the first.
    if ghost.unwatched || again {
        return Ok(());
    }
    if look.source.suspend || look.source.deleting {
        return violated(NO_NEEDLESS_REQUEST, "asked for a TokenSource that is suspended or on its way out");
    }
    if look.target.is_some_and(|target| !target.ours) {
        return violated(NO_NEEDLESS_REQUEST, "asked for a token that could not be kept");
    }
    if ghost.came.is_some_and(|(came, _)| came == asked) {
        return violated(NO_NEEDLESS_REQUEST, "asked for a token that has come, and was not written yet");
    }
    // By the clock of the decision or the present one, should that have been set since.
    let due = world.target.is_none_or(|target| {
        model.real.due(target.issued_at, target.expires_at) <= look.now.max(0)
            || Real::is_of_another_clock(target.issued_at, look.now.min(0))
    });
    let owed = ghost.failed.is_some_and(|(_, failed, _)| failed == asked);
    if is_good(world.target, asked) && !due && ghost.requested == Requested::No && !owed {
        return violated(
            NO_NEEDLESS_REQUEST,
            "a good token with these inputs is stored, not due, not requested",
        );
    }
    if ghost.crashed && !target_tells(world) {
        return Ok(());
    }
    if let Some(since) = ghost.asked_at.filter(|since| *since > -5) {
        return violated(PACE, format!("asked again after {} s", -since));
    }
    match ghost.failed {
        Some((generation, failed, until))
            if until > 0
                && ghost.requested == Requested::No
                && (generation, failed) == (look.source.generation, asked) =>
        {
            let early = if until == Seconds::MAX { "for ever".to_owned() } else { format!("{until} s") };
            violated(PACE, format!("asked again with inputs that failed, to be left alone {early} longer"))
        }
        _ => Ok(()),
    }
}

/// Whether the target tells of the last request.
pub(crate) fn target_tells(world: &World) -> bool {
    world.target.is_some_and(|there| there.ours && Some(there.issued_at) == world.ghost.asked_at)
}

/// On every answer of the provider.
pub(crate) fn family(world: &World) -> Verdict {
    if world.family.revoked && !world.ghost.refresh_lost {
        return violated(NO_REUSE, "a used refresh token was shown, and nothing had been lost");
    }
    Ok(())
}

/// On every write of the target, before it is done.
pub(crate) fn target_write(world: &World, written: &Secret) -> Verdict {
    let Some(there) = world.target else { return Ok(()) };
    if !there.ours {
        return violated(NOTHING_LOST, "a foreign Secret is written");
    }
    let source = world.source.as_ref();
    if source.is_none_or(|source| !is_good(Some(there), inputs(world, source))) {
        return Ok(());
    }
    // A clock that was set with the token in hand makes anything of it.
    if written.expires_at <= 0 && !world.ghost.clock_set {
        return violated(NOTHING_LOST, "an expired token replaces a good one");
    }
    // Tokens are numbered as they come.
    if written.token < there.token {
        return violated(NOTHING_LOST, "an older token replaces a good one");
    }
    Ok(())
}

/// On every status, as it is made.
pub(crate) fn status_made(
    model: &mut Model,
    world: &World,
    look: &Look,
    outcome: &Outcome,
    status: Status,
) -> Verdict {
    let summary = model.real.summary(status);
    let told = model.real.describe(status);
    let wrong = |what: &str| violated(TRUTH, format!("{what}: {told}"));
    let bare = !summary.stalled && !summary.reconciling;
    if !summary.coherent || summary.generation != i64::from(look.source.generation) {
        return wrong("conditions that contradict each other");
    }
    if summary.ready && !bare {
        return wrong("Stalled or Reconciling with a usable token");
    }
    if !summary.ready && !look.source.suspend && summary.stalled == summary.reconciling {
        return wrong("not exactly one of Stalled and Reconciling without a usable token");
    }
    if summary.retry_at.is_some() && summary.failures == 0 {
        return wrong("a retry without a failure");
    }
    if summary.sticky {
        return wrong("a provider that never returns a token twice is said to have done so");
    }
    let settled = match outcome {
        Outcome::Published { target, .. } => Some(*target),
        _ => look.target,
    };
    if summary.ready != is_usable(settled, look.source.scope, look.now) {
        return wrong("Ready is not what was seen");
    }
    // What others do after the look comes with the next event.
    let same = world.target.filter(|there| settled.is_some_and(|seen| seen.version == there.version));
    if summary.ready && same.is_some_and(|there| Some(there) != settled) {
        return wrong("Ready, but the target holds something else");
    }
    Ok(())
}

/// On every state: where the controller has nothing left to learn or to do, what it has said is so.
pub(crate) fn state(model: &mut Model, world: &World) -> Verdict {
    let Some(source) = world.source.filter(|source| !source.deleting) else { return Ok(()) };
    let settled = is_calm(world) && !world.ghost.clock_set;
    if !settled || world.timer.is_none() {
        return Ok(());
    }
    let summary = model.real.summary(source.status);
    if summary.ready != is_usable(world.target, source.scope, 0) {
        return violated(TRUTH, format!("at rest, but {}", model.real.describe(source.status)));
    }
    Ok(())
}

/// Nothing under way, nothing undelivered, nothing to be tried again.
fn is_calm(world: &World) -> bool {
    world.step == Step::Idle
        && !world.woken
        && !world.undelivered()
        && world.unwritten.is_none()
        && world.troubles == 0
}

/// Whether the system has come to where it should be: with a good token or, where that cannot be, saying why.
pub(crate) fn is_rest(model: &mut Model, world: &World) -> bool {
    // A timer runs by another clock than the one that was set: the truth is found at the next look.
    if !is_calm(world) || (world.ghost.clock_set && world.source.is_some()) {
        return false;
    }
    let Some(source) = world.source else {
        return world.target.is_none_or(|target| !target.ours) && world.stored.is_none();
    };
    if source.deleting {
        return false;
    }
    let summary = model.real.summary(source.status);
    if source.suspend {
        return summary.generation == i64::from(source.generation);
    }
    if world.target.is_some_and(|target| !target.ours) {
        return summary.stalled && !summary.ready;
    }
    // Of a password that was refused, and of refresh tokens that were revoked, only a person can get another.
    let only_a_person_helps = match model.real.grant {
        Grant::ClientCredentials => false,
        Grant::RefreshToken => world.family.revoked,
        Grant::Password => summary.retry_at.is_none(),
    };
    if summary.failures > 0 {
        return only_a_person_helps && !summary.renewed;
    }
    let Some(target) = world.target else { return false };
    let due = model.real.due(target.issued_at, target.expires_at);
    is_good(world.target, inputs(world, &source))
        && summary.handled == source.request
        && due > 0
        && summary.ready
        && summary.renewed
        && summary.renew_at == Some(due)
        && summary.generation == i64::from(source.generation)
}

/// At rest another look changes nothing, and the next comes neither at once nor after the renewal is due.
pub(crate) fn stays_at_rest(model: &mut Model, world: &World) -> Verdict {
    let Some(source) = world.source else { return Ok(()) };
    let looked = model.look(World { woken: true, ..*world }, crate::model::Luck::Good)?;
    if looked.step != Step::Idle || looked.source != world.source {
        return violated(REST, "at rest, another look has something to do");
    }
    let Some(timer) = looked.timer else { return violated(REST, "at rest, nothing wakes it any more") };
    if timer <= 0 {
        return violated(REST, "at rest, it looks again at once, for ever");
    }
    let renew_at = model.real.summary(source.status).renew_at;
    let failed = model.real.summary(source.status).failures > 0;
    let serves = !source.suspend && !failed && world.target.is_some_and(|target| target.ours);
    // One that was tried in vain is owed for as long as nothing else has changed.
    let owed = match world.ghost.requested {
        Requested::No | Requested::Unknown => false,
        Requested::Open => true,
        Requested::Tried(generation, credentials) => {
            (generation, credentials) == (source.generation, world.credentials)
        }
    };
    if serves && owed {
        return violated(REST, "at rest, and the renewal that was asked for was never made");
    }
    if !source.suspend && !failed && renew_at.is_some_and(|renew_at| timer > renew_at) {
        return violated(REST, "at rest, it will sleep past the renewal");
    }
    Ok(())
}

/// The system never comes to rest, and why.
pub(crate) fn restless<T>(why: &str) -> Result<T, Violation> {
    violated(REST, why)
}
