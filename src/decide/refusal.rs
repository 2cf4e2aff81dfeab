//! The consequences that a refused client or user has for the tokens that were issued before.
//!
//! Some providers invalidate these tokens together with the credentials, before their stated expiry (Ocrolus documents
//! this). The controller cannot know this: the failure warns about the token or, if the spec requires it, the token is
//! withdrawn. Must not know how a Secret is written.

use super::{Failure, Observed, Plan};
use crate::api::{OnRevoked, Reason, ReasonKind};
use crate::oauth::TOKEN_EXCHANGE;

/// Whether the provider refuses the client or user, rather than the request. An expired token that is to be exchanged is no
/// revocation, although it is refused with the same code.
fn is_of_credentials(observed: &Observed<'_>, reason: Reason) -> bool {
    let grant = observed.provider.as_ref().ok().and_then(|provider| provider.grant_type.as_deref());
    let is_of_exchanged = reason == Reason::InvalidGrant && grant == Some(TOKEN_EXCHANGE);
    reason.kind() == ReasonKind::Credentials && !is_of_exchanged
}

/// Adds a warning about the published token to the failure.
pub fn add_token_warning(observed: &Observed<'_>, mut failure: Failure) -> Failure {
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

/// Withdraws the token, if the spec requires it and the provider has refused the current credentials.
pub(super) fn withdrawal(observed: &Observed<'_>) -> Option<Plan> {
    let refused = || {
        let reason = observed.status.failed_reason.as_deref().and_then(Reason::named);
        observed.failed_before() && reason.is_some_and(|reason| is_of_credentials(observed, reason))
    };
    // After a rename, only the Secret of the former name may contain the refused token.
    let has_token =
        observed.published().is_some() || observed.former_targets.iter().any(|former| former.holds_token);
    let wanted = observed.spec.renewal.on_revoked == OnRevoked::Withdraw && has_token;
    (wanted && refused()).then_some(Plan::Withdraw)
}

#[cfg(test)]
mod tests;
