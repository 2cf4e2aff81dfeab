//! A request as it was received.
//!
//! Knows bytes and how to read them as HTTP, a form or JSON. Must not check a request.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::Value;

/// A request, unaltered.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// `POST`
    pub method: String,
    /// The request target: path and query.
    pub target: String,
    /// Names in their original case, in their original order.
    pub headers: Vec<(String, String)>,
    /// The request line and the headers, byte for byte, with the empty line at the end.
    pub head: Vec<u8>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// When the last byte of the head had arrived.
    pub arrived: DateTime<Utc>,
    /// When the last byte of the head had arrived, on the monotonic clock: for differences between requests.
    pub instant: Instant,
    /// The number of the connection, from 1.
    pub connection: usize,
    /// The certificate the client showed, if any, as DER.
    pub client_certificate: Option<Vec<u8>>,
}

impl RecordedRequest {
    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The target's query, decoded.
    pub fn query(&self) -> Vec<(String, String)> {
        self.target.split_once('?').map(|(_, query)| pairs(query.as_bytes())).unwrap_or_default()
    }

    /// The first header of this name, compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_values(name).first().copied()
    }

    /// All headers of this name, compared without case.
    pub fn header_values(&self, name: &str) -> Vec<&str> {
        let same = |other: &str| other.eq_ignore_ascii_case(name);
        self.headers.iter().filter(|(other, _)| same(other)).map(|(_, value)| value.as_str()).collect()
    }

    /// The body as a string.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body read as a form, in order.
    pub fn form(&self) -> Vec<(String, String)> {
        pairs(&self.body)
    }

    /// The first member of this name of a body read as a form.
    pub fn form_value(&self, name: &str) -> Option<String> {
        self.form().into_iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// The body read as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The two halves of an `Authorization: Basic` header, decoded from base64 and no further.
    pub fn basic(&self) -> Option<(String, String)> {
        let encoded = self.header("authorization")?.strip_prefix("Basic ")?;
        let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (id, secret) = decoded.split_once(':')?;
        Some((id.to_owned(), secret.to_owned()))
    }

    /// The token of an `Authorization: Bearer` header.
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

/// A complete head.
pub(super) struct Head {
    pub(super) length: usize,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Head {
    /// Reads the head at the start of `received`; `None` until the empty line arrives.
    pub(super) fn parse(received: &[u8]) -> Result<Option<Self>, httparse::Error> {
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut request = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(length) = request.parse(received)? else { return Ok(None) };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Some(Self {
            length,
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            headers: request
                .headers
                .iter()
                .map(|header| (header.name.to_owned(), text(header.value)))
                .collect(),
        }))
    }

    /// The value of `Content-Length`, or 0. Chunked bodies are not supported, because no token request needs them.
    pub(super) fn body_length(&self) -> usize {
        let announced = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        announced.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(target: &str, headers: &[(&str, &str)], body: &str) -> RecordedRequest {
        RecordedRequest {
            method: "POST".into(),
            target: target.into(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            head: Vec::new(),
            body: body.into(),
            arrived: Utc::now(),
            instant: Instant::now(),
            connection: 1,
            client_certificate: None,
        }
    }

    #[test]
    fn a_head_keeps_case_and_order() {
        let wire =
            b"POST /token?a=b HTTP/1.1\r\nX-First: 1\r\nhOsT: localhost\r\ncontent-length: 3\r\n\r\nabc";
        assert!(Head::parse(&wire[..30]).unwrap().is_none());
        let head = Head::parse(wire).unwrap().expect("the head is complete");
        assert_eq!((head.length, head.body_length()), (wire.len() - 3, 3));
        assert_eq!(head.headers[1], ("hOsT".to_owned(), "localhost".to_owned()));
        assert_eq!(head.target, "/token?a=b");
    }

    #[test]
    fn bodies_and_credentials_are_read() {
        let request = recorded("/t?x=1%202", &[("Authorization", "Basic YTpiOmM=")], "scope=a+b&scope=c");
        assert_eq!(request.path(), "/t");
        assert_eq!(request.query(), [("x".to_owned(), "1 2".to_owned())]);
        assert_eq!(request.basic(), Some(("a".to_owned(), "b:c".to_owned())));
        assert_eq!(request.form_value("scope").as_deref(), Some("a b"));
        assert_eq!(request.form().len(), 2);
        assert_eq!(request.json(), Value::Null);
        assert_eq!(recorded("/", &[], r#"{"a":1}"#).json()["a"], 1);
    }
}
