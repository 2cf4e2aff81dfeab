//! Revoking a token (RFC 7009): the request, and whether the response confirms it.
//! Knows the two parameters and the meaning of a status. Must not know which token is revoked, or when.

use super::endpoint::Endpoint;
use super::error::Error;
use super::request::{Client, Grant, RequestHeader, RequestParameter, TokenRequest};
use super::response::{HttpResponse, ResponseContext, failure};
use super::secret::Secret;
use crate::api::{BodyFormat, ParameterPlace, ParameterType, RequestMethod};
use crate::panics::contain;

/// The kind of the token, a hint for the server's search (RFC 7009 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenTypeHint {
    /// `access_token`.
    AccessToken,
    /// `refresh_token`.
    RefreshToken,
}

impl TokenTypeHint {
    /// The value in the registry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::RefreshToken => "refresh_token",
        }
    }
}

/// The request that revokes a token. The request is a form (RFC 7009 §2.1), and the client authenticates as at the token
/// endpoint, so the request is built as a token request without a grant.
pub fn revocation(
    endpoint: Endpoint,
    client: Client,
    headers: Vec<RequestHeader>,
    token: &Secret,
    hint: TokenTypeHint,
) -> TokenRequest {
    let parameter = |name: &str, value: Secret, is_confidential| RequestParameter {
        name: name.to_owned(),
        value,
        is_confidential,
        type_: ParameterType::String,
        place: ParameterPlace::Body,
    };
    TokenRequest {
        endpoint,
        grant: Grant::None,
        client,
        scopes: Vec::new(),
        audience: None,
        resources: Vec::new(),
        parameters: vec![
            parameter("token", token.clone(), true),
            parameter("token_type_hint", Secret::new(hint.as_str().to_owned()), false),
        ],
        headers,
        method: RequestMethod::Post,
        body_format: BodyFormat::Form,
    }
}

/// Whether the response confirms the revocation. Any 2xx does, with any body that is not too large and even if the body does
/// not arrive (RFC 7009 §2.2), also if the server does not know the token. `unsupported_token_type` (§2.2.1) is a refusal.
pub fn read_revocation(
    answer: Result<HttpResponse, Error>,
    context: &ResponseContext<'_>,
) -> Result<(), Error> {
    let response = match answer {
        Err(Error::Malformed { response, .. }) if (200..=299).contains(&response.status) => return Ok(()),
        answer => answer?,
    };
    // Libraries parse JSON and dates, and may panic.
    let failure = contain(|| failure(&response, context))
        .unwrap_or_else(|_| Some(Error::unreadable(context.host, response.status)));
    failure.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
