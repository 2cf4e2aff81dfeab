//! How much readers of a `TokenSource` may learn about the host that its provider block names.
//!
//! Knows who has chosen the host: an administrator by a `ClusterTokenProvider`, the owner of a credential by
//! `allowed-hosts`, or only the author of the spec. Such an author must not be able to probe an internal network through the
//! controller. Must not know a host's answer.

use super::{Observed, ReferencedSecret};
use crate::api::{ProviderKind, TokenProviderSpec, TokenSourceSpec};
use crate::oauth::{Disclosure, Endpoint, HostBinding};

/// How much may be shown of the answer of this host. `accounts_consented` means that the owners of the ServiceAccounts have
/// allowed the host. The annotations of the ServiceAccounts are checked before a token request, but not before the issuer's
/// metadata is read.
pub fn disclosure(
    observed: &Observed<'_>,
    provider: &TokenProviderSpec,
    host: &Endpoint,
    accounts_consented: bool,
) -> Disclosure {
    if is_of_cluster(observed.spec) {
        return Disclosure::Full;
    }
    let allows = |secret: &ReferencedSecret| match secret {
        ReferencedSecret::Present { allowed_hosts: Some(hosts), .. } => {
            HostBinding::parse(hosts).allows(host)
        }
        _ => false,
    };
    let by_account = accounts_consented && provider.service_accounts().next().is_some();
    let by_upstream = observed.upstream_has_owner && observed.secrets.upstream_targets().any(allows);
    if by_account || by_upstream || observed.secrets.named().any(allows) {
        Disclosure::ListedCodes
    } else {
        Disclosure::Withheld
    }
}

/// Whether an administrator of the cluster has written the provider block.
pub(super) fn is_of_cluster(spec: &TokenSourceSpec) -> bool {
    spec.provider_ref.as_ref().is_some_and(|to| to.kind == ProviderKind::ClusterTokenProvider)
}

#[cfg(test)]
mod tests;
