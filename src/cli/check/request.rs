//! The request as it would be sent, with a mask of one width in place of everything secret.
//!
//! Built twice: as it is, to find what cannot be sent, and from values of which the secret ones have been replaced
//! before anything was encoded. What is shown is the second, so that no encoding can hide a secret from the mask. Must
//! not know who asks for it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::Value;

use super::situation::Situation;
use crate::api::{TokenProviderSpec, TokenSourceSpec};
use crate::decide::{Ask, Failure, ask};
use crate::oauth::{
    Assertion, ClientAuthentication, Endpoint, Error, Grant, Moment, Secret, TokenRequest, WireRequest, build,
};

/// Stands for a secret, however long that is. These characters look the same in a form, in JSON and in a URL.
pub(super) const MASK: &str = "********";

/// The last part of a URL that stands for a token endpoint which is yet to be found.
pub(super) const STAND_IN: &str = "found-by-discovery";

/// Sent by the controller, too: a provider may treat clients differently by it.
pub(super) const USER_AGENT: &str = concat!("tokensource/", env!("CARGO_PKG_VERSION"));

/// A request for people and programs to read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Shown {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    /// Header and claims of what is signed for the request.
    pub(super) assertions: Vec<Signed>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Signed {
    pub(super) header: Value,
    pub(super) claims: Value,
}

/// The request, unless it cannot be put together.
pub(super) fn show(
    situation: &Situation<'_>,
    provider: &TokenProviderSpec,
    moment: &Moment,
) -> Result<Shown, Failure> {
    let located = with_endpoint(provider);
    let Ask { request, .. } = ask(&situation.spec, &located, &situation.materials(&located), None)?;
    let build = |request: &TokenRequest| {
        build(request, moment, USER_AGENT).map_err(|error: Error| Failure::from(&error))
    };
    build(&request)?;
    Ok(read(&build(&masked(request, names_its_id(&situation.spec)))?))
}

/// With a stand-in where the endpoint is still to be found.
fn with_endpoint(provider: &TokenProviderSpec) -> TokenProviderSpec {
    let issuer = provider.issuer.as_deref().and_then(|issuer| Endpoint::parse(issuer).ok());
    let found = issuer.map(|issuer| {
        let path = issuer.url().path().trim_end_matches('/');
        issuer.with_path(&format!("{path}/{STAND_IN}")).url().to_string()
    });
    TokenProviderSpec { token_endpoint: provider.token_endpoint.clone().or(found), ..provider.clone() }
}

/// Whether the client id is known to be one: a key of any other name may hold a secret.
fn names_its_id(spec: &TokenSourceSpec) -> bool {
    let key = spec.credentials_ref.as_ref().map(|reference| reference.keys.client_id() == "client_id");
    spec.client_id.is_some() || key.unwrap_or(true)
}

fn masked(mut request: TokenRequest, shows_id: bool) -> TokenRequest {
    let mask = || Secret::new(MASK.to_owned());
    let id = request.client.id.clone().filter(|_| !shows_id);
    if id.is_some() {
        request.client.id = Some(MASK.to_owned());
    }
    // The key stays, or nothing could be signed: it is no part of what is sent.
    let unnamed = |assertion: &mut Assertion| {
        for party in std::iter::once(&mut assertion.issuer).chain(&mut assertion.subject) {
            if Some(&*party) == id.as_ref() {
                MASK.clone_into(party);
            }
        }
    };
    match &mut request.client.authentication {
        ClientAuthentication::Basic { secret, .. } | ClientAuthentication::Post { secret } => {
            *secret = mask();
        }
        ClientAuthentication::IssuedAssertion { token } => *token = mask(),
        ClientAuthentication::Assertion(assertion) => unnamed(assertion),
        ClientAuthentication::MutualTls | ClientAuthentication::None => {}
    }
    match &mut request.grant {
        Grant::Password { username, password } => (*username, *password) = (mask(), mask()),
        Grant::RefreshToken { token } => *token = mask(),
        Grant::TokenExchange { subject_token, .. } => *subject_token = mask(),
        Grant::JwtBearer { assertion } => unnamed(assertion),
        Grant::ClientCredentials | Grant::Extension { .. } => {}
    }
    request
}

fn read(wire: &WireRequest) -> Shown {
    // Base64url and dots: the same in every encoding.
    let without_signed = |text: &str| {
        wire.signed.iter().fold(text.to_owned(), |text, signed| text.replace(signed.expose(), MASK))
    };
    let mut headers: Vec<_> =
        wire.headers.iter().map(|(name, value)| (name.to_string(), header(name, value))).collect();
    headers.sort();
    Shown {
        method: "POST",
        url: without_signed(wire.endpoint.url().as_str()),
        headers,
        body: without_signed(&String::from_utf8_lossy(&wire.body)),
        assertions: wire.signed.iter().filter_map(signed).collect(),
    }
}

/// The value of a header; an API key may be one that the user set.
fn header(name: &HeaderName, value: &HeaderValue) -> String {
    let text = value.to_str().unwrap_or(MASK);
    match text.strip_prefix("Basic ").and_then(|pair| STANDARD.decode(pair).ok()) {
        Some(pair) if name == AUTHORIZATION => format!("Basic base64({})", String::from_utf8_lossy(&pair)),
        _ if value.is_sensitive() => MASK.to_owned(),
        _ => text.to_owned(),
    }
}

fn signed(assertion: &Secret) -> Option<Signed> {
    let mut parts = assertion.expose().split('.').map(|part| {
        let json = URL_SAFE_NO_PAD.decode(part).ok()?;
        serde_json::from_slice(&json).ok()
    });
    Some(Signed { header: parts.next()??, claims: parts.next()?? })
}
