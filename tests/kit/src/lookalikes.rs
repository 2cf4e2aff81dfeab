//! Local servers that behave like the five providers of docs/providers/.
//!
//! Each look-alike answers the documented requests as the provider does, and refuses every other request, with the reason in
//! [`Lookalike::refusals`]. Undocumented error bodies follow RFC 6749, if the module of the provider does not say otherwise.
//! Must not know the controller.

mod apiax;
mod books;
mod document;
mod ocrolus;
mod pliant;
mod prisjakt;
mod v2;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kube::api::DynamicObject;

use self::books::Books;
use self::document::Refusal;
use crate::authority::Authority;
use crate::manifest::{self, Redirection};
use crate::scripted_provider::{Answer, RecordedRequest, ScriptedProvider};

/// The differences between the documented provider and the others.
struct Document {
    name: &'static str,
    /// The hosts in the document. A single local port serves all of them.
    hosts: &'static [&'static str],
    token_path: &'static str,
    /// A path of the API that accepts the token.
    api_path: &'static str,
    lifetime: Duration,
    credentials: fn() -> Vec<(&'static str, String)>,
    /// The credential that a rotation replaces.
    rotates: &'static str,
    exchange: fn(&RecordedRequest, &mut Books) -> Result<serde_json::Value, Refusal>,
}

/// A look-alike provider at `https://localhost:PORT`.
pub struct Lookalike {
    document: &'static Document,
    provider: ScriptedProvider,
    books: Arc<Mutex<Books>>,
}

impl Lookalike {
    /// Prisjakt: form body, secret in the body, a JWT for 86399 s.
    pub fn prisjakt(authority: &Authority) -> Self {
        Self::start(&prisjakt::DOCUMENT, authority)
    }

    /// Pliant, production: JSON body, an audience without a scheme.
    pub fn pliant(authority: &Authority) -> Self {
        Self::start(&pliant::PRODUCTION, authority)
    }

    /// Pliant, sandbox: another host, another audience, other credentials.
    pub fn pliant_sandbox(authority: &Authority) -> Self {
        Self::start(&pliant::SANDBOX, authority)
    }

    /// The `/oauth/v2/token` provider: raw HTTP Basic, tokens that are no JWT.
    pub fn v2(authority: &Authority) -> Self {
        Self::start(&v2::DOCUMENT, authority)
    }

    /// Apiax: password grant, then rotating refresh tokens; expiry as epoch milliseconds under two names.
    pub fn apiax(authority: &Authority) -> Self {
        Self::start(&apiax::DOCUMENT, authority)
    }

    /// Ocrolus: form body; the revocation of a credential may also invalidate the tokens that were issued for it.
    pub fn ocrolus(authority: &Authority) -> Self {
        Self::start(&ocrolus::DOCUMENT, authority)
    }

    /// All six: five providers, Pliant twice.
    pub fn all(authority: &Authority) -> Vec<Self> {
        [Self::prisjakt, Self::pliant, Self::pliant_sandbox, Self::v2, Self::apiax, Self::ocrolus]
            .map(|start| start(authority))
            .into()
    }

    fn start(document: &'static Document, authority: &Authority) -> Self {
        let provider = ScriptedProvider::start(authority);
        let books = Arc::new(Mutex::new(Books::new((document.credentials)(), document.lifetime)));
        let theirs = books.clone();
        provider.respond(document.token_path, move |request, _| exchange(document, request, &theirs));
        let theirs = books.clone();
        provider.respond(document.api_path, move |request, _| {
            let accepted = request.bearer().is_some_and(|token| lock(&theirs).accepts(token));
            Answer::json(if accepted { 200 } else { 401 }, &serde_json::json!({}))
        });
        Self { document, provider, books }
    }

    /// `prisjakt`, `pliant`, `pliant-sandbox`, `v2`, `apiax` or `ocrolus`.
    pub fn name(&self) -> &'static str {
        self.document.name
    }

    /// The scripted server of this look-alike: a queued answer is given once instead of the documented answer.
    pub fn provider(&self) -> &ScriptedProvider {
        &self.provider
    }

    /// The path of the token endpoint.
    pub fn token_path(&self) -> &'static str {
        self.document.token_path
    }

    /// The whole URL of the token endpoint.
    pub fn token_endpoint(&self) -> String {
        self.provider.url(self.document.token_path)
    }

    /// A URL that answers 200 to a token of this provider and 401 to anything else: a probe.
    pub fn api_url(&self) -> String {
        self.provider.url(self.document.api_path)
    }

    /// The number of token requests.
    pub fn count(&self) -> usize {
        self.provider.count(self.document.token_path)
    }

    /// The token requests so far.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.provider.requests(self.document.token_path)
    }

    /// The access tokens handed out so far, oldest first.
    pub fn issued(&self) -> Vec<String> {
        self.provider.issued()
    }

    /// Why requests were refused, one sentence each.
    pub fn refusals(&self) -> Vec<String> {
        self.books().refusals.clone()
    }

    /// Sets the lifetime of tokens issued from now on.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.books().lifetime = lifetime;
    }

    /// The credentials that are accepted, by the key they have in a credentials Secret.
    pub fn credentials(&self) -> BTreeMap<&'static str, String> {
        self.books().credentials.clone()
    }

    /// Replaces the secret (or password) and returns the new credentials. Tokens already issued stay good.
    pub fn rotate(&self) -> BTreeMap<&'static str, String> {
        self.books().rotate(self.document.rotates)
    }

    /// Refuses the present credentials and every token issued so far from now on, as Ocrolus may do.
    pub fn revoke(&self) {
        self.rotate();
        self.kill_tokens();
    }

    /// The API answers 401 to every token issued so far.
    pub fn kill_tokens(&self) {
        self.books().tokens.clear();
    }

    /// Refresh tokens issued so far are no longer known: the client must fall back to the password.
    pub fn kill_refresh_tokens(&self) {
        self.books().refresh.clear();
    }

    /// Whether the API accepts this token now.
    pub fn accepts(&self, token: &str) -> bool {
        self.books().accepts(token)
    }

    /// Redirects manifests of the documented provider to this look-alike, and fills in its credentials.
    pub fn stand_in(&self, objects: &mut [DynamicObject]) {
        let (host, credentials) = (self.provider.host(), self.credentials());
        for documented in self.document.hosts {
            manifest::redirect(
                objects,
                &Redirection { from_host: documented, to_host: &host, ca_pem: self.provider.ca_pem() },
            );
        }
        manifest::fill_credentials(objects, &host, &credentials);
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.books)
    }
}

fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().expect("no holder of this lock panics")
}

fn exchange(document: &Document, request: &RecordedRequest, books: &Mutex<Books>) -> Answer {
    let mut books = lock(books);
    match (document.exchange)(request, &mut books) {
        Ok(body) => Answer::json(200, &body),
        Err(refusal) => {
            books.refusals.push(refusal.why);
            refusal.answer
        }
    }
}
