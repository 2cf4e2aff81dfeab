//! Answers of a provider: good tokens, OAuth errors, and the faults of a hostile or broken server.
//!
//! Knows status lines, headers and bodies. Must not know sockets: `connection` sends the answers.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use serde_json::{Value, json};

use super::confidential;
use crate::unique;

/// An answer. Made by a constructor, altered by [`after`](Self::after), [`header`](Self::header) and so on.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) delay: Duration,
    pub(super) act: Act,
}

/// The action on the connection.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// A response.
    Respond(Response),
    /// No answer, with the connection open.
    Hang,
    /// The connection is closed in order.
    Close,
    /// The connection is reset.
    Reset,
    /// A status line, then endless headers.
    EndlessHeaders,
    /// A head, then an endless body.
    EndlessBody,
    /// These bytes.
    Raw(Vec<u8>),
}

#[derive(Clone, Debug)]
pub(super) struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
    dateless: bool,
    pub(super) delivery: Delivery,
}

#[derive(Clone, Debug)]
enum Body {
    Bytes(Vec<u8>),
    /// A token that is made when it is sent, so that a permanent answer never issues the same token twice.
    FreshToken {
        lifetime: u64,
    },
}

/// How the body is sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Delivery {
    Whole,
    /// A byte at a time without end: white space, which may precede any JSON.
    EndlessDrip(Duration),
    /// Half of what `Content-Length` announces, then the connection is dropped.
    Truncated,
}

/// A response ready to be sent.
pub(super) struct Rendered {
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) closes: bool,
    /// The access token in this response.
    pub(super) issued: Option<String>,
}

impl Answer {
    /// A good answer: a fresh opaque Bearer token each time this is sent, with `expires_in` in seconds.
    pub fn token(lifetime: u64) -> Self {
        Self::response(200, "application/json", Body::FreshToken { lifetime })
    }

    /// A JSON answer.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json", &body.to_string())
    }

    /// An OAuth error as RFC 6749 §5.2 shapes it.
    pub fn error(status: u16, code: &str) -> Self {
        Self::json(status, &json!({ "error": code }))
    }

    /// A status without a body.
    pub fn status(status: u16) -> Self {
        let mut answer = Self::response(status, "", Body::Bytes(Vec::new()));
        answer.on_response(|response| response.headers.clear());
        answer
    }

    /// A body of any type.
    pub fn text(status: u16, content_type: &str, body: &str) -> Self {
        Self::bytes(status, content_type, body.as_bytes())
    }

    /// A body of any type and any bytes.
    pub fn bytes(status: u16, content_type: &str, body: &[u8]) -> Self {
        Self::response(status, content_type, Body::Bytes(body.to_vec()))
    }

    /// A redirect; the five codes differ in what a careless client does with the body.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).header("Location", location)
    }

    /// A good token in a body of exactly `size` bytes, whose size is the only fault.
    pub fn of_size(size: usize) -> Self {
        let token = format!("tk-{}", unique::word(24));
        let empty =
            json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600, "padding": "" });
        let missing = size.checked_sub(empty.to_string().len()).expect("too small a size for a token");
        let mut full = empty;
        full["padding"] = "x".repeat(missing).into();
        Self::json(200, &full)
    }

    /// A good token, compressed although the request does not accept that.
    pub fn gzip() -> Self {
        // {"access_token":"a-token-in-gzip","token_type":"Bearer","expires_in":3600}
        const COMPRESSED: &str = "H4sIAAAAAAAC/6tWSkxOTi0uji/Jz07NU7JSStQFs3Qz83TTqzILlHSUwPz4ksqC\
            VKC0U2piUWoRUDS1oiCzKLU4PhOoydjMwKAWAKnsLp5KAAAA";
        let compressed = STANDARD.decode(COMPRESSED).expect("our own base64");
        Self::bytes(200, "application/json", &compressed).header("Content-Encoding", "gzip")
    }

    /// No answer, ever; the connection stays open until the client gives up.
    pub fn hang() -> Self {
        Self::act(Act::Hang)
    }

    /// The connection is closed in order, without an answer.
    pub fn close() -> Self {
        Self::act(Act::Close)
    }

    /// The connection is reset, without an answer.
    pub fn reset() -> Self {
        Self::act(Act::Reset)
    }

    /// These bytes instead of a response, well-formed or not; then the connection is closed in order.
    pub fn raw(bytes: &[u8]) -> Self {
        Self::act(Act::Raw(bytes.to_vec()))
    }

    /// `200 OK` and a body that never ends, as fast as the connection carries it.
    pub fn endless_body() -> Self {
        Self::act(Act::EndlessBody)
    }

    /// `200 OK` and then one header after the other without end.
    pub fn endless_headers() -> Self {
        Self::act(Act::EndlessHeaders)
    }

    /// A body whose bytes are sent one by one at this interval, without end.
    pub fn endless_drip(every: Duration) -> Self {
        Self::text(200, "application/json", "").delivered(Delivery::EndlessDrip(every))
    }

    /// Sends half of the body, then drops the connection.
    #[must_use]
    pub fn truncated(self) -> Self {
        self.delivered(Delivery::Truncated)
    }

    /// Delays the answer.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Adds a header. `Connection: close` also takes effect.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.on_response(|response| response.headers.push((name.to_owned(), value.to_owned())));
        self
    }

    /// Leaves out the usual `Date` header. [`header`](Self::header) can add another `Date` header.
    #[must_use]
    pub fn without_date(mut self) -> Self {
        self.on_response(|response| response.dateless = true);
        self
    }

    fn response(status: u16, content_type: &str, body: Body) -> Self {
        // RFC 6749 §5.1 requires `Cache-Control: no-store` for a token response.
        let headers = [("Content-Type", content_type), ("Cache-Control", "no-store")];
        Self::act(Act::Respond(Response {
            status,
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body,
            dateless: false,
            delivery: Delivery::Whole,
        }))
    }

    fn act(act: Act) -> Self {
        Self { delay: Duration::ZERO, act }
    }

    fn delivered(mut self, delivery: Delivery) -> Self {
        self.on_response(|response| response.delivery = delivery);
        self
    }

    fn on_response(&mut self, change: impl FnOnce(&mut Response)) {
        match &mut self.act {
            Act::Respond(response) => change(response),
            other => {
                panic!("an answer that is no response ({other:?}) has neither headers nor a body to alter")
            }
        }
    }
}

impl Response {
    pub(super) fn render(&self) -> Rendered {
        let body = match &self.body {
            Body::Bytes(bytes) => bytes.clone(),
            Body::FreshToken { lifetime } => fresh_token(*lifetime).to_string().into_bytes(),
        };
        confidential::register(&body);
        let mut lines = vec![format!("HTTP/1.1 {} Scripted", self.status)];
        if !self.dateless && !self.has("date") {
            lines.push(format!("Date: {}", Utc::now().format("%a, %d %b %Y %H:%M:%S GMT")));
        }
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        let length = match self.delivery {
            Delivery::EndlessDrip(_) => 100_000,
            _ => body.len(),
        };
        lines.push(format!("Content-Length: {length}\r\n\r\n"));
        let closes = self.headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close")
        });
        Rendered { issued: issued(self.status, &body), head: lines.join("\r\n").into_bytes(), body, closes }
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
    }
}

fn fresh_token(lifetime: u64) -> Value {
    let token = format!("tk-{}", unique::word(24));
    // An unknown member, which reveals a program that repeats an answer's body.
    let marker = format!("body-{}", unique::word(24));
    json!({ "access_token": token, "token_type": "Bearer", "expires_in": lifetime, "marker": marker })
}

fn issued(status: u16, body: &[u8]) -> Option<String> {
    let parsed: Value = serde_json::from_slice(body).ok()?;
    (200..300).contains(&status).then(|| parsed["access_token"].as_str().map(ToOwned::to_owned)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(answer: &Answer) -> (String, Vec<u8>, Option<String>) {
        let Act::Respond(response) = &answer.act else { panic!("not a response: {answer:?}") };
        let rendered = response.render();
        (String::from_utf8(rendered.head).unwrap(), rendered.body, rendered.issued)
    }

    #[test]
    fn one_standing_answer_gives_fresh_tokens() {
        let answer = Answer::token(60);
        let ((head, body, first), (_, _, second)) = (rendered(&answer), rendered(&answer));
        assert!(first.is_some() && first != second);
        assert!(head.contains("\r\nDate: ") && head.contains(&format!("Content-Length: {}\r\n", body.len())));
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["expires_in"], 60);
    }

    #[test]
    fn a_size_is_exact() {
        assert_eq!(rendered(&Answer::of_size(300 * 1024)).1.len(), 300 * 1024);
    }

    #[test]
    fn errors_issue_nothing_and_dates_can_be_left_out() {
        let (head, _, issued) = rendered(&Answer::error(401, "invalid_client").without_date());
        assert!(head.starts_with("HTTP/1.1 401 ") && !head.contains("Date:"));
        assert_eq!(issued, None);
        assert!(!rendered(&Answer::status(401)).0.contains("Content-Type"));
    }
}
