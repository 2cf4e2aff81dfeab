//! Whether the tokens of other TokenSources may be used (`tokenSourceRef`): no circle, a target that keeps the token, and a
//! host that the author of the other TokenSource allows. Must not know a token.

use super::binding::{Destinations, LONGEST_HOSTS};
use super::{Failure, Observed, invalid};
use crate::api::{Reason, TokenProviderSpec};
use crate::decide::{ReferencedSecret, UpstreamState};
use crate::oauth::HostBinding;

/// Refuses references in a circle: none of their TokenSources could ever get a token.
pub(super) fn circle(observed: &Observed<'_>) -> Option<Failure> {
    (!observed.circle.is_empty()).then(|| {
        invalid(format!(
            "The tokenSourceRefs form a circle, {}, so none of these TokenSources can be the first to have a token: remove \
             one of the references.",
            observed.circle.join(" -> ")
        ))
    })
}

/// Refuses an upstream that does not exist, does not keep its token, or does not allow the host.
pub(super) fn unusable(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<Failure> {
    let hosts = Destinations::of(observed.spec, provider);
    observed.secrets.upstreams.iter().find_map(|upstream| {
        let name = &upstream.name;
        match &upstream.state {
            UpstreamState::Missing => Some(Failure::local(
                Reason::SubjectTokenNotReady,
                format!("There is no TokenSource {name} in this namespace: create it, or correct tokenSourceRef.name."),
            )),
            UpstreamState::TokenNotKept => Some(invalid(format!(
                "The target of TokenSource {name} does not keep the token itself: add the key access_token with the template \
                 {{{{ access_token }}}} to its target.data."
            ))),
            UpstreamState::NotReady => None,
            UpstreamState::Ready(target) => unbound(name, target, &hosts),
        }
    })
}

/// Refuses the request while an upstream has no valid token. Checked only if a token is needed now.
pub fn unready(observed: &Observed<'_>) -> Option<Failure> {
    let upstream =
        observed.secrets.upstreams.iter().find(|upstream| upstream.state == UpstreamState::NotReady)?;
    let name = &upstream.name;
    Some(Failure::local(
        Reason::SubjectTokenNotReady,
        format!(
            "TokenSource {name} has no valid token now; nothing was sent. Its conditions say why: \
             kubectl describe tokensource {name}. A token is requested here as soon as it has one."
        ),
    ))
}

fn unbound(name: &str, target: &ReferencedSecret, hosts: &Destinations) -> Option<Failure> {
    let ReferencedSecret::Present { allowed_hosts, .. } = target else { return None };
    let allowed = allowed_hosts.as_deref().filter(|hosts| hosts.len() <= LONGEST_HOSTS).unwrap_or_default();
    let binding = HostBinding::parse(allowed);
    let host = hosts.first_not_allowed(&binding)?;
    Some(Failure::local(
        Reason::CredentialsNotBound,
        format!(
            "TokenSource {name} does not allow {host} to receive its token; nothing was sent. If it may: add {host} to \
             spec.target.allowedHosts of TokenSource {name}."
        ),
    ))
}

#[cfg(test)]
mod tests;
