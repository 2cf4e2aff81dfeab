//! The providers that are served by configuration alone (`deploy/examples/catalog`): each manifest's exact request. Knows
//! the manifests; must not know their content, except credentials that must have a special form.

use std::collections::BTreeSet;
use std::fs;

use crate::assertion;
use crate::example::{Example, compare, root};

/// Name of the file and of the `TokenSource` in it.
pub(crate) const CATALOG: [&str; 55] = [
    "auth0",
    "okta",
    "entra-certificate",
    "entra-secretless",
    "entra-v1",
    "keycloak-serviceaccount",
    "salesforce",
    "salesforce-marketing-cloud",
    "zoom",
    "paypal",
    "docusign",
    "google-service-account",
    "google-sts",
    "cognito",
    "pingone",
    "ebay",
    "ups",
    "sabre",
    "marketo",
    "adobe",
    "amazon-lwa",
    "zoho",
    "github-app",
    "maskinporten",
    "adfs-certificate",
    "keycloak-signed-jwt",
    "ibm-cloud",
    "vipps",
    "cloudsmith",
    "tailscale",
    "tailscale-federated",
    "docker-registry",
    "artifactory",
    "databricks",
    "sap-xsuaa",
    "entra-on-behalf-of",
    "netsuite",
    "servicenow",
    "box",
    "shopify",
    "amadeus",
    "crowdstrike",
    "withings",
    "xero",
    "quickbooks",
    "slack",
    "azure-devops",
    "azure-container-registry",
    "feishu",
    "dingtalk",
    "wechat",
    "vault-kubernetes",
    "google-workload-identity",
    "google-impersonation",
    "quay-robot-federation",
];

/// The manifests with two `TokenSource`s: the file, and the name of the `TokenSource` whose token the other one uses.
const FIRST: [(&str, &str); 3] = [
    ("azure-container-registry", "azure-container-registry-entra"),
    ("google-workload-identity", "google-workload-identity-sts"),
    ("google-impersonation", "google-impersonation-key"),
];

/// Manifests whose token the controller signs itself: there is no answer to read.
const SIGNED: [&str; 2] = ["app-store-connect", "snowflake-key-pair"];

/// Every manifest of the catalog.
fn all() -> impl Iterator<Item = &'static str> {
    CATALOG.into_iter().chain(SIGNED)
}

/// `yourclientid` and `yourclientsecret` in base64, as Sabre requires them in the Secret.
const SABRE: [(&str, &str); 2] =
    [("client_id", "eW91cmNsaWVudGlk"), ("client_secret", "eW91cmNsaWVudHNlY3JldA==")];

pub(crate) fn load(name: &str) -> Example {
    let example = Example::load(&format!("catalog/{name}"), name);
    match name {
        "sabre" => example.with(SABRE),
        "app-store-connect" => example.with([("private_key", assertion::p256_private_key())]),
        "keycloak-signed-jwt" => example.with([("private_key", assertion::ec_private_key())]),
        _ => example,
    }
}

#[test]
fn the_requests_are_the_recorded_ones_byte_for_byte() {
    for name in all() {
        compare("catalog", name, &load(name).request(None));
    }
    for (file, name) in FIRST {
        compare("catalog", name, &Example::load(&format!("catalog/{file}"), name).request(None));
    }
    let all = all().chain(FIRST.map(|(_, name)| name)).map(str::to_owned);
    assert_eq!(names("tests/golden/catalog"), all.collect());
}

#[test]
fn the_catalog_is_admitted_as_it_stands() {
    for name in all() {
        load(name).assert_admitted();
    }
    for (file, name) in FIRST {
        Example::load(&format!("catalog/{file}"), name).assert_admitted();
    }
}

/// The names of the files in a directory, without their end.
fn names(directory: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(directory)).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn nothing_is_left_out() {
    assert_eq!(names("deploy/examples/catalog"), all().map(str::to_owned).collect());
    let documentation = fs::read_to_string(root().join("docs/providers.md")).unwrap();
    for name in all() {
        let link = format!("](../deploy/examples/catalog/{name}.yaml)");
        assert_eq!(documentation.matches(&link).count(), 1, "docs/providers.md has one line for {name}");
    }
}
