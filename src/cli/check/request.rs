//! The request of a `TokenSource`, with a mask of constant width in place of each secret.
//!
//! The request is built twice: unchanged, to find errors, and from inputs whose secrets were replaced before anything was
//! encoded. Only the second request is shown, so that no encoding can carry a secret past the mask.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::offline::STAND_IN;
use super::report::{AssertionReport, RequestReport};
use crate::api::{RequestMethod, TokenProviderSpec, TokenSourceSpec};
use crate::decide::{Ask, Failure, RequestInputs, TokenToSign, ask, token_to_sign};
use crate::oauth::{
    Assertion, ClientAuthentication, Endpoint, Grant, HttpRequest, Secret, SigningContext, TokenRequest,
    build,
};

/// Replaces a secret of any length. These characters are the same in a form, in JSON and in a URL.
pub(super) const MASK: &str = "********";

/// Replaces the endpoint of a token that the controller signs itself.
pub(super) const SIGNED: &str = "here, nothing is sent";

/// The masked request; fails if the request cannot be built.
pub(super) fn show(
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
    inputs: &RequestInputs,
    signing: &SigningContext,
) -> Result<RequestReport, Failure> {
    if let Some(TokenToSign { mut assertion, names_client, .. }) = token_to_sign(spec, provider, inputs)? {
        if names_client && !shows_id(spec) {
            MASK.clone_into(&mut assertion.issuer);
        }
        let token = assertion.token(signing).map_err(|error| Failure::from(&error))?;
        return Ok(RequestReport {
            method: "SIGN",
            url: SIGNED.to_owned(),
            headers: Vec::new(),
            body: String::new(),
            assertions: self::assertion(&token.access_token).into_iter().collect(),
        });
    }
    let located = with_endpoint(provider);
    let Ask { request, .. } = ask(spec, &located, inputs, None)?;
    let build = |request: &TokenRequest| build(request, signing).map_err(|error| Failure::from(&error));
    build(&request)?;
    Ok(report(&build(&masked(request, shows_id(spec)))?))
}

/// The provider with a stand-in for an endpoint that is only known after discovery.
fn with_endpoint(provider: &TokenProviderSpec) -> TokenProviderSpec {
    let issuer = provider.issuer.as_deref().and_then(|issuer| Endpoint::parse(issuer).ok());
    let found = issuer.map(|issuer| {
        let path = issuer.url().path().trim_end_matches('/');
        issuer.with_path(&format!("{path}/{STAND_IN}")).url().to_string()
    });
    TokenProviderSpec { token_endpoint: provider.token_endpoint.clone().or(found), ..provider.clone() }
}

/// Whether the client id is shown. A key with another name than `client_id` may hold a secret.
fn shows_id(spec: &TokenSourceSpec) -> bool {
    let key = spec.credentials_ref.as_ref().map(|reference| reference.keys.client_id() == "client_id");
    spec.client_id.is_some() || key.unwrap_or(true)
}

fn masked(mut request: TokenRequest, shows_id: bool) -> TokenRequest {
    let mask = || Secret::new(MASK.to_owned());
    let id = request.client.id.clone().filter(|_| !shows_id);
    if id.is_some() {
        request.client.id = Some(MASK.to_owned());
    }
    // The key of the assertion is kept, because it is needed to sign and is not sent.
    let mask_id = |assertion: &mut Assertion| {
        for name in std::iter::once(&mut assertion.issuer).chain(&mut assertion.subject) {
            if Some(&*name) == id.as_ref() {
                MASK.clone_into(name);
            }
        }
    };
    match &mut request.client.authentication {
        ClientAuthentication::Basic { secret, .. } | ClientAuthentication::Post { secret } => {
            *secret = mask();
        }
        ClientAuthentication::IssuedAssertion { token } | ClientAuthentication::Bearer { token } => {
            *token = mask();
        }
        ClientAuthentication::Assertion(assertion) | ClientAuthentication::BearerAssertion(assertion) => {
            mask_id(assertion);
        }
        ClientAuthentication::MutualTls | ClientAuthentication::None => {}
    }
    match &mut request.grant {
        Grant::Password { username, password } => (*username, *password) = (mask(), mask()),
        Grant::RefreshToken { token } => *token = mask(),
        Grant::TokenExchange { subject, actor, .. } => {
            subject.token = mask();
            if let Some(actor) = actor {
                actor.token = mask();
            }
        }
        Grant::JwtBearer { assertion } => mask_id(assertion),
        Grant::IssuedAssertion { assertion, .. } => *assertion = mask(),
        Grant::ClientCredentials | Grant::Extension { .. } | Grant::None => {}
    }
    for parameter in request.parameters.iter_mut().filter(|parameter| parameter.is_confidential) {
        parameter.value = mask();
    }
    request
}

fn report(request: &HttpRequest) -> RequestReport {
    // An assertion consists of base64url and dots, so it is the same in every encoding.
    let without_signed = |text: &str| {
        request.signed.iter().fold(text.to_owned(), |text, signed| text.replace(signed.expose(), MASK))
    };
    let mut headers: Vec<_> =
        request.headers.iter().map(|(name, value)| (name.to_string(), header(name, value))).collect();
    headers.sort();
    RequestReport {
        method: match request.method {
            RequestMethod::Post => "POST",
            RequestMethod::Get => "GET",
        },
        url: without_signed(request.endpoint.url().as_str()),
        headers,
        body: without_signed(&String::from_utf8_lossy(&request.body)),
        assertions: request.signed.iter().filter_map(assertion).collect(),
    }
}

/// The value of a header. Headers that the user added are masked, because they may be API keys.
fn header(name: &HeaderName, value: &HeaderValue) -> String {
    let text = value.to_str().unwrap_or(MASK);
    match text.strip_prefix("Basic ").and_then(|pair| STANDARD.decode(pair).ok()) {
        Some(pair) if name == AUTHORIZATION => format!("Basic base64({})", String::from_utf8_lossy(&pair)),
        _ if value.is_sensitive() => MASK.to_owned(),
        _ => text.to_owned(),
    }
}

fn assertion(assertion: &Secret) -> Option<AssertionReport> {
    let mut parts = assertion.expose().split('.').map(|part| {
        let json = URL_SAFE_NO_PAD.decode(part).ok()?;
        serde_json::from_slice(&json).ok()
    });
    Some(AssertionReport { header: parts.next()??, claims: parts.next()?? })
}
