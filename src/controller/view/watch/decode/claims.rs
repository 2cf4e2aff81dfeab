//! The size of the additional claims of a provider block, as text and in memory.
//! Must not know what a claim means.

use serde_json::Value;

use crate::api::TokenProviderSpec;

/// The claims of a provider block: for every kind of assertion, and for a token that the controller signs.
fn claims_of(provider: &TokenProviderSpec) -> impl Iterator<Item = &serde_json::Map<String, Value>> {
    let of_client = provider.client_authentication.assertions().map(|assertion| assertion.claims.as_ref());
    let of_grant = provider.assertion_grant.as_ref().map(|grant| grant.claims.as_ref());
    let of_token = provider.signed_token.as_ref().map(|token| token.claims.as_ref());
    of_client.chain(of_grant).chain(of_token).flatten()
}

/// The length of the claims as JSON.
pub(super) fn length_of_claims(provider: &TokenProviderSpec) -> usize {
    let length = |claims| serde_json::to_string(claims).map_or(usize::MAX, |text| text.len());
    claims_of(provider).map(length).fold(0, usize::saturating_add)
}

/// The size of claims in memory, which can be many times the length of their text.
pub(super) fn weight_of_claims(provider: &TokenProviderSpec) -> usize {
    claims_of(provider).flat_map(serde_json::Map::values).map(weight_of).sum()
}

fn weight_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 32,
        Value::String(text) => 32 + text.len(),
        Value::Array(values) => 128 + values.iter().map(weight_of).sum::<usize>(),
        // A node of a `BTreeMap` has room for eleven members.
        Value::Object(members) => {
            640 + members.iter().map(|(name, value)| 64 + name.len() + weight_of(value)).sum::<usize>()
        }
    }
}
