//! Reads manifests from files, moves them into a test's namespace, and redirects them to local providers.
//!
//! Knows YAML and the few fields of our kinds that name hosts or credentials. Must not know a cluster (that is
//! `apply`) nor the product's types: a manifest stays as the user wrote it.

use std::collections::BTreeMap;
use std::path::Path;

use kube::api::DynamicObject;
use serde_json::{Value, json};

/// The annotation that binds credentials to hosts.
pub const ALLOWED_HOSTS: &str = "tokensource.dev/allowed-hosts";

/// The kinds without a namespace that the manifests use.
const CLUSTER_SCOPED: [&str; 7] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterTokenProvider",
    "CustomResourceDefinition",
    "Namespace",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];

/// Reads a file with any number of YAML or JSON documents.
pub fn load(path: impl AsRef<Path>) -> Vec<DynamicObject> {
    let path = path.as_ref();
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()));
    read(&text).unwrap_or_else(|error| panic!("{} is no manifest: {error}", path.display()))
}

/// Reads any number of YAML or JSON documents from text.
pub fn parse(text: &str) -> Vec<DynamicObject> {
    read(text).unwrap_or_else(|error| panic!("no manifest: {error}, in:\n{text}"))
}

fn read(text: &str) -> Result<Vec<DynamicObject>, String> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?;
    documents
        .into_iter()
        .map(|document| {
            let object: DynamicObject =
                serde_json::from_value(document).map_err(|error| error.to_string())?;
            object
                .types
                .is_some()
                .then_some(object)
                .ok_or_else(|| "a document without apiVersion and kind".into())
        })
        .collect()
}

/// Moves all namespaced objects into this namespace.
pub fn into_namespace(objects: &mut [DynamicObject], namespace: &str) {
    for object in objects {
        if !CLUSTER_SCOPED.contains(&kind(object)) {
            object.metadata.namespace = Some(namespace.to_owned());
        }
    }
}

/// From a documented host to a local host.
#[derive(Clone, Copy, Debug)]
pub struct Redirection<'a> {
    /// The host in the manifest, for example `auth.pj.nu`.
    pub from_host: &'a str,
    /// The replacement, for example `localhost:34567`.
    pub to_host: &'a str,
    /// The authority that issued the local host's certificate, as PEM.
    pub ca_pem: &'a str,
}

/// Replaces a host in every URL of a provider that a request is sent to, the URL of a probe, and `allowed-hosts`. A provider
/// whose host is replaced also gets the local authority as its `tls.caBundle`.
pub fn redirect(objects: &mut [DynamicObject], redirection: &Redirection<'_>) {
    for object in objects {
        let provider = match kind(object) {
            "TokenSource" => object.data.pointer_mut("/spec/provider"),
            "TokenProvider" | "ClusterTokenProvider" => object.data.pointer_mut("/spec"),
            _ => None,
        };
        if let Some(provider) = provider {
            redirect_provider(provider, redirection);
        }
        if let Some(url) = object.data.pointer_mut("/spec/renewal/probe/url") {
            redirect_url(url, redirection);
        }
        redirect_binding(object, redirection);
    }
}

fn redirect_provider(provider: &mut Value, redirection: &Redirection<'_>) {
    let mut moved = false;
    for field in ["/tokenEndpoint", "/issuer", "/refresh/tokenEndpoint", "/revocation/endpoint"] {
        moved |= provider.pointer_mut(field).is_some_and(|url| redirect_url(url, redirection));
    }
    if moved {
        provider["tls"]["caBundle"] = json!(redirection.ca_pem);
    }
}

/// Replaces the host in the string, because a parsed and printed URL may differ from the written URL.
fn redirect_url(url: &mut Value, redirection: &Redirection<'_>) -> bool {
    let Some((authority, rest)) = url
        .as_str()
        .and_then(|url| url.strip_prefix("https://"))
        .map(|rest| rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())))
    else {
        return false;
    };
    let moved = is_host(authority, redirection.from_host);
    if moved {
        *url = json!(format!("https://{}{rest}", redirection.to_host));
    }
    moved
}

fn redirect_binding(object: &mut DynamicObject, redirection: &Redirection<'_>) {
    let annotation = object.metadata.annotations.as_mut().and_then(|all| all.get_mut(ALLOWED_HOSTS));
    let Some(annotation) = annotation else { return };
    if !annotation.split(',').any(|host| is_host(host.trim(), redirection.from_host)) {
        return;
    }
    let mut hosts: Vec<&str> = Vec::new();
    for host in annotation.split(',').map(str::trim) {
        let host = if is_host(host, redirection.from_host) { redirection.to_host } else { host };
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    *annotation = hosts.join(",");
}

/// Fills real credentials into the Secrets that allow this host, for the keys which they already have.
pub fn fill_credentials(objects: &mut [DynamicObject], host: &str, credentials: &BTreeMap<&str, String>) {
    for object in objects.iter_mut().filter(|object| kind(object) == "Secret") {
        let annotations = object.metadata.annotations.as_ref();
        let bound = annotations.and_then(|all| all.get(ALLOWED_HOSTS)).map_or("", String::as_str);
        if !bound.split(',').any(|bound| bound.trim() == host) {
            continue;
        }
        for (key, value) in credentials {
            if let Some(placeholder) = object.data.get_mut("stringData").and_then(|data| data.get_mut(*key)) {
                *placeholder = json!(value);
            }
        }
    }
}

fn is_host(written: &str, host: &str) -> bool {
    let without_port = written.strip_suffix(":443").unwrap_or(written);
    without_port.eq_ignore_ascii_case(host)
}

fn kind(object: &DynamicObject) -> &str {
    object.types.as_ref().map_or("", |types| types.kind.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRISJAKT: &str = "
apiVersion: v1
kind: Secret
metadata:
  name: prisjakt-client
  annotations: {tokensource.dev/allowed-hosts: \"auth.pj.nu, api.pj.nu,other.example\"}
stringData: {client_id: \"…\", client_secret: \"…\"}
---
apiVersion: tokensource.dev/v1alpha1
kind: TokenSource
metadata: {name: prisjakt}
spec:
  provider:
    tokenEndpoint: https://auth.pj.nu/oauth2/token
    revocation: {endpoint: https://auth.pj.nu/oauth2/revoke, onDelete: true}
    refresh: {tokenEndpoint: \"https://api.pj.nu/refresh\"}
  renewal:
    probe: {url: https://api.pj.nu/echo, interval: 15m}
---
# nothing in here
---
apiVersion: tokensource.dev/v1alpha1
kind: ClusterTokenProvider
metadata: {name: shared}
spec: {issuer: https://auth.pj.nu}
";

    #[test]
    fn hosts_authorities_and_credentials_are_replaced() {
        let mut objects = parse(PRISJAKT);
        for from_host in ["auth.pj.nu", "api.pj.nu"] {
            redirect(&mut objects, &Redirection { from_host, to_host: "localhost:1234", ca_pem: "PEM" });
        }
        into_namespace(&mut objects, "here");
        let credentials = BTreeMap::from([("client_id", "me".to_owned()), ("username", "nobody".to_owned())]);
        fill_credentials(&mut objects, "localhost:1234", &credentials);

        let [secret, source, shared] = objects.as_slice() else { panic!("three documents: {objects:?}") };
        assert_eq!(
            secret.metadata.annotations.as_ref().unwrap()[ALLOWED_HOSTS],
            "localhost:1234,other.example"
        );
        assert_eq!(secret.data["stringData"], json!({ "client_id": "me", "client_secret": "…" }));
        assert_eq!(source.metadata.namespace.as_deref(), Some("here"));
        let provider = &source.data["spec"]["provider"];
        assert_eq!(provider["tokenEndpoint"], "https://localhost:1234/oauth2/token");
        assert_eq!(provider["revocation"]["endpoint"], "https://localhost:1234/oauth2/revoke");
        assert_eq!(provider["refresh"]["tokenEndpoint"], "https://localhost:1234/refresh");
        assert_eq!(provider["tls"]["caBundle"], "PEM");
        assert_eq!(source.data["spec"]["renewal"]["probe"]["url"], "https://localhost:1234/echo");
        assert_eq!(shared.data["spec"]["issuer"], "https://localhost:1234");
        assert_eq!(shared.metadata.namespace, None);
    }

    #[test]
    fn other_hosts_stay() {
        let mut objects = parse(PRISJAKT);
        redirect(&mut objects, &Redirection { from_host: "pj.nu", to_host: "localhost:1", ca_pem: "PEM" });
        assert_eq!(objects, parse(PRISJAKT));
    }

    #[test]
    #[should_panic(expected = "without apiVersion and kind")]
    fn a_document_that_is_no_object_is_refused() {
        parse("name: nobody");
    }
}
