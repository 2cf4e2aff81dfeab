//! Reads manifests from files. Keeps the kinds that a token request depends on and ignores others. Must not know how an
//! object is used. Must not quote the content of a Secret, of a ConfigMap, or of a file that is not YAML, because the
//! content may be secret.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::report::Problem;
use super::schema::Schemas;
use crate::api::{ClusterTokenProvider, TokenProvider, TokenSource};
use crate::cli::Error;
use crate::decide::publication::Data;
use crate::panics::contain;

/// The only version of the CRDs.
const OUR_VERSION: &str = "tokensource.dev/v1alpha1";
const OUR_KINDS: [&str; 3] = ["TokenSource", "TokenProvider", "ClusterTokenProvider"];

#[derive(Default)]
pub(super) struct Manifests {
    pub(super) sources: Vec<TokenSource>,
    providers: Vec<TokenProvider>,
    cluster_providers: Vec<ClusterTokenProvider>,
    secrets: Vec<Secret>,
    config_maps: Vec<ConfigMap>,
    /// Files and objects that could not be read, and fields that the kind of an object does not have.
    pub(super) problems: Vec<Problem>,
}

impl Manifests {
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, Error> {
        let schemas = Schemas::of_our_kinds();
        let mut manifests = Self::default();
        for path in files {
            let text = contents(path).map_err(|source| Error::Read { path: path.clone(), source })?;
            manifests.add_all(&path.display().to_string(), &text, &schemas);
        }
        if manifests.sources.is_empty() && manifests.problems.is_empty() {
            manifests.problem("These manifests", "hold no TokenSource: there is nothing to check.");
        }
        Ok(manifests)
    }

    fn add_all(&mut self, file: &str, text: &str, schemas: &Schemas) {
        let Ok(read) = contain(|| serde_saphyr::from_multiple::<Value>(text)) else {
            return self.problem(file, "cannot be read.");
        };
        match read {
            Ok(documents) => documents.into_iter().for_each(|document| self.add(file, document, schemas)),
            // The library's error is not shown, because it quotes the surrounding lines.
            Err(error) => self.problem(
                file,
                &match error.location() {
                    Some(at) => format!("is not YAML: see line {}, column {}.", at.line(), at.column()),
                    None => "is not YAML.".to_owned(),
                },
            ),
        }
    }

    fn add(&mut self, file: &str, document: Value, schemas: &Schemas) {
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (text("/apiVersion"), text("/kind"));
        let object = format!("{kind} {}", text("/metadata/name"));
        match (version.split_once('/').map_or("", |(group, _)| group), kind) {
            _ if document.is_null() => {}
            (_, "") => self.problem(file, "has a document without apiVersion and kind."),
            ("", "List") => {
                let items = document.pointer("/items").and_then(Value::as_array).cloned().unwrap_or_default();
                for item in items {
                    self.add(file, item, schemas);
                }
            }
            (_, kind) if OUR_KINDS.contains(&kind) && version != OUR_VERSION => self.problem(
                &object,
                &format!("has apiVersion {version}, which does not exist: write {OUR_VERSION}."),
            ),
            (crate::api::GROUP, kind) => {
                for field in schemas.unknown_fields(kind, &document) {
                    self.problem(
                        &object,
                        &format!("has no field {field}: correct its name, or its position."),
                    );
                }
                let read = match kind {
                    "TokenSource" => push(&mut self.sources, document),
                    "TokenProvider" => push(&mut self.providers, document),
                    "ClusterTokenProvider" => push(&mut self.cluster_providers, document),
                    _ => Err("has a kind that this API group does not have.".to_owned()),
                };
                self.remember(&object, read);
            }
            // serde's error is not shown, because it may quote a secret.
            ("", "Secret") => {
                let read = push(&mut self.secrets, document);
                let why = "cannot be read: data must contain base64, and stringData plain text.".to_owned();
                self.remember(&object, read.map_err(|_| why));
            }
            ("", "ConfigMap") => {
                let read = push(&mut self.config_maps, document);
                self.remember(
                    &object,
                    read.map_err(|_| "cannot be read: data must contain strings.".to_owned()),
                );
            }
            _ => {}
        }
    }

    fn remember(&mut self, object: &str, read: Result<(), String>) {
        if let Err(why) = read {
            self.problem(object, &why);
        }
    }

    fn problem(&mut self, object: &str, message: &str) {
        self.problems.push(Problem { object: object.to_owned(), message: message.to_owned() });
    }

    pub(super) fn provider(&self, namespace: Option<&str>, name: &str) -> Option<&TokenProvider> {
        find(&self.providers, namespace, name)
    }

    pub(super) fn cluster_provider(&self, name: &str) -> Option<&ClusterTokenProvider> {
        find(&self.cluster_providers, None, name)
    }

    pub(super) fn secret(&self, namespace: Option<&str>, name: &str) -> Option<&Secret> {
        find(&self.secrets, namespace, name)
    }

    pub(super) fn config_map(&self, namespace: Option<&str>, name: &str) -> Option<&ConfigMap> {
        find(&self.config_maps, namespace, name)
    }
}

/// The data of a Secret as the API server would store it, with `stringData`.
pub(super) fn data(secret: &Secret) -> Data {
    let mut data: BTreeMap<_, _> = secret.data.clone().unwrap_or_default();
    let texts = secret.string_data.iter().flatten();
    data.extend(texts.map(|(key, text)| (key.clone(), k8s_openapi::ByteString(text.clone().into_bytes()))));
    data
}

fn contents(path: &Path) -> std::io::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(path)
}

fn push<T: DeserializeOwned>(into: &mut Vec<T>, document: Value) -> Result<(), String> {
    let object = serde_json::from_value(document).map_err(|error| format!("cannot be read: {error}."))?;
    into.push(object);
    Ok(())
}

/// Finds an object. A manifest without a namespace matches every namespace, because it could be applied to any.
fn find<'a, T: ResourceExt>(all: &'a [T], namespace: Option<&str>, name: &str) -> Option<&'a T> {
    all.iter().find(|object| {
        let differs = object.namespace().zip(namespace).is_some_and(|(theirs, ours)| theirs != ours);
        object.name_any() == name && !differs
    })
}
