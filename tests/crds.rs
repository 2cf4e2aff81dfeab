//! The CRDs: printed under their own names, with rules that people can read. The admission policies must check every
//! reference of a provider, and the rule about `signedToken` must name every field of a request. `tests/generated` checks
//! that `crds/` is what the code generates. Knows these files; must not know the use of a field.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test: also in its helpers

use std::fs;
use std::path::Path;

use serde_json::Value;
use tokensource::api::definitions;
use tokensource::cli::print_definitions;

/// The files of the CRDs, in the order of [`definitions`].
const FILES: [&str; 3] = ["tokensources.yaml", "tokenproviders.yaml", "clustertokenproviders.yaml"];

fn documents() -> Vec<String> {
    let mut printed = Vec::new();
    print_definitions(&mut printed).unwrap();
    let printed = format!("\n{}", String::from_utf8(printed).unwrap());
    printed.split("\n---\n").skip(1).map(|document| format!("{}\n", document.trim_end())).collect()
}

#[test]
fn each_definition_is_printed_under_its_own_name() {
    let named = definitions().into_iter().zip(documents()).zip(FILES);
    for ((definition, document), file) in named {
        let name = definition.metadata.name.as_deref().unwrap();
        assert_eq!(name.strip_suffix(".tokensource.dev"), file.strip_suffix(".yaml"));
        let read: serde_json::Value = serde_saphyr::from_str(&document).unwrap();
        assert_eq!(read, serde_json::to_value(&definition).unwrap(), "{file}");
    }
}

fn yaml(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    serde_saphyr::from_multiple(&text).unwrap()
}

/// Every property below a schema: its path, and its own schema.
fn properties<'a>(schema: &'a Value, path: &[String], found: &mut Vec<(Vec<String>, &'a Value)>) {
    let below = [schema.get("items"), schema.get("additionalProperties"), Some(schema)];
    for schema in below.into_iter().flatten() {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = [path, std::slice::from_ref(name)].concat();
            properties(property, &path, found);
            found.push((path, property));
        }
    }
}

fn schema(file: &str) -> Value {
    yaml(&format!("crds/{file}"))[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// The API server shows a `pattern` to people as a regular expression, while a rule has a message.
#[test]
fn no_person_is_shown_a_regular_expression() {
    for file in FILES {
        let schema = schema(file);
        let mut found = Vec::new();
        properties(&schema["properties"]["spec"], &[], &mut found);
        assert!(found.len() > 40, "{file}");
        for (path, property) in found {
            let below = [Some(property), property.get("items"), property.get("additionalProperties")];
            for schema in below.into_iter().flatten() {
                assert!(schema.get("pattern").is_none(), "{file}: {path:?} has a pattern");
                for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
                    assert!(rule["message"].is_string(), "{file}: {path:?} has a rule without a message");
                }
            }
        }
    }
}

const POLICIES: [&str; 3] =
    ["tokensource-references", "tokensource-provider-references", "tokensource-cluster-provider-references"];

/// Finds references of the provider block that are missing in the policies.
#[test]
fn every_reference_of_a_provider_is_judged_by_all_policies() {
    let schema = schema("tokenproviders.yaml");
    let mut found = Vec::new();
    properties(&schema["properties"]["spec"], &[], &mut found);
    let references: Vec<_> = found
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| path.last().is_some_and(|name| name.ends_with("Ref") || name == "serviceAccountToken"))
        .collect();
    assert!(references.len() >= 5, "{references:?}");
    let documents = yaml("deploy/kustomize/policy/policy.yaml");
    for policy in POLICIES {
        let named = |kind: &str| {
            let found = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == policy;
            documents.iter().find(found).unwrap_or_else(|| panic!("{kind} {policy}"))
        };
        assert_eq!(named("ValidatingAdmissionPolicyBinding")["spec"]["validationActions"][0], "Deny");
        let variables = named("ValidatingAdmissionPolicy")["spec"]["variables"].as_array().unwrap();
        let judged: String = variables
            .iter()
            .filter(|variable| {
                ["secrets", "configMaps", "serviceAccounts", "tokenSources"]
                    .iter()
                    .any(|name| variable["name"] == *name)
            })
            .map(|variable| variable["expression"].as_str().unwrap())
            .collect();
        for path in &references {
            let [.., parent, field] = &path[..] else { panic!("{path:?} is in no block of its own") };
            let known = [format!("variables.{parent}"), format!(".{field}")];
            assert!(known.iter().all(|words| judged.contains(words)), "{policy} does not check {path:?}");
        }
    }
}

/// The rule lists the fields of a request by hand: a new field must be added to the rule, or to `elsewhere` if it has another
/// meaning.
#[test]
fn token_that_is_signed_here_refuses_every_field_of_a_request() {
    let elsewhere = ["tokenEndpoint", "issuer", "signedToken", "revocation", "timeout", "tls"];
    let definition = serde_json::to_value(&definitions()[1]).unwrap();
    assert_eq!(definition["spec"]["names"]["kind"], "TokenProvider");
    let spec = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let rules = spec["x-kubernetes-validations"].as_array().unwrap();
    let rule = rules
        .iter()
        .find(|rule| rule["message"].as_str().unwrap().starts_with("signedToken sends no request"))
        .unwrap()["rule"]
        .as_str()
        .unwrap();
    for field in spec["properties"].as_object().unwrap().keys() {
        let is_refused = rule.contains(&format!("has(self.{field})")) && field != "signedToken";
        assert_ne!(is_refused, elsewhere.contains(&field.as_str()), "{field}");
    }
}
