//! The common parts of all TokenSources in the product's own types: spec, provider, credentials, and the meaning of the
//! provider's answers. The product makes each request and reads each answer once; the results are cached. Knows no
//! TokenSource and no instant.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{SubsecRound, TimeDelta};
use k8s_openapi::ByteString;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use tokensource::api::{
    ClientAuthentication, ClientAuthenticationMethod, CredentialsReference, Reason, TokenProviderSpec,
    TokenSourceSpec, TokenSourceStatus,
};
use tokensource::decide::limiter::Answer;
use tokensource::decide::versions::{Role, Versions, compare};
use tokensource::decide::{
    Cause, Failure, Fingerprints, Observed, Publication, Published, ReferencedSecret, RequestInputs, Secrets,
    Target, ask, inputs,
};
use tokensource::oauth::{HttpResponse, ResponseContext, Token, read};

use crate::clock::{Instant, at};
use crate::provider::Reply;

const HOST: &str = "auth.example.com";

/// The `Retry-After` of a provider with a quota, in seconds.
pub(crate) const RETRY_AFTER_SECONDS: u16 = 30;

pub(crate) struct Product {
    pub(crate) spec: TokenSourceSpec,
    provider: TokenProviderSpec,
    /// The inputs for each version of the credentials.
    inputs: Vec<(Secrets, Fingerprints)>,
    pub(crate) lifetime: TimeDelta,
    unavailable: Failure,
    limited: Failure,
}

impl Product {
    pub(crate) fn new(lifetime: u32) -> Self {
        let provider = TokenProviderSpec {
            token_endpoint: Some(format!("https://{HOST}/token")),
            client_authentication: ClientAuthentication {
                method: ClientAuthenticationMethod::ClientSecretPost,
                ..ClientAuthentication::default()
            },
            ..TokenProviderSpec::default()
        };
        let spec = TokenSourceSpec {
            provider: Some(Box::new(provider.clone())),
            credentials_ref: Some(CredentialsReference {
                name: "client".to_owned(),
                ..CredentialsReference::default()
            }),
            ..TokenSourceSpec::default()
        };
        let inputs = (0..2).map(|version| inputs_of(&spec, &provider, version)).collect();
        let read = |reply| read_reply(&spec, &provider, lifetime, reply);
        let token = read(Reply::Token).unwrap();
        Self {
            lifetime: token.expires_at - token.issued_at,
            unavailable: read(Reply::Unavailable).unwrap_err(),
            limited: read(Reply::Limited).unwrap_err(),
            inputs,
            spec,
            provider,
        }
    }

    /// A TokenSource as the controller observes it. The target is moved into the observation, and taken back afterwards.
    pub(crate) fn observed<'a>(
        &'a self,
        (uid, name): (&'a str, &'a str),
        status: &'a TokenSourceStatus,
        target: Target,
        version: usize,
        now: Instant,
    ) -> Observed<'a> {
        let (secrets, inputs) = &self.inputs[version];
        Observed {
            namespace: "payments",
            name,
            uid,
            secrets: secrets.clone(),
            fingerprints: Some(inputs.clone()),
            target,
            ..Observed::new(&self.spec, status, Ok(&self.provider), at(now))
        }
    }

    /// The fingerprint of a request with these credentials.
    pub(crate) fn inputs_fingerprint(&self, version: usize) -> &str {
        &self.inputs[version].1.token
    }

    /// The fingerprint of an attempt with these credentials.
    pub(crate) fn attempted(&self, version: usize) -> &str {
        &self.inputs[version].1.attempt
    }

    /// The publication of a token that was requested at this instant.
    pub(crate) fn publication(
        &self,
        cause: Cause,
        sent_at: Instant,
        version: usize,
        resource_version: u64,
    ) -> Publication {
        let issued_at = at(sent_at).trunc_subsecs(0);
        Publication {
            cause,
            published: Published {
                uid: "target".to_owned(),
                resource_version: resource_version.to_string(),
                issued_at,
                since: issued_at,
                expires_at: issued_at + self.lifetime,
                inputs_fingerprint: self.inputs_fingerprint(version).to_owned(),
                versions: remembered(&self.inputs[version].0),
                handled_renew_request: None,
                intact: true,
                metadata_in_sync: true,
            },
            unchanged_at: None,
            fell_back: false,
            token_type: "Bearer".to_owned(),
            scope: None,
            notices: BTreeSet::new(),
        }
    }

    /// The failure of an answer; None for a token.
    pub(crate) fn failure(&self, reply: Reply) -> Option<&Failure> {
        match reply {
            Reply::Token => None,
            Reply::Unavailable => Some(&self.unavailable),
            Reply::Limited => Some(&self.limited),
        }
    }

    /// The answer in the limiter's terms.
    pub(crate) fn answer(&self, reply: Reply) -> Answer {
        self.failure(reply).map_or(Answer::Succeeded, Answer::from)
    }
}

/// A failure like the one that `controller::provider` reports for waiters.
pub(crate) fn failing(reason: Reason) -> Failure {
    Failure::local(reason, format!("{} Requests of other TokenSources have failed so.", reason.sentence()))
}

/// The record of these credentials beside a token.
fn remembered(secrets: &Secrets) -> Versions {
    let mut versions = Versions::default();
    let version = secrets.credentials.clone();
    let ReferencedSecret::Present { resource_version, .. } = &version else { return versions };
    versions.extend(compare(Role::Credentials, &version, format!("hash-of-{resource_version}"), &[]));
    versions
}

fn inputs_of(
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
    version: usize,
) -> (Secrets, Fingerprints) {
    let credentials = ReferencedSecret::Present {
        name: "client".to_owned(),
        uid: "uid-of-client".to_owned(),
        resource_version: version.to_string(),
        allowed_hosts: Some(HOST.to_owned()),
    };
    let secrets = Secrets { credentials, ..Secrets::default() };
    let inputs = inputs::fingerprints(spec, 1, provider, &secrets).unwrap();
    (secrets, inputs)
}

/// Reads a reply of the provider with the product's own code.
fn read_reply(
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
    lifetime: u32,
    reply: Reply,
) -> Result<Token, Failure> {
    let text = |text: &str| ByteString(text.as_bytes().to_vec());
    let credentials =
        BTreeMap::from(["client_id", "client_secret"].map(|key| (key.to_owned(), text("of the fleet"))));
    let ask = ask(spec, provider, &RequestInputs { credentials, ..RequestInputs::default() }, None).unwrap();
    let confidential: Vec<_> = ask.confidential.iter().collect();
    let reading = ask.reading(spec, provider, at(0), &confidential);
    read(&http_response(lifetime, reply), &reading as &ResponseContext<'_>)
        .map_err(|error| Failure::from(&error))
}

/// A reply as an HTTP response.
fn http_response(lifetime: u32, reply: Reply) -> HttpResponse {
    let mut headers = HeaderMap::new();
    let (status, body) = match reply {
        Reply::Token => {
            (200, format!(r#"{{"access_token":"at","token_type":"Bearer","expires_in":{lifetime}}}"#))
        }
        Reply::Unavailable => (503, String::new()),
        Reply::Limited => {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
            (429, String::new())
        }
    };
    HttpResponse { status, headers, body: body.into_bytes() }
}
