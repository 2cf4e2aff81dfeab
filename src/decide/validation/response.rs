//! Contradictions in the settings of responses: codes without their member, members that must not be chosen or are never
//! used. Knows only the spec; must not know a response.

use super::binding::has_owner;
use super::{Observed, Rule};
use crate::api::{ResponseFields, TokenProviderSpec};
use crate::decide::disclosure::is_of_cluster;

/// The maximum number of members that are kept for templates.
const MOST_KEPT: usize = 16;
/// The longest name of a kept member, in bytes.
const LONGEST_NAME: usize = 63;
/// The longest pointer, in characters.
const LONGEST_POINTER: usize = 256;

/// The contradictions that this module knows.
pub(super) const RULES: [Rule; 5] =
    [chosen_members, codes_without_member, malformed_members, kept_token, unused_members];

/// Refuses freely chosen response members together with a freely chosen host: the controller would copy the answer of any
/// service into a Secret.
fn chosen_members(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let response = &provider.response;
    let chosen = response.fields != ResponseFields::default() || !response.keep.is_empty();
    (chosen && !has_owner(observed, provider) && !is_of_cluster(observed.spec)).then(|| {
        "response.fields and response.keep need a host that somebody else has named, and the spec names no credentials: name \
         them in credentialsRef, with the host in their allowed-hosts, or use a ClusterTokenProvider."
            .to_owned()
    })
}

/// Refuses error codes without the name of the member that contains them.
fn codes_without_member(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let response = &provider.response;
    let has_codes = !response.success_codes.is_empty() || !response.errors.is_empty();
    (has_codes && response.fields.error.is_none()).then(|| {
        "response.successCodes and response.errors are values of the member that response.fields.error points to: set \
         that, for example /code."
            .to_owned()
    })
}

fn malformed_members(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let is_name = |name: &str| {
        let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        let continues = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        starts && continues && name.len() <= LONGEST_NAME
    };
    let is_pointer = |pointer: &str| pointer.starts_with('/') && pointer.chars().count() <= LONGEST_POINTER;
    let keep = &provider.response.keep;
    let is_good =
        keep.len() <= MOST_KEPT && keep.iter().all(|(name, pointer)| is_name(name) && is_pointer(pointer));
    (!is_good).then(|| {
        format!(
            "response.keep: write at most {MOST_KEPT} entries, each a name of at most {LONGEST_NAME} letters, digits and '_' with \
             a JSON Pointer of at most {LONGEST_POINTER} characters, such as instance_url: /instance_url."
        )
    })
}

/// Refuses to keep a token: templates have a variable for the access token, and must never have the refresh token.
fn kept_token(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let name = provider.response.kept_token()?;
    Some(format!(
        "response.keep.{name} points to a token: a template has the access token as access_token, and never has the refresh \
         token. Remove that entry."
    ))
}

/// Refuses kept members in the provider block of a single `TokenSource` without a template. A provider object may have other
/// users.
fn unused_members(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let spec = observed.spec;
    let is_unused = spec.provider.is_some() && spec.target.data.is_empty();
    (is_unused && !provider.response.keep.is_empty()).then(|| {
        "response.keep has an effect only on templates: use fields.NAME in target.data, or remove keep."
            .to_owned()
    })
}

#[cfg(test)]
mod tests;
