//! The properties: for every token request, every write, every status, every stable state. Knows the true state of the API
//! server and the provider. Must not know why the controller acted.

use crate::model::{Model, Violation};
use crate::real::{Grant, Outcome, Real};
use crate::world::{Look, Requested, Seconds, Secret, Source, Status, Step, TokenInputs, World};

/// A request is made only if there is no usable token, if the renewal is due or has failed, or if a user has requested a
/// renewal.
pub(crate) const NO_NEEDLESS_REQUEST: &str = "a token is requested only when a new token is needed";
/// Waits are kept.
pub(crate) const PACE: &str = "waits are kept";
/// No object of another owner is written, and no good token is replaced by an older or an expired token.
pub(crate) const NOTHING_LOST: &str = "nothing good is overwritten";
/// A used refresh token is never sent again, unless a crash, a lost answer or a deletion has removed the valid refresh
/// token.
pub(crate) const NO_REUSE: &str = "a used refresh token is not sent again";
/// The status is true, in the form that kstatus requires.
pub(crate) const TRUTH: &str = "the status is true";
/// If no fault occurs any more, the system reaches a stable state with a valid token.
pub(crate) const REST: &str = "the system reaches a stable state";

type Verdict = Result<(), Violation>;

fn violated<T>(property: &'static str, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { property, what: what.into() })
}

/// Whether the token is valid now for these inputs.
fn is_good(target: Option<Secret>, token_inputs: TokenInputs) -> bool {
    target.is_some_and(|target| {
        target.ours && !target.altered && target.token_inputs == token_inputs && target.expires_at > 0
    })
}

/// Whether the token is for this spec and valid, for any version of the credentials.
fn is_usable(target: Option<Secret>, scope: u8, now: Seconds) -> bool {
    target.is_some_and(|target| {
        target.ours && !target.altered && target.token_inputs.scope == scope && target.expires_at > now
    })
}

fn inputs(world: &World, source: &Source) -> TokenInputs {
    TokenInputs { scope: source.scope, credentials: world.credentials }
}

/// Checks every token request when it is sent. `again` marks the second request of a reconcile, after a refused refresh token.
pub(crate) fn request(
    model: &Model,
    world: &World,
    look: &Look,
    token_inputs: TokenInputs,
    again: bool,
) -> Verdict {
    let ghost = &world.ghost;
    // This second request was checked together with the first request.
    if ghost.unwatched || again {
        return Ok(());
    }
    if look.source.suspend || look.source.deleting {
        return violated(
            NO_NEEDLESS_REQUEST,
            "a request for a TokenSource that is suspended or being deleted",
        );
    }
    if look.target.is_some_and(|target| !target.ours) {
        return violated(NO_NEEDLESS_REQUEST, "a request for a token that could not be stored");
    }
    if ghost.came.is_some_and(|(came, _)| came == token_inputs) {
        return violated(
            NO_NEEDLESS_REQUEST,
            "a request for a token that was issued, and was not written yet",
        );
    }
    // The due time by the clock of the decision, or by the present clock if the clock was changed since.
    let due = world.target.is_none_or(|target| {
        model.real.due(target.issued_at, target.expires_at) <= look.now.max(0)
            || Real::is_of_another_clock(target.issued_at, look.now.min(0))
    });
    let owed = ghost.failed.is_some_and(|(_, failed, _)| failed == token_inputs);
    if is_good(world.target, token_inputs) && !due && ghost.requested == Requested::No && !owed {
        return violated(
            NO_NEEDLESS_REQUEST,
            "a good token with these inputs is stored, not due, not requested",
        );
    }
    if ghost.crashed && !target_records_request(world) {
        return Ok(());
    }
    if let Some(since) = ghost.asked_at.filter(|since| *since > -5) {
        return violated(PACE, format!("asked again after {} s", -since));
    }
    match ghost.failed {
        Some((generation, failed, until))
            if until > 0
                && ghost.requested == Requested::No
                && (generation, failed) == (look.source.generation, token_inputs) =>
        {
            let early = if until == Seconds::MAX { "for ever".to_owned() } else { format!("{until} s") };
            violated(PACE, format!("asked again with inputs that failed, to be left alone {early} longer"))
        }
        _ => Ok(()),
    }
}

/// Whether the target records the last request.
pub(crate) fn target_records_request(world: &World) -> bool {
    world.target.is_some_and(|there| there.ours && Some(there.issued_at) == world.ghost.asked_at)
}

/// Checks every answer of the provider.
pub(crate) fn family(world: &World) -> Verdict {
    if world.family.revoked && !world.ghost.refresh_lost {
        return violated(NO_REUSE, "a used refresh token was shown, and nothing had been lost");
    }
    Ok(())
}

/// Checks every write of the target, before the target changes.
pub(crate) fn target_write(world: &World, written: &Secret) -> Verdict {
    let Some(there) = world.target else { return Ok(()) };
    if !there.ours {
        return violated(NOTHING_LOST, "a foreign Secret is written");
    }
    let source = world.source.as_ref();
    if source.is_none_or(|source| !is_good(Some(there), inputs(world, source))) {
        return Ok(());
    }
    // After a change of the clock, any expiry is possible.
    if written.expires_at <= 0 && !world.ghost.clock_set {
        return violated(NOTHING_LOST, "an expired token replaces a good one");
    }
    // Tokens are numbered in the order of their issue.
    if written.token < there.token {
        return violated(NOTHING_LOST, "an older token replaces a good one");
    }
    Ok(())
}

/// Checks every status when it is made.
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
    // Changes after the observation are delivered with the next event.
    let same = world.target.filter(|there| settled.is_some_and(|seen| seen.version == there.version));
    if summary.ready && same.is_some_and(|there| Some(there) != settled) {
        return wrong("Ready, but the target holds something else");
    }
    Ok(())
}

/// Checks every state: if the controller has nothing left to learn or to do, its statements must be true.
pub(crate) fn state(model: &mut Model, world: &World) -> Verdict {
    let Some(source) = world.source.filter(|source| !source.deleting) else { return Ok(()) };
    let settled = is_calm(world) && !world.ghost.clock_set;
    if !settled || world.timer.is_none() {
        return Ok(());
    }
    let summary = model.real.summary(source.status);
    if summary.ready != is_usable(world.target, source.scope, 0) {
        return violated(TRUTH, format!("in a stable state, but {}", model.real.describe(source.status)));
    }
    Ok(())
}

/// No action in progress, no undelivered event, no pending retry.
fn is_calm(world: &World) -> bool {
    world.step == Step::Idle
        && !world.triggered
        && !world.undelivered()
        && world.unwritten.is_none()
        && world.consecutive_errors == 0
}

/// Whether the system is in the desired state: with a valid token or, if that is impossible, with the reason.
pub(crate) fn is_rest(model: &mut Model, world: &World) -> bool {
    // A timer does not use the clock that was changed: the next reconcile corrects the status.
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
    // Only a person can replace a refused password or revoked refresh tokens.
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

/// In a stable state, another reconcile changes nothing, and the next reconcile starts neither immediately nor after the due time of
/// the renewal.
pub(crate) fn stays_at_rest(model: &mut Model, world: &World) -> Verdict {
    let Some(source) = world.source else { return Ok(()) };
    let looked = model.look(World { triggered: true, ..*world }, crate::model::Luck::Good)?;
    if looked.step != Step::Idle || looked.source != world.source {
        return violated(REST, "in a stable state, another reconcile would act");
    }
    let Some(timer) = looked.timer else {
        return violated(REST, "in a stable state, no timer starts another reconcile");
    };
    if timer <= 0 {
        return violated(REST, "in a stable state, each reconcile starts the next reconcile immediately");
    }
    let renew_at = model.real.summary(source.status).renew_at;
    let failed = model.real.summary(source.status).failures > 0;
    let serves = !source.suspend && !failed && world.target.is_some_and(|target| target.ours);
    // A requested renewal that failed remains requested until the generation or the credentials change.
    let owed = match world.ghost.requested {
        Requested::No | Requested::Unknown => false,
        Requested::Open => true,
        Requested::Tried(generation, credentials) => {
            (generation, credentials) == (source.generation, world.credentials)
        }
    };
    if serves && owed {
        return violated(REST, "in a stable state, the requested renewal was never made");
    }
    if !source.suspend && !failed && renew_at.is_some_and(|renew_at| timer > renew_at) {
        return violated(REST, "in a stable state, the timer ends after the due time of the renewal");
    }
    Ok(())
}

/// The system never reaches a stable state, and why.
pub(crate) fn restless<T>(why: &str) -> Result<T, Violation> {
    violated(REST, why)
}
