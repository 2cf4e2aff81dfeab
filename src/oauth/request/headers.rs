//! The headers of a token request, the Authorization header among them.
//! Knows which headers a user may add. Must not know the body beyond its media type.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use zeroize::Zeroizing;

use super::body::form_encode;
use super::{BasicEncoding, BodyFormat, ClientAuthentication, Error, TokenRequest};

/// Headers that belong to HTTP, to us, or to other fields of the spec (`oauth.md` §e.10). Accept-Encoding would
/// bring answers that nobody here decodes.
const DENIED: [&str; 13] = [
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
    "user-agent",
];

/// The same for families of names.
const DENIED_PREFIXES: [&str; 2] = ["content-", "proxy-"];

/// All headers but those that HTTP itself adds.
pub(super) fn build(request: &TokenRequest, user_agent: &str) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(request.body_format)));
    let user_agent = HeaderValue::from_str(user_agent);
    headers.insert(USER_AGENT, user_agent.map_err(|_| Error::spec("the User-Agent is no header value"))?);
    if let ClientAuthentication::Basic { secret, encoding } = &request.client.authentication {
        let id = request.client.required_id()?;
        headers.insert(AUTHORIZATION, basic(id, secret.expose(), *encoding)?);
    }
    for (name, value) in &request.headers {
        let (name, value) = additional(name, value)?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn media_type(format: BodyFormat) -> &'static str {
    match format {
        // Also for an empty body: servers that insist on the type would answer 415 without it.
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
    // Three bytes for each is the most that form encoding makes of one.
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

/// One header of the user's.
fn additional(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Error> {
    let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(Error::spec(format!("{name:?} is no header name")));
    };
    let lower = parsed.as_str();
    if DENIED.contains(&lower) || DENIED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        return Err(Error::spec(format!("the header {lower:?} cannot be set here")));
    }
    match sensitive(value) {
        Some(value) => Ok((parsed, value)),
        None => Err(Error::spec(format!("the header {lower:?} has a value beyond printable ASCII"))),
    }
}

/// A header value that no Debug output shows, or None where the text cannot be one.
fn sensitive(text: &str) -> Option<HeaderValue> {
    // The library lets anything beyond ASCII pass, which servers read in encodings of their own.
    let mut value = HeaderValue::from_str(text).ok().filter(|_| text.is_ascii())?;
    value.set_sensitive(true);
    Some(value)
}
