//! A response with its context. A test sets only the parts that matter to it.

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderName, HeaderValue};

use super::super::*;

pub(super) const HOST: &str = "auth.example.com";
pub(super) const JSON: &str = "application/json";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// The parts that tests vary.
pub(super) struct Fixture {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) settings: ResponseSettings,
    pub(super) disclosure: Disclosure,
    pub(super) scopes: Vec<String>,
    pub(super) grant: GrantKind,
    pub(super) secret: Secret,
    pub(super) requested_type: Option<&'static str>,
}

pub(super) fn response(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Fixture {
    Fixture {
        status,
        headers: HeaderMap::new(),
        body: body.into(),
        settings: ResponseSettings::default(),
        disclosure: Disclosure::default(),
        scopes: Vec::new(),
        grant: GrantKind::ClientCredentials,
        secret: Secret::new("hunter2-hunter2".into()),
        requested_type: None,
    }
    .header("content-type", content_type)
}

pub(super) fn json(body: &str) -> Fixture {
    response(200, JSON, body)
}

impl Fixture {
    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub(super) fn grant(mut self, grant: GrantKind) -> Self {
        self.grant = grant;
        self
    }

    pub(super) fn scopes(mut self, scopes: &[&str]) -> Self {
        self.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        self
    }

    pub(super) fn settings(mut self, change: impl FnOnce(&mut ResponseSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    pub(super) fn disclosure(mut self, disclosure: Disclosure) -> Self {
        self.disclosure = disclosure;
        self
    }

    pub(super) fn read(self) -> Result<Token, Error> {
        let context = ResponseContext {
            sent_at: now(),
            host: HOST,
            settings: &self.settings,
            disclosure: self.disclosure,
            requested_scopes: &self.scopes,
            grant: self.grant,
            confidential: &[&self.secret],
            requested_token_type: self.requested_type,
        };
        read(&HttpResponse { status: self.status, headers: self.headers, body: self.body }, &context)
    }

    pub(super) fn token(self) -> Token {
        self.read().unwrap()
    }

    pub(super) fn error(self) -> Error {
        self.read().unwrap_err()
    }

    pub(super) fn refusal(self) -> Refusal {
        match self.error() {
            Error::Refused(refusal) => *refusal,
            other => panic!("not refused: {other}"),
        }
    }

    pub(super) fn defect(self) -> Defect {
        match self.error() {
            Error::Malformed { defect, .. } => defect,
            other => panic!("not malformed: {other}"),
        }
    }
}

pub(super) fn now() -> DateTime<Utc> {
    "2026-01-01T00:00:00.7Z".parse().unwrap()
}
