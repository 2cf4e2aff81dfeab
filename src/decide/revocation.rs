//! The rules that decide when tokens are revoked: at the deletion of an object, which the controller's finalizer delays, and
//! after another token has replaced them.
//!
//! Knows which tokens an object has left. Must not know how a token is revoked.

use chrono::TimeDelta;

use super::readiness::{is_of_this_spec, matches_spec};
use super::{DeletionStep, Failure, Observed, Plan, Target, restart, validation};
use crate::api::{ConditionType, from_kubernetes, timestamp};

/// The plan for an object that is being deleted. Without the controller's finalizer, nothing is done. With the finalizer,
/// the finalizer is removed as soon as the tokens have been revoked, or if they cannot be revoked.
pub(super) fn deleting(observed: &Observed<'_>) -> Option<Plan> {
    let deletion = &observed.deletion;
    observed.deleting.then(|| {
        if !deletion.finalizer {
            Plan::AwaitDeletion
        } else if deletion.of_namespace {
            // The credentials are deleted, too, and the namespace must not wait for a provider.
            Plan::Deletion(DeletionStep::RemoveFinalizer(None))
        } else {
            Plan::Deletion(revoking(observed))
        }
    })
}

/// Adds or removes the finalizer as the provider block requires.
pub(super) fn finalizer(observed: &Observed<'_>) -> Option<Plan> {
    let wanted = observed.provider.as_ref().ok()?.revokes_on_delete();
    (wanted != observed.deletion.finalizer).then_some(Plan::SetFinalizer(wanted))
}

/// Revokes the replaced token when it is due, or forgets the token if it must not be revoked.
pub(super) fn replaced(observed: &Observed<'_>) -> Option<Plan> {
    let replaced_token = observed.replaced_token.as_ref()?;
    let plan = if revokes_replaced(observed) { Plan::RevokeReplaced } else { Plan::ForgetReplaced(None) };
    (observed.now >= replaced_token.due).then_some(plan)
}

/// Forgets a replaced token whose revocation has been due for too long, and reports what was in the way.
pub(super) fn overdue(observed: &Observed<'_>) -> Option<Plan> {
    let replaced_token = observed.replaced_token.as_ref().filter(|token| observed.now >= token.until)?;
    // Without provider or credentials it is unknown whether the token must be revoked.
    let is_unknown = observed.provider.is_err() || observed.fingerprints.is_none();
    let failure = (is_unknown || revokes_replaced(observed)).then(|| {
        let obstacle = if observed.spec.suspend {
            "the TokenSource is suspended"
        } else if restart::is_needed(observed, observed.status) {
            "the workloads of target.rolloutRestart could not be restarted and may still use it"
        } else if ConditionType::Renewed.find_false(&observed.status.conditions).is_some() {
            "no attempt was possible: read the condition Renewed"
        } else {
            "the provider failed or was busy"
        };
        Failure::not_revoked(format!(
            "The replaced token was due for revocation at {}, but {obstacle}.",
            timestamp(replaced_token.due)
        ))
    });
    Some(Plan::ForgetReplaced(failure))
}

/// Whether the replaced token must and may be revoked.
fn revokes_replaced(observed: &Observed<'_>) -> bool {
    let is_wanted = observed.provider.as_ref().is_ok_and(|provider| provider.grace_of_replaced().is_some());
    is_wanted && revocable(observed).replaced
}

/// Which tokens were requested with the current spec and provider. A token of an earlier spec may come from another
/// provider, and the owners of what it was requested with have not allowed the current revocation endpoint.
pub struct Revocable {
    /// Whether this is true of the token in the target.
    pub published: bool,
    /// Whether this is true of the token that was in the target before.
    pub replaced: bool,
    /// Whether this is true of the token that could not be written.
    pub unwritten: bool,
}

/// Which tokens may be revoked.
pub fn revocable(observed: &Observed<'_>) -> Revocable {
    let inputs_fingerprint = observed.fingerprints.as_ref().map(|fingerprints| fingerprints.token.as_str());
    let replaced = observed.replaced_token.as_ref();
    Revocable {
        published: is_of_this_spec(observed),
        replaced: replaced
            .is_some_and(|token| matches_spec(observed, &token.inputs_fingerprint, &token.versions)),
        unwritten: observed
            .unwritten_token
            .as_ref()
            .is_some_and(|token| inputs_fingerprint == Some(token.inputs_fingerprint.as_str())),
    }
}

/// How long after its replacement the token in the target is revoked. None if the token is not revoked: the spec does not
/// require it, the target was altered, or the token may be another provider's.
pub fn grace_of_current(observed: &Observed<'_>) -> Option<TimeDelta> {
    let grace = observed.provider.as_ref().ok()?.grace_of_replaced()?;
    observed.published().filter(|published| published.intact)?;
    let grace = TimeDelta::from_std(grace).ok()?;
    is_of_this_spec(observed).then_some(grace)
}

fn revoking(observed: &Observed<'_>) -> DeletionStep {
    let unwanted = observed.provider.as_ref().is_ok_and(|provider| !provider.revokes_on_delete());
    if unwanted || !has_tokens(observed) {
        return DeletionStep::RemoveFinalizer(lost_token(observed).filter(|_| !unwanted));
    }
    let provider = match observed.provider.clone() {
        Ok(provider) => provider,
        Err(failure) => return DeletionStep::RemoveFinalizer(Some(failure)),
    };
    // The owner of everything that the token was requested with has to allow the host.
    let refused = validation::contradiction(observed, provider)
        .or_else(|| validation::credentials(observed, provider))
        .or_else(|| validation::unready(observed))
        .or_else(|| foreign_token(observed).filter(|_| !has_other_tokens(observed)));
    match refused {
        Some(failure) => DeletionStep::RemoveFinalizer(Some(failure)),
        None => observed.deletion.next(observed.now),
    }
}

/// Whether there is a token that the provider may still accept, in the target or elsewhere.
fn has_tokens(observed: &Observed<'_>) -> bool {
    observed.published().is_some_and(|published| observed.now < published.expires_at)
        || has_other_tokens(observed)
}

/// Whether there is a token outside the target that the provider may still accept.
fn has_other_tokens(observed: &Observed<'_>) -> bool {
    let is_valid = |expires_at| observed.now < expires_at;
    let Revocable { unwritten, replaced, .. } = revocable(observed);
    unwritten && observed.unwritten_token.as_ref().is_some_and(|token| is_valid(token.expires_at))
        || replaced && observed.replaced_token.as_ref().is_some_and(|replaced| is_valid(replaced.expires_at))
        || observed.deletion.refresh_token
}

/// A valid token that cannot be read any more, for example after a foreground deletion, which deletes the Secret first.
fn lost_token(observed: &Observed<'_>) -> Option<Failure> {
    let expires_at = observed.status.expires_at.as_ref().map(from_kubernetes)?;
    let is_gone = matches!(observed.target, Target::Missing | Target::Foreign(_));
    (is_gone && observed.now < expires_at).then(|| {
        Failure::not_revoked(format!(
            "Secret {} was deleted before its token could be read.",
            observed.target_name()
        ))
    })
}

/// Why the token in the target is not revoked: one that was requested with another spec may be another provider's.
pub fn foreign_token(observed: &Observed<'_>) -> Option<Failure> {
    let published = observed.published()?;
    (observed.now < published.expires_at && !is_of_this_spec(observed)).then(|| {
        Failure::not_revoked(format!(
            "The token in Secret {} was requested with an earlier spec or provider, so it is not sent to this one.",
            observed.target_name()
        ))
    })
}

#[cfg(test)]
mod tests;
