//! What a refusal of the client or the user says of the tokens that were issued to them before.
//!
//! Some providers let those die with the credentials, before their stated expiry (Ocrolus says so). Nobody can tell from
//! here: the token is flagged or, where the spec wants it, withdrawn. Must not know how a Secret is written.

use super::{Failure, Observed, Plan};
use crate::api::{OnRevoked, Reason};
use crate::oauth::TOKEN_EXCHANGE;

/// Whether the provider refuses those who ask, rather than what they ask for. A token to exchange that has expired is
/// no revocation, though it is refused by the same word.
fn is_of_credentials(observed: &Observed<'_>, reason: Reason) -> bool {
    let grant = observed.provider.as_ref().ok().and_then(|provider| provider.grant_type.as_deref());
    match reason {
        Reason::InvalidClient | Reason::UnauthorizedClient => true,
        Reason::InvalidGrant => grant != Some(TOKEN_EXCHANGE),
        _ => false,
    }
}

/// The failure with a warning of the token that is still published.
pub fn flag(observed: &Observed<'_>, mut failure: Failure) -> Failure {
    let good = observed.published().is_some_and(|published| observed.now < published.expires_at);
    if good
        && is_of_credentials(observed, failure.reason)
        && observed.spec.renewal.on_revoked == OnRevoked::Keep
    {
        failure.message = format!(
            "{} The token in Secret {} stays there until it expires, but if the credentials were revoked it may be \
             refused before that; renewal.onRevoked: Withdraw removes it instead.",
            failure.message,
            observed.target_name()
        );
    }
    failure
}

/// Takes the token away, where the spec wants that and these very credentials have been refused for good.
pub(super) fn withdrawal(observed: &Observed<'_>) -> Option<Plan> {
    let refused = || {
        let reason = observed.status.failed_reason.as_deref().and_then(Reason::named);
        observed.failed_before() && reason.is_some_and(|reason| is_of_credentials(observed, reason))
    };
    // After a rename the refused token may stand in the Secret of the former name alone.
    let held =
        observed.published().is_some() || observed.former_targets.iter().any(|former| former.holds_token);
    let wanted = observed.spec.renewal.on_revoked == OnRevoked::Withdraw && held;
    (wanted && refused()).then_some(Plan::Withdraw)
}

#[cfg(test)]
mod tests;
