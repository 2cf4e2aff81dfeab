//! A manifest of the documentation, with the product's decision and its request as text. Knows how the Secrets of a
//! manifest are filled; must not know the right request.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;
use tokensource::api::{
    InputSource, RequestMethod, RequestPart, TokenProviderSpec, TokenSource, TokenSourceStatus, annotation,
};
use tokensource::decide::versions::Role;
use tokensource::decide::{
    Ask, Cause, Link, Observed, Plan, ReferencedSecret, RequestInputs, Secrets, Upstream, UpstreamState, ask,
    decide, follow, inputs, render, token_to_sign,
};
use tokensource::oauth::{Secret as Confidential, SigningContext, USER_AGENT, build};

use crate::assertion;

/// A client id with characters that the encodings treat differently, such as a space and a slash.
const CLIENT_ID: &str = "1PpG/Q 1";
/// A client secret with such characters: a slash, a colon, a plus and an equals sign.
pub(crate) const CLIENT_SECRET: &str = "z/tZ9VwFZqApmIQ+ZH1I5pLk/uB4ud:X2/8bL+wfFTt1rFw=";

/// A user name as a user would type it.
const USERNAME: &str = "some one@example.com";
const PASSWORD: &str = "p&ss=w+rd%~";

/// Tokens that are sent: to be exchanged, and to get others.
const SUBJECT_TOKEN: &str = "eyJ.subject+/=.~";
const SERVICE_ACCOUNT_TOKEN: &str = "eyJ.service-account.token";
const TOKEN_OF_ANOTHER: &str = "eyJ.token-of-another-token-source";
const REFRESH_TOKEN: &str = "Atzr|1000.seed+/=~";

/// Made with openssl for this test. The key of the certificate was deleted immediately, and only the thumbprint is used.
const CERTIFICATE: &str = include_str!("certificate.pem");

/// The time of every request: 2026-01-01T00:00:00Z.
pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap()
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Compares with the file of this name, or writes it.
pub(crate) fn compare(directory: &str, name: &str, text: &str) {
    let golden = root().join("tests/golden").join(directory).join(name).with_extension("http");
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        fs::write(&golden, text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&golden).unwrap_or_default(), "{}", golden.display());
}

/// A `TokenSource` and the Secrets it names.
pub(crate) struct Example {
    pub(crate) source: TokenSource,
    secrets: BTreeMap<Role, Secret>,
    /// The `TokenSource`s of the same file whose tokens are used.
    upstreams: Vec<TokenSource>,
    /// Values that the provider requires in a prepared form, by key.
    prepared: BTreeMap<&'static str, &'static str>,
}

impl Example {
    /// Reads an example from a file below `deploy/examples`.
    pub(crate) fn load(file: &str, name: &str) -> Self {
        let path = root().join("deploy/examples").join(file).with_extension("yaml");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        let find = |kind: &str, name: &str| {
            let found =
                documents.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
            found.cloned().unwrap_or_else(|| panic!("{file} has no {kind} {name}"))
        };
        let secret = |name: &String| serde_json::from_value(find("Secret", name)).unwrap();
        let source: TokenSource = serde_json::from_value(find("TokenSource", name)).unwrap();
        let provider = source.spec.provider.as_ref().unwrap();
        let found = |role: Role| Some((role, secret(&role.secret_name(&source.spec, provider)?.to_owned())));
        let roles = [Role::Credentials, Role::Subject, Role::Actor, Role::Assertion];
        let secrets = roles.into_iter().filter_map(found).collect();
        let upstream = |name: &str| serde_json::from_value(find("TokenSource", name)).unwrap();
        let upstreams = provider.token_sources().into_iter().map(upstream).collect();
        Self { secrets, upstreams, source, prepared: BTreeMap::new() }
    }

    /// Replaces values in the Secrets.
    pub(crate) fn with<const COUNT: usize>(
        mut self,
        prepared: [(&'static str, &'static str); COUNT],
    ) -> Self {
        self.prepared.extend(prepared);
        self
    }

    pub(crate) fn provider(&self) -> &TokenProviderSpec {
        self.source.spec.provider.as_ref().unwrap()
    }

    /// The inputs of the request.
    fn inputs(&self) -> RequestInputs {
        let token = |(part, source): (RequestPart, InputSource<'_>)| {
            let token = match source {
                InputSource::ServiceAccount(_) => SERVICE_ACCOUNT_TOKEN,
                InputSource::TokenSource(_) => TOKEN_OF_ANOTHER,
                InputSource::CredentialsKey(_) | InputSource::SecretKey(_) => return None,
            };
            Some((part, Confidential::new(token.to_owned())))
        };
        let mut secrets: BTreeMap<_, _> =
            self.secrets.iter().map(|(role, secret)| (*role, self.data(secret))).collect();
        RequestInputs {
            credentials: secrets.remove(&Role::Credentials).unwrap_or_default(),
            secrets,
            tokens: self.provider().inputs().filter_map(token).collect(),
        }
    }

    /// The content of the token that the controller signs.
    fn signed(&self, signing: &SigningContext) -> Option<String> {
        let to_sign = token_to_sign(&self.source.spec, self.provider(), &self.inputs()).unwrap()?;
        let token = to_sign.assertion.token(signing).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((token.issued_at, token.token_type.as_str()), (now(), "Bearer"));
        let (expires, text) = (token.expires_at.to_rfc3339(), token.access_token.expose());
        Some(format!("no request\nexpires: {expires}\n\n{}", assertion::readable(text)))
    }

    pub(crate) fn ask(&self, refresh_token: Option<&str>) -> Ask {
        let refresh_token = refresh_token.map(|token| Confidential::new(token.to_owned()));
        let (provider, inputs) = (self.provider(), self.inputs());
        ask(&self.source.spec, provider, &inputs, refresh_token.as_ref())
            .unwrap_or_else(|failure| panic!("{failure:?}"))
    }

    /// Request line, headers by name, empty line, body. Signed parts are verified, and shown decoded after the body, because
    /// a signature may differ each time.
    pub(crate) fn request(&self, refresh_token: Option<&str>) -> String {
        let signing = SigningContext { now: now(), nonce: "nonce".to_owned() };
        if let Some(text) = self.signed(&signing) {
            return text;
        }
        let wire =
            build(&self.ask(refresh_token).request, &signing).unwrap_or_else(|error| panic!("{error}"));
        let mut headers: Vec<String> = wire
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
            .collect();
        headers.sort();
        let headers = headers.concat().replace(USER_AGENT, "tokensource/VERSION");
        let body = std::str::from_utf8(&wire.body).unwrap();
        let method = match wire.method {
            RequestMethod::Post => "POST",
            RequestMethod::Get => "GET",
        };
        let mut text = format!("{method} {}\n{headers}\n{body}\n", wire.endpoint.url());
        for signed in wire.signed.iter().map(Confidential::expose) {
            assert_eq!(text.matches(signed).count(), 1, "the assertion is in the request once");
            text = format!("{}\n{}", text.replace(signed, "ASSERTION"), assertion::readable(signed));
        }
        text
    }

    /// Checks that the product would request a token immediately.
    pub(crate) fn assert_admitted(&self) {
        let mut secrets = Secrets::default();
        for (role, secret) in &self.secrets {
            *secrets.of_mut(*role) = facts(secret);
        }
        secrets.upstreams = self.upstreams.iter().map(ready).collect();
        let (spec, provider) = (&self.source.spec, self.provider());
        let name = self.source.metadata.name.as_deref().unwrap();
        let status = TokenSourceStatus::default();
        let observed = Observed {
            namespace: "payments",
            name,
            uid: "uid",
            fingerprints: inputs::fingerprints(spec, 1, provider, &secrets),
            secrets,
            template_problem: render::check(&spec.target, &provider.response.keep).err(),
            upstream_has_owner: follow(name, |name| self.link(name)).has_owner,
            ..Observed::new(spec, &status, Ok(provider), now())
        };
        assert_eq!(decide(&observed), Plan::Issue(Cause::TokenPending), "{name}");
    }

    fn link(&self, name: &str) -> Link {
        let mut all = self.upstreams.iter().chain([&self.source]);
        let source = all.find(|source| source.metadata.name.as_deref() == Some(name)).unwrap();
        Link::of(&source.spec, source.spec.provider.as_ref().unwrap())
    }

    /// The Secret's own keys with values that are hard to encode.
    fn data(&self, secret: &Secret) -> BTreeMap<String, ByteString> {
        let keys = secret.string_data.iter().flat_map(BTreeMap::keys);
        let value = |key: &str| self.prepared.get(key).copied().unwrap_or_else(|| usual(key));
        keys.map(|key| (key.clone(), ByteString(value(key).as_bytes().to_vec()))).collect()
    }
}

fn usual(key: &str) -> &'static str {
    match key {
        "client_id" => CLIENT_ID,
        "client_secret" => CLIENT_SECRET,
        "username" => USERNAME,
        "password" => PASSWORD,
        "private_key" => assertion::private_key(),
        "certificate" => CERTIFICATE,
        "refresh_token" => REFRESH_TOKEN,
        "token" => SUBJECT_TOKEN,
        "apikey" => "api+key/=",
        "app_key" => "dingeq+key/=",
        "app_secret" => "app+secret/=~&%",
        "subscription_key" => "0123456789abcdef",
        other => panic!("an unexpected key in the Secret: {other}"),
    }
}

/// The observation of a `TokenSource` with a token.
fn ready(source: &TokenSource) -> Upstream {
    let target = &source.spec.target;
    let hosts: Vec<_> = target.allowed_hosts.iter().map(|host| host.0.as_str()).collect();
    let state = UpstreamState::Ready(ReferencedSecret::Present {
        name: target.name.clone().unwrap(),
        uid: "uid".to_owned(),
        resource_version: "1".to_owned(),
        allowed_hosts: (!hosts.is_empty()).then(|| hosts.join(",")),
    });
    Upstream { name: source.metadata.name.clone().unwrap(), state }
}

/// The observation of a Secret.
fn facts(secret: &Secret) -> ReferencedSecret {
    let metadata = &secret.metadata;
    let annotations = metadata.annotations.as_ref();
    ReferencedSecret::Present {
        name: metadata.name.clone().unwrap(),
        uid: "uid".to_owned(),
        resource_version: "1".to_owned(),
        allowed_hosts: annotations.and_then(|all| all.get(annotation::ALLOWED_HOSTS)).cloned(),
    }
}
