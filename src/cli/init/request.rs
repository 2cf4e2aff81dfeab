//! The token request that a curl line describes: its parameters by name, without the values of secrets. Knows forms, JSON
//! and headers. Must not know how a manifest describes a request. A [`Request`] holds no value that counts as secret.

mod json;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::address::{self, Address};
use super::error::LineError;
use super::line::{Call, Data};
use super::secrecy::{is_secret, is_unfilled};
use crate::api::{BodyFormat, ParameterPlace, ParameterType, RequestMethod};

/// A token request.
pub(super) struct Request {
    pub(super) endpoint: String,
    pub(super) host: String,
    pub(super) method: RequestMethod,
    pub(super) format: BodyFormat,
    pub(super) members: Vec<Member>,
    pub(super) headers: Vec<Member>,
    /// The client id of HTTP Basic, if the line has an Authorization header of that scheme, `-u`, or a user in the URL.
    pub(super) basic: Option<Value>,
    /// Whether there is an Authorization header of the scheme Bearer.
    pub(super) bearer: bool,
    pub(super) certificate: bool,
    /// Tasks of the user, and facts to know.
    pub(super) to_do: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// A parameter or a header.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) value: Value,
    pub(super) place: ParameterPlace,
}

/// A value.
pub(super) enum Value {
    /// A secret value, which was dropped.
    Secret,
    Text {
        text: String,
        type_: ParameterType,
        /// Whether the line has a placeholder here.
        unfilled: bool,
    },
}

impl Value {
    fn new(name: &str, text: String, type_: ParameterType) -> Self {
        // Names whose values are public by definition, however random they look.
        let is_public = ["client_id", "scope", "audience", "resource"].contains(&name);
        let is_secret = is_secret(name, &text) && (type_ != ParameterType::Json || is_secret(name, ""));
        if !is_public && is_secret {
            return Self::Secret;
        }
        let unfilled = type_ == ParameterType::String && is_unfilled(&text);
        Self::Text { text, type_, unfilled }
    }
}

/// Headers that have no effect on the token, or that the controller sets itself.
const IGNORED: [&str; 18] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "dnt",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "pragma",
    "priority",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
];
/// Prefixes of further such headers.
const IGNORED_PREFIXES: [&str; 3] = ["content-", "proxy-", "sec-"];
/// The longest value of a parameter, in characters.
const LONGEST_VALUE: usize = 4096;

/// Reads the request that a curl command would send.
pub(super) fn read(mut call: Call) -> Result<Request, LineError> {
    let Address { endpoint, host, user, query, unfilled } = address::read(&call.url)?;
    let mut request = Request {
        endpoint,
        host,
        method: method(&call)?,
        format: BodyFormat::Form,
        members: Vec::new(),
        headers: Vec::new(),
        basic: call.user.take().or(user).map(|pair| client_of(&pair)),
        bearer: false,
        certificate: call.certificate,
        to_do: Vec::new(),
        notes: Vec::new(),
    };
    for word in unfilled {
        request.to_do.push(format!(
            "Replace {word} in provider.tokenEndpoint (and in allowed-hosts, if it is part of the host): the line has a \
             placeholder there."
        ));
    }
    let media_type = request.read_headers(std::mem::take(&mut call.headers))?;
    request.read_members(query, &call.data, media_type.as_deref())?;
    request.note_options(&call);
    Ok(request)
}

/// The method that curl would choose.
fn method(call: &Call) -> Result<RequestMethod, LineError> {
    let sends_body = !call.data.is_empty() && !call.get;
    match call.method.as_deref().map(str::to_ascii_uppercase).as_deref() {
        None if sends_body => Ok(RequestMethod::Post),
        Some("POST") if !call.get => Ok(RequestMethod::Post),
        None | Some("GET") if !sends_body => Ok(RequestMethod::Get),
        _ => Err(LineError::new(
            "its method is neither POST nor a GET without a body: ask the provider which of them the token endpoint accepts",
        )),
    }
}

/// The client id of `id:secret`. If one part is missing, the other may be the secret.
fn client_of(pair: &str) -> Value {
    match pair.split_once(':') {
        Some((id, secret)) if !id.is_empty() && !secret.is_empty() => {
            Value::Text { unfilled: is_unfilled(id), text: id.to_owned(), type_: ParameterType::String }
        }
        _ => Value::Secret,
    }
}

impl Request {
    /// Takes the headers, and returns the media type.
    fn read_headers(&mut self, headers: Vec<(String, String)>) -> Result<Option<String>, LineError> {
        let mut media_type = None;
        for (name, value) in headers {
            let lower = name.to_ascii_lowercase();
            match lower.as_str() {
                "content-type" => {
                    media_type =
                        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
                }
                "authorization" => self.read_authorization(&value)?,
                "cookie" => self
                    .notes
                    .push("The header Cookie is left out: a token request has no session.".to_owned()),
                _ if IGNORED.contains(&lower.as_str()) => {}
                _ if IGNORED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) => {}
                _ if !is_header_name(&name) => {
                    return Err(LineError::new("a header in it has no proper name: write -H 'Name: value'"));
                }
                _ if !value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) => {
                    return Err(LineError::new(format!(
                        "the header {name} has a value beyond ASCII, which servers read differently: write it in ASCII"
                    )));
                }
                _ => self.headers.push(Member {
                    value: Value::new(&name, value, ParameterType::String),
                    name,
                    place: ParameterPlace::Body,
                }),
            }
        }
        Ok(media_type)
    }

    fn read_authorization(&mut self, value: &str) -> Result<(), LineError> {
        let scheme = value.split_whitespace().next().unwrap_or_default();
        if scheme.eq_ignore_ascii_case("bearer") {
            self.bearer = true;
            return Ok(());
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(LineError::new(
                "its Authorization header is neither Basic nor Bearer, and clientAuthentication has no method for that: ask the \
                 provider which of its methods are accepted",
            ));
        }
        // The client id is public, but an encoded pair may be only one secret with a colon.
        let pair = STANDARD.decode(value.get(scheme.len()..).unwrap_or_default().trim()).unwrap_or_default();
        self.basic = Some(match String::from_utf8(pair) {
            Ok(pair) if pair.contains(':') => client_of(&pair),
            _ => Value::Secret,
        });
        Ok(())
    }

    fn read_members(
        &mut self,
        query: Vec<(String, String)>,
        data: &[Data],
        media_type: Option<&str>,
    ) -> Result<(), LineError> {
        // `-d ''` only makes the request a POST.
        let is_empty = data.iter().all(|part| matches!(part, Data::Plain(text) if text.trim().is_empty()));
        let data = if is_empty { &[] } else { data };
        let is_get = self.method == RequestMethod::Get;
        let in_body = if is_get || data.is_empty() { ParameterPlace::Body } else { ParameterPlace::Query };
        if !is_get && data.is_empty() && !query.is_empty() {
            self.format = BodyFormat::Query;
        }
        for (name, value) in query {
            self.push(&name, value, ParameterType::String, in_body)?;
        }
        let plain = data.iter().find_map(|part| match part {
            Data::Plain(text) => Some(text.trim_start()),
            Data::Parameter { .. } => None,
        });
        let is_json = media_type.is_some_and(|media_type| media_type.ends_with("json"))
            || plain.is_some_and(|text| text.starts_with('{') && text.contains(':'));
        match media_type {
            _ if data.is_empty() => Ok(()),
            _ if is_get => self.read_form(data),
            _ if is_json => self.read_json(data),
            None | Some("application/x-www-form-urlencoded" | "") => self.read_form(data),
            Some(_) => Err(LineError::new(
                "its Content-Type is neither application/x-www-form-urlencoded nor JSON: ask the provider which of them it \
                 accepts",
            )),
        }
    }

    fn read_form(&mut self, data: &[Data]) -> Result<(), LineError> {
        for part in data {
            match part {
                Data::Parameter { name, value } => {
                    self.push(name, value.clone(), ParameterType::String, ParameterPlace::Body)?;
                }
                Data::Plain(text) => {
                    for pair in text.split('&').map(str::trim).filter(|pair| !pair.is_empty()) {
                        let (name, value) =
                            form_urlencoded::parse(pair.as_bytes()).next().unwrap_or_default();
                        self.push(&name, value.into_owned(), ParameterType::String, ParameterPlace::Body)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn push(
        &mut self,
        name: &str,
        text: String,
        type_: ParameterType,
        place: ParameterPlace,
    ) -> Result<(), LineError> {
        if !is_parameter_name(name) {
            return Err(LineError::new(
                "a part of its body or query is not name=value: check the quotes of the line",
            ));
        }
        // Only these parameters may be empty, and are then left out. Elsewhere, the name may be a secret without an equals
        // sign, so the error does not quote the name.
        if text.trim_matches('=').trim().is_empty() {
            return if ["scope", "audience", "resource", "state", "redirect_uri"].contains(&name) {
                Ok(())
            } else {
                Err(LineError::new(
                    "a parameter of it has no value: write name=value, or leave the parameter out",
                ))
            };
        }
        let value = Value::new(name, text, type_);
        if matches!(&value, Value::Text { text, .. } if text.chars().count() > LONGEST_VALUE) {
            return Err(LineError::new(format!(
                "the value of {name} is longer than {LONGEST_VALUE} characters: shorten it"
            )));
        }
        self.members.push(Member { name: name.to_owned(), value, place });
        Ok(())
    }

    fn note_options(&mut self, call: &Call) {
        if call.insecure {
            self.notes.push(
                "The option --insecure is left out: the provider's certificate is always verified. If a private authority \
                 issued it, name that authority in provider.tls.caBundleRef."
                    .to_owned(),
            );
        }
        if call.authority {
            self.to_do.push(
                "Put the certificates of the file that --cacert names into a ConfigMap, and name it in \
                 provider.tls.caBundleRef: {name, key}."
                    .to_owned(),
            );
        }
        for option in &call.left_out {
            self.notes.push(format!("The option --{option} is left out."));
        }
    }
}

fn is_parameter_name(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_header_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.!#$%&'*+^`|~".contains(&byte))
}
