//! How much the people who read a `TokenSource` may learn from the host that its provider block names.
//!
//! Knows who has named the host: an administrator in a `ClusterTokenProvider`, the owner of a credential in
//! `allowed-hosts`, or nobody but the author of the spec, who must not be able to probe an internal network through the
//! controller. Must not know what a host answered.

use super::{Credentials, Observed};
use crate::api::{ProviderKind, TokenProviderSpec, TokenSourceSpec};
use crate::oauth::{Disclosure, Endpoint, HostBinding};

/// What may be shown of an exchange with this host. Tokens of ServiceAccounts count only where their owners have been
/// asked, which is so before anything is sent to a token endpoint, and not before metadata are read.
pub fn disclosure(
    observed: &Observed<'_>,
    provider: &TokenProviderSpec,
    host: &Endpoint,
    accounts_asked: bool,
) -> Disclosure {
    if is_of_cluster(observed.spec) {
        return Disclosure::Full;
    }
    let allows = |secret: &Credentials| match secret {
        Credentials::Present { allowed_hosts: Some(hosts), .. } => HostBinding::parse(hosts).allows(host),
        _ => false,
    };
    let by_account = accounts_asked && provider.service_accounts().next().is_some();
    let by_upstream = observed.upstream_has_owner && observed.secrets.upstream_targets().any(allows);
    if by_account || by_upstream || observed.secrets.named().any(allows) {
        Disclosure::ListedCodes
    } else {
        Disclosure::Withheld
    }
}

/// Whether the provider block is one that the cluster's administrators have written.
pub(super) fn is_of_cluster(spec: &TokenSourceSpec) -> bool {
    spec.provider_ref.as_ref().is_some_and(|to| to.kind == ProviderKind::ClusterTokenProvider)
}

#[cfg(test)]
mod tests;
