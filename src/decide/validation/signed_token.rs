//! Contradictions of a spec whose token the controller signs itself, and whether the owner of the key allows it. Knows the
//! spec and the annotation; must not know a key.
//!
//! Allowing a host does not allow signing: a request with a key gets what the provider grants, but a JWT with the provider's
//! audience makes its holder the client everywhere. So the owner must name each audience.

use super::{Failure, Observed, invalid};
use crate::api::{Duration, Reason, RequestedToken, Tls, TokenProviderSpec, annotation};
use crate::decide::ReferencedSecret;

/// The first contradiction, with what to write instead.
pub(super) fn contradiction(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<Failure> {
    let signed = provider.signed_token.as_ref()?;
    let tls = Tls { client_certificate_ref: None, ..provider.tls.clone() };
    let alone = TokenProviderSpec {
        signed_token: Some(signed.clone()),
        tls,
        timeout: provider.timeout,
        ..TokenProviderSpec::default()
    };
    if *provider != alone {
        return Some(invalid(
            "provider.signedToken sends no request, so fields of a request or of its answer have no effect: remove them, and \
             keep signedToken, and tls and timeout for a probe.",
        ));
    }
    if observed.spec.token != RequestedToken::default() {
        return Some(invalid(
            "token.scopes, token.audience and token.resources belong to a token request, and provider.signedToken sends none: \
             write signedToken.audience, and scopes among signedToken.claims.",
        ));
    }
    if observed.spec.credentials_ref.is_none() {
        return Some(invalid(
            "provider.signedToken needs a key to sign with: name its Secret in credentialsRef.",
        ));
    }
    let lifetime = Duration::get(signed.lifetime()).as_secs();
    if !(60..=24 * 3600).contains(&lifetime) {
        return Some(invalid("provider.signedToken.lifetime: write 1m to 24h."));
    }
    // The entry `jwt:8443`, for the audience 8443, could also be read as a host with a port.
    let is_ambiguous =
        |audience: &str| audience.contains(',') || audience.bytes().all(|byte| byte.is_ascii_digit());
    signed.audience.as_deref().is_some_and(is_ambiguous).then(|| {
        invalid(
            "provider.signedToken.audience has a comma or consists of digits alone, so that its entry in allowed-hosts would be \
             read as something else: write another audience.",
        )
    })
}

/// The refusal if the Secret with the key does not allow this token to be signed.
pub(super) fn consent(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<Failure> {
    let wanted = provider.signed_token.as_ref()?.consent();
    let ReferencedSecret::Present { name, allowed_hosts, .. } = &observed.secrets.credentials else {
        return None;
    };
    let entries = allowed_hosts.as_deref().filter(|entries| entries.len() <= super::LONGEST_HOSTS);
    let allowed = entries.unwrap_or_default().split(',').any(|entry| entry.trim() == wanted);
    (!allowed).then(|| {
        Failure::local(
            Reason::CredentialsNotBound,
            format!(
                "Secret {name} does not allow this token to be signed with its key; nothing was signed. To allow it, add the entry \
                 {wanted} to its annotation {}, whose entries are separated by commas.",
                annotation::ALLOWED_HOSTS
            ),
        )
    })
}

#[cfg(test)]
mod tests;
