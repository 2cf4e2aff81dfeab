//! The complete request for each provider whose documentation the project was built from, byte for byte, made from
//! the very manifest that the documentation shows (`deploy/examples`).
//! Knows manifests and bytes; must not know how one becomes the other. `UPDATE_GOLDEN=1` writes the files anew.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test: also in its helpers

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use tokensource::api::{Reason, TokenProviderSpec, TokenSource, TokenSourceStatus, annotation};
use tokensource::decide::{Credentials, Materials, Observed, Plan, Secrets, Target, ask, decide, inputs};
use tokensource::oauth::{Moment, Secret as Confidential, build};

/// The vectors of RFC 6749's errata: every character that one of the encodings treats specially.
const CLIENT_ID: &str = "1PpG/Q 1";
const CLIENT_SECRET: &str = "z/tZ9VwFZqApmIQ+ZH1I5pLk/uB4ud:X2/8bL+wfFTt1rFw=";

/// What a user of Apiax would type, and the refresh token that came of it.
const USERNAME: &str = "some one@example.com";
const PASSWORD: &str = "p&ss=w+rd%~";
const REFRESH_TOKEN: &str = "eyJ+refresh/=";

/// File of the manifest, name of the `TokenSource` in it.
const REQUESTS: [(&str, &str); 6] = [
    ("prisjakt", "prisjakt"),
    ("pliant", "pliant"),
    ("pliant", "pliant-sandbox"),
    ("v2", "v2"),
    ("ocrolus", "ocrolus"),
    ("apiax", "apiax"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The `TokenSource` of this name and the Secret it names.
fn example(file: &str, name: &str) -> (TokenSource, Secret) {
    let text = fs::read_to_string(root().join("deploy/examples").join(file).with_extension("yaml")).unwrap();
    let documents: Vec<serde_json::Value> =
        text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect();
    let find = |kind: &str, name: &str| {
        let found =
            documents.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
        found.cloned().unwrap_or_else(|| panic!("{file} has no {kind} {name}"))
    };
    let source: TokenSource = serde_json::from_value(find("TokenSource", name)).unwrap();
    let secret = &source.spec.credentials_ref.as_ref().unwrap().name;
    let secret = serde_json::from_value(find("Secret", secret)).unwrap();
    (source, secret)
}

/// The Secret's own keys with values that are hard to encode.
fn data(secret: &Secret) -> BTreeMap<String, ByteString> {
    let value = |key: &str| match key {
        "client_id" => CLIENT_ID,
        "client_secret" => CLIENT_SECRET,
        "username" => USERNAME,
        "password" => PASSWORD,
        other => panic!("an unexpected key in the Secret: {other}"),
    };
    let keys = secret.string_data.as_ref().unwrap().keys();
    keys.map(|key| (key.clone(), ByteString(value(key).as_bytes().to_vec()))).collect()
}

fn request(
    source: &TokenSource,
    provider: &TokenProviderSpec,
    secret: &Secret,
    refresh_token: Option<&str>,
) -> String {
    let refresh_token = refresh_token.map(|token| Confidential::new(token.to_owned()));
    let materials = Materials { credentials: data(secret), ..Materials::default() };
    let ask = ask(&source.spec, provider, &materials, refresh_token.as_ref())
        .unwrap_or_else(|failure| panic!("{failure:?}"));
    let wire = build(
        &ask.request,
        &Moment { now: DateTime::UNIX_EPOCH, nonce: "nonce".to_owned() },
        "tokensource/VERSION",
    )
    .unwrap();
    let mut headers: Vec<String> =
        wire.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect();
    headers.sort();
    let body = std::str::from_utf8(&wire.body).unwrap();
    format!("POST {}\n{}\n{body}\n", wire.endpoint.url(), headers.concat())
}

#[test]
fn the_requests_are_the_documented_ones_byte_for_byte() {
    let first = REQUESTS.iter().map(|(file, name)| (*file, *name, (*name).to_owned(), None));
    let refresh = ("apiax", "apiax", "apiax-refresh".to_owned(), Some(REFRESH_TOKEN));
    for (file, name, golden, refresh_token) in first.chain([refresh]) {
        let (source, secret) = example(file, name);
        let request = request(&source, source.spec.provider.as_ref().unwrap(), &secret, refresh_token);
        let golden = root().join("tests/golden/requests").join(golden).with_extension("http");
        if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
            fs::write(&golden, &request).unwrap();
        }
        assert_eq!(request, fs::read_to_string(&golden).unwrap_or_default(), "{}", golden.display());
    }
}

#[test]
fn the_examples_are_admitted_as_they_stand() {
    for (file, name) in REQUESTS {
        let (source, secret) = example(file, name);
        let provider = source.spec.provider.as_ref().unwrap();
        let credentials = Credentials::Present {
            name: secret.metadata.name.unwrap(),
            uid: "uid".to_owned(),
            resource_version: "1".to_owned(),
            allowed_hosts: secret.metadata.annotations.unwrap().remove(annotation::ALLOWED_HOSTS),
        };
        let secrets = Secrets { credentials, ..Secrets::default() };
        let observed = Observed {
            now: DateTime::UNIX_EPOCH,
            name,
            uid: "uid",
            generation: 1,
            deleting: false,
            spec: &source.spec,
            status: &TokenSourceStatus::default(),
            renew_request: None,
            provider: Ok(provider),
            inputs: inputs::fingerprint(&source.spec, 1, provider, &secrets),
            secrets,
            target: Target::Missing,
            refresh_conflict: None,
            rival: None,
            held: None,
            probed: None,
        };
        assert_eq!(decide(&observed), Plan::Mint(Reason::TokenPending), "{name}");
    }
}
