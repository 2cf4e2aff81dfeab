//! The five providers, each with a namespace of its own name: their answers, which they record. Knows credentials, tokens
//! and the present fault of a provider. Must not know when faults begin.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use tokensource_kit::authority::Authority;
use tokensource_kit::scripted_provider::{Answer, RecordedRequest, ScriptedProvider};
use tokensource_kit::{canaries, unique};

use crate::history::{Answered, Fact, History, Journal, Time, Token};

pub(crate) const NAMES: [&str; 5] = ["plain", "rotating", "strict", "slow", "issuer"];
const TOKEN: &str = "/token";
const METADATA: &str = "/.well-known/oauth-authorization-server";
/// The quota of the strict provider per second.
const STRICT: usize = 8;

/// The present state of a provider.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mood {
    Good,
    Unavailable,
    Closing,
    Resetting,
    Hanging,
    /// 429, with this `Retry-After` in seconds.
    Limiting(u32),
}

pub(crate) struct Provider {
    pub(crate) name: &'static str,
    pub(crate) server: ScriptedProvider,
    books: Arc<Mutex<Books>>,
}

struct Books {
    name: &'static str,
    journal: Journal,
    mood: Mood,
    lifetimes: HashMap<String, i64>,
    /// The clients whose next answer is broken.
    malformed: HashSet<String>,
    /// The accepted secrets, by client.
    secrets: HashMap<String, Vec<String>>,
    /// The valid refresh token, by client.
    refresh: HashMap<String, String>,
    recent: Vec<Time>,
}

impl Provider {
    pub(crate) fn start(name: &'static str, authority: &Authority, journal: &Journal) -> Self {
        let books = Books {
            name,
            journal: journal.clone(),
            mood: Mood::Good,
            lifetimes: HashMap::new(),
            malformed: HashSet::new(),
            secrets: HashMap::new(),
            refresh: HashMap::new(),
            recent: Vec::new(),
        };
        let provider =
            Self { name, server: ScriptedProvider::start(authority), books: Arc::new(Mutex::new(books)) };
        let books = Arc::clone(&provider.books);
        provider.server.respond(TOKEN, move |request, _| lock(&books).respond(request));
        let books = Arc::clone(&provider.books);
        let metadata =
            json!({"issuer": provider.server.url(""), "token_endpoint": provider.server.url(TOKEN)});
        provider.server.respond(METADATA, move |_, _| {
            lock(&books).mood.answer().unwrap_or_else(|| Answer::json(200, &metadata))
        });
        provider
    }

    /// Sets the lifetime of a client's tokens, in seconds.
    pub(crate) fn enrol(&self, client: &str, lifetime: i64) {
        lock(&self.books).lifetimes.insert(client.to_owned(), lifetime);
    }

    /// Sets the accepted secrets of a client.
    pub(crate) fn accept(&self, client: &str, secrets: &[String]) {
        for secret in secrets {
            canaries::register("a client's secret", secret);
        }
        lock(&self.books).secrets.insert(client.to_owned(), secrets.to_vec());
    }

    pub(crate) fn newest_secret(&self, client: &str) -> String {
        lock(&self.books).secrets.get(client).and_then(|all| all.last()).cloned().expect("an enrolled client")
    }

    pub(crate) fn set(&self, mood: Mood) {
        lock(&self.books).mood = mood;
    }

    pub(crate) fn spoil_next(&self, client: &str) {
        lock(&self.books).malformed.insert(client.to_owned());
    }

    /// Ends all faults except a closed port.
    pub(crate) fn calm(&self) {
        let mut books = lock(&self.books);
        books.mood = Mood::Good;
        books.malformed.clear();
    }

    /// The provider block of a TokenSource.
    pub(crate) fn block(&self) -> Value {
        let mut block = json!({"tls": {"caBundle": self.server.ca_pem()}, "timeout": "5s"});
        match self.name {
            "issuer" => block["issuer"] = json!(self.server.url("")),
            _ => block["tokenEndpoint"] = json!(self.server.url(TOKEN)),
        }
        block["clientAuthentication"] = json!({"method": "client_secret_post"});
        if self.name == "rotating" {
            block["grantType"] = json!("password");
            block["clientAuthentication"] = json!({"method": "none"});
        }
        block
    }
}

impl Mood {
    fn answer(self) -> Option<Answer> {
        match self {
            Self::Good => None,
            Self::Unavailable => Some(Answer::status(503)),
            Self::Closing => Some(Answer::close()),
            Self::Resetting => Some(Answer::reset()),
            Self::Hanging => Some(Answer::hang()),
            Self::Limiting(wait) => Some(Answer::status(429).header("Retry-After", &wait.to_string())),
        }
    }

    fn answered(self) -> Answered {
        match self {
            Self::Limiting(wait) => Answered::RateLimited(TimeDelta::seconds(wait.into())),
            _ => Answered::Unavailable,
        }
    }
}

impl Books {
    fn respond(&mut self, request: &RecordedRequest) -> Answer {
        let client = request.form_value("client_id").unwrap_or_default();
        let source = format!("{}/{client}", self.name);
        let (answer, answered) = self.judge(request, &client);
        let journal = self.journal.clone();
        let mut history = journal.open();
        let answered = match answered {
            Verdict::Answered(answered) => answered,
            Verdict::Issue(text) => self.book(&mut history, &client, text),
        };
        history.note(&source, request.arrived, Fact::Asked(answered));
        answer
    }

    fn judge(&mut self, request: &RecordedRequest, client: &str) -> (Answer, Verdict) {
        if let Some(answer) = self.mood.answer() {
            return (answer, Verdict::Answered(self.mood.answered()));
        }
        if self.name == "strict" && self.is_over_limit() {
            let mood = Mood::Limiting(2);
            return (mood.answer().expect("a refusal"), Verdict::Answered(mood.answered()));
        }
        if self.malformed.remove(client) {
            return (
                Answer::text(200, "text/html", "<p>Back in a minute"),
                Verdict::Answered(Answered::Malformed),
            );
        }
        let shown = |member: &str| request.form_value(member).unwrap_or_default();
        let secrets = self.secrets.get(client).cloned().unwrap_or_default();
        match shown("grant_type").as_str() {
            "client_credentials" if secrets.contains(&shown("client_secret")) => {}
            "client_credentials" => {
                return (Answer::error(401, "invalid_client"), Verdict::Answered(Answered::BadCredentials));
            }
            "password" if secrets.contains(&shown("password")) => {}
            "password" => {
                return (Answer::error(400, "invalid_grant"), Verdict::Answered(Answered::BadCredentials));
            }
            _ if self.refresh.remove(client) == Some(shown("refresh_token")) => {}
            // Any other refresh token revokes the client's valid refresh token, which `remove` has just removed.
            _ => return (Answer::error(400, "invalid_grant"), Verdict::Answered(Answered::RefreshRefused)),
        }
        self.issue(client)
    }

    fn issue(&mut self, client: &str) -> (Answer, Verdict) {
        let text = format!("tk-{}", unique::word(24));
        let lifetime = self.lifetimes.get(client).copied().unwrap_or(60);
        let mut body = json!({"access_token": text, "token_type": "Bearer", "expires_in": lifetime});
        if self.name == "rotating" {
            let next = format!("rt-{}", unique::word(24));
            body["refresh_token"] = json!(next);
            self.refresh.insert(client.to_owned(), next);
        }
        let delay = if self.name == "slow" { Duration::from_millis(1200) } else { Duration::ZERO };
        (Answer::json(200, &body).after(delay), Verdict::Issue(text))
    }

    fn book(&self, history: &mut History, client: &str, text: String) -> Answered {
        let issued_at = Utc::now();
        let lifetime = TimeDelta::seconds(self.lifetimes.get(client).copied().unwrap_or(60));
        let number = u64::try_from(history.tokens.len()).unwrap_or_default() + 1;
        let token = Token { number, issued_at, expires_at: issued_at + lifetime };
        history.tokens.insert(text, token);
        Answered::Token(token)
    }

    fn is_over_limit(&mut self) -> bool {
        let now = Utc::now();
        self.recent.retain(|past| now - *past < TimeDelta::seconds(1));
        let over = self.recent.len() >= STRICT;
        if !over {
            self.recent.push(now);
        }
        over
    }
}

/// The fact to record.
enum Verdict {
    Answered(Answered),
    Issue(String),
}

fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().expect("no holder of this lock panics")
}
