//! The headers of a token request, the Authorization header among them.
//! Knows which headers users may add. Must not know the body beyond its media type.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT as USER_AGENT_HEADER,
};
use zeroize::Zeroizing;

use super::body::form_encode;
use super::{
    BasicEncoding, BodyFormat, ClientAuthentication, Error, RequestHeader, RequestMethod, SignedAssertions,
    TokenRequest,
};
use crate::oauth::USER_AGENT;

/// Headers that HTTP, this program or other fields of the spec set, and `Cookie`. `Accept-Encoding` could bring responses
/// that this program cannot decode.
const DENIED: [&str; 12] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Prefixes of further such headers.
const DENIED_PREFIXES: [&str; 2] = ["content-", "proxy-"];

/// All headers except those that HTTP adds.
pub(super) fn build(request: &TokenRequest, signed: &SignedAssertions) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if request.method == RequestMethod::Post {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(request.body_format)));
    }
    let bearer_token = match &request.client.authentication {
        ClientAuthentication::Basic { secret, encoding } => {
            let id = request.client.required_id()?;
            headers.insert(AUTHORIZATION, basic(id, secret.expose(), *encoding)?);
            None
        }
        ClientAuthentication::Bearer { token } => Some(token),
        _ => signed.bearer.as_ref(),
    };
    if let Some(token) = bearer_token {
        headers.insert(AUTHORIZATION, bearer(token.expose())?);
    }
    for header in &request.headers {
        let (name, value) = additional(header)?;
        headers.append(name, value);
    }
    headers.entry(USER_AGENT_HEADER).or_insert(HeaderValue::from_static(USER_AGENT));
    Ok(headers)
}

/// The credentials of the Bearer scheme (RFC 6750 §2.1).
fn bearer(token: &str) -> Result<HeaderValue, Error> {
    let value = Zeroizing::new(format!("Bearer {token}"));
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    sensitive(&value).filter(|_| is_token).ok_or_else(|| {
        Error::credential(
            "the bearer token contains a space, a line end or other characters that no token has",
        )
    })
}

fn media_type(format: BodyFormat) -> &'static str {
    match format {
        // An empty body has the header too, because some servers answer 415 without it.
        BodyFormat::Form | BodyFormat::Query => "application/x-www-form-urlencoded",
        BodyFormat::Json => "application/json",
    }
}

/// The credentials of the Basic scheme (RFC 7617 §2, RFC 6749 §2.3.1).
fn basic(id: &str, secret: &str, encoding: BasicEncoding) -> Result<HeaderValue, Error> {
    for (name, text) in [("client_id", id), ("client_secret", secret)] {
        if text.chars().any(char::is_control) {
            return Err(Error::credential(format!(
                "{name} contains a line end or another control character"
            )));
        }
    }
    // Form encoding turns a byte into at most three.
    let mut pair = Zeroizing::new(Vec::with_capacity(3 * (id.len() + secret.len()) + 1));
    match encoding {
        BasicEncoding::Form => {
            form_encode(id, &mut pair);
            pair.push(b':');
            form_encode(secret, &mut pair);
        }
        BasicEncoding::Raw if id.contains(':') => {
            return Err(Error::credential("client_id contains a colon, which Basic cannot carry unencoded"));
        }
        BasicEncoding::Raw => {
            pair.extend_from_slice(id.as_bytes());
            pair.push(b':');
            pair.extend_from_slice(secret.as_bytes());
        }
    }
    let encoded = Zeroizing::new(STANDARD.encode(&pair));
    let value = Zeroizing::new(format!("Basic {}", encoded.as_str()));
    sensitive(&value).ok_or_else(|| Error::credential("client_id and client_secret make no header value"))
}

/// A header that the user added.
fn additional(header: &RequestHeader) -> Result<(HeaderName, HeaderValue), Error> {
    let name = &header.name;
    let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(Error::spec(format!("{name:?} is no header name")));
    };
    let lower = parsed.as_str();
    if DENIED.contains(&lower) || DENIED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        return Err(Error::spec(format!("the header {lower:?} cannot be set here")));
    }
    match sensitive(header.value.expose()) {
        Some(value) => Ok((parsed, value)),
        None if header.is_confidential => Err(Error::credential(format!(
            "the value of the header {lower:?} contains a line end or a character beyond printable ASCII"
        ))),
        None => Err(Error::spec(format!("the header {lower:?} has a value beyond printable ASCII"))),
    }
}

/// A header value that Debug does not show; None if the text cannot be one.
fn sensitive(text: &str) -> Option<HeaderValue> {
    // The library accepts bytes beyond ASCII, which servers decode in different ways.
    let mut value = HeaderValue::from_str(text).ok().filter(|_| text.is_ascii())?;
    value.set_sensitive(true);
    Some(value)
}
