//! Compares the CRDs of the cluster with this program's. Pure.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion,
};
use kube::ResourceExt;
use serde_json::Value;

use super::facts::Facts;
use super::finding::{Check, Finding};
use super::versions;

const APPLY: &str = "Apply the CRDs of the controller's version: upgrade the chart or the kustomization, or run \
                     `tokensource crd | kubectl apply --server-side -f -` with the program of that version.";

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (ours, found) in &facts.definitions {
        let name = ours.name_any();
        match found {
            Err(why) => {
                findings.push(Check::Definitions.not_checked(format!("CRD {name} could not be read: {why}")));
            }
            Ok(None) => findings.push(Check::Definitions.failure(
                "DefinitionMissing",
                format!("CRD {name} is not installed."),
                APPLY,
            )),
            Ok(Some(theirs)) => findings.extend(judge(ours, theirs, &name, facts)),
        }
    }
    if findings.is_empty() {
        let count = facts.definitions.len();
        findings.push(
            Check::Definitions.ok(format!("The {count} CRDs are installed and equal to this program's.")),
        );
    }
    findings
}

fn judge(
    ours: &CustomResourceDefinition,
    theirs: &CustomResourceDefinition,
    name: &str,
    facts: &Facts,
) -> Vec<Finding> {
    let Some(our_version) = ours.spec.versions.first() else { return Vec::new() };
    let version = theirs.spec.versions.iter().find(|version| version.name == our_version.name);
    let Some(version) = version.filter(|version| version.served) else {
        return vec![Check::Definitions.failure(
            "VersionNotServed",
            format!("CRD {name} does not serve {}.", our_version.name),
            APPLY,
        )];
    };
    let mut findings = Vec::new();
    let conditions = theirs.status.as_ref().and_then(|status| status.conditions.as_ref());
    let refused = conditions.into_iter().flatten().find(|condition| {
        ["Established", "NamesAccepted"].contains(&condition.type_.as_str()) && condition.status == "False"
    });
    if let Some(condition) = refused {
        let why = condition.message.clone().unwrap_or_default();
        findings.push(Check::Definitions.failure(
            "DefinitionNotEstablished",
            format!("CRD {name} is not established: {why}"),
            "Another CRD may use the same names. Read the conditions of the CRD.",
        ));
    }
    if let Some(place) = difference(our_version, version) {
        let message = format!("CRD {name} differs from this program's: {place}.");
        // A program of another version than the controller's is expected to differ.
        findings.push(if versions::differ(facts) {
            Check::Definitions.warning(
                "DefinitionDiffers",
                message,
                "Use the program of the controller's version for this check.",
            )
        } else {
            Check::Definitions.failure(
                "DefinitionOutdated",
                message,
                format!("The API server drops fields that a CRD lacks, without an error. {APPLY}"),
            )
        });
    }
    findings.extend(storage(theirs, name));
    findings
}

/// A warning if objects may be stored in a version that is not served, or if a webhook converts versions.
fn storage(theirs: &CustomResourceDefinition, name: &str) -> Option<Finding> {
    let strategy = theirs.spec.conversion.as_ref().map_or("None", |conversion| conversion.strategy.as_str());
    let stored = theirs.status.as_ref().and_then(|status| status.stored_versions.clone()).unwrap_or_default();
    let served =
        |name: &String| theirs.spec.versions.iter().any(|version| version.name == *name && version.served);
    let unserved: Vec<_> = stored.iter().filter(|version| !served(version)).cloned().collect();
    if !unserved.is_empty() {
        return Some(Check::Definitions.warning(
            "StoredVersionNotServed",
            format!(
                "CRD {name} may have objects stored as {}, which is not served.",
                unserved.join(", ")
            ),
            "Write every object once (kubectl get … -o yaml | kubectl replace -f -), then remove the version from \
             status.storedVersions of the CRD.",
        ));
    }
    (strategy != "None").then(|| {
        Check::Definitions.warning(
            "ConversionWebhook",
            format!("CRD {name} converts versions with a webhook, which this version does not have."),
            APPLY,
        )
    })
}

/// Where the first difference is; None if there is none.
fn difference(
    ours: &CustomResourceDefinitionVersion,
    theirs: &CustomResourceDefinitionVersion,
) -> Option<String> {
    let value = |version: &CustomResourceDefinitionVersion| {
        serde_json::json!({
            "schema": version.schema, "subresources": version.subresources,
            "columns": version.additional_printer_columns.as_ref().map(|columns| {
                columns.iter().map(|column| (&column.name, &column.json_path)).collect::<Vec<_>>()
            }),
        })
    };
    first_difference(&value(ours), &value(theirs), &mut Vec::new())
}

fn first_difference<'a>(ours: &'a Value, theirs: &'a Value, path: &mut Vec<&'a str>) -> Option<String> {
    let (Value::Object(left), Value::Object(right)) = (ours, theirs) else {
        return (ours != theirs).then(|| format!("{} is another one", place(path)));
    };
    let keys = left.keys().chain(right.keys().filter(|key| !left.contains_key(*key)));
    for key in keys {
        path.push(key);
        let (ours, theirs) = (left.get(key).unwrap_or(&Value::Null), right.get(key).unwrap_or(&Value::Null));
        let found = match (ours, theirs) {
            (ours, Value::Null) if !ours.is_null() => Some(format!("{} is missing", place(path))),
            (Value::Null, theirs) if !theirs.is_null() => Some(format!("{} is unknown here", place(path))),
            _ => first_difference(ours, theirs, path),
        };
        if found.is_some() {
            return found;
        }
        path.pop();
    }
    None
}

/// The path of a field without the words of the schema around it.
fn place(path: &[&str]) -> String {
    let words = ["schema", "openAPIV3Schema", "properties", "items"];
    let path: Vec<&str> = path.iter().filter(|part| !words.contains(part)).copied().collect();
    if path.is_empty() { "the schema".to_owned() } else { path.join(".") }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{controller, facts, results};
    use super::*;
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceConversion;
    use serde_json::json;

    type Change = fn(&mut CustomResourceDefinition);

    /// The findings if the cluster has a changed CRD of TokenSources.
    fn found(change: Change) -> Vec<Finding> {
        let mut facts = facts();
        if let Ok(Some(definition)) = &mut facts.definitions[0].1 {
            change(definition);
        }
        check(&facts)
    }

    fn without_renewal(definition: &mut CustomResourceDefinition) {
        let mut version = json!(definition.spec.versions[0]);
        let spec = version.pointer_mut("/schema/openAPIV3Schema/properties/spec/properties").unwrap();
        spec.as_object_mut().unwrap().remove("renewal");
        definition.spec.versions[0] = serde_json::from_value(version).unwrap();
    }

    #[test]
    fn definitions_are_judged() {
        let condition = |definition: &mut CustomResourceDefinition| {
            definition.status = serde_json::from_value(json!({
                "conditions": [{"type": "Established", "status": "False", "message": "m"}], "storedVersions": [],
            }))
            .unwrap();
        };
        let stored = |definition: &mut CustomResourceDefinition| {
            definition.status =
                serde_json::from_value(json!({"storedVersions": ["v1alpha0", "v1alpha1"]})).unwrap();
        };
        let cases: [(Change, &[&str]); 6] = [
            (|_| {}, &["ok Ok"]),
            (without_renewal, &["failure DefinitionOutdated"]),
            (|found| found.spec.versions[0].served = false, &["failure VersionNotServed"]),
            (condition, &["failure DefinitionNotEstablished"]),
            (stored, &["warning StoredVersionNotServed"]),
            (
                |found| {
                    found.spec.conversion =
                        Some(CustomResourceConversion { strategy: "Webhook".to_owned(), webhook: None });
                },
                &["warning ConversionWebhook"],
            ),
        ];
        for (at, (change, expected)) in cases.into_iter().enumerate() {
            assert_eq!(results(&found(change)), expected, "case {at}");
        }
    }

    #[test]
    fn missing_and_unreadable_definitions_are_told_apart() {
        let mut facts = facts();
        facts.definitions[0].1 = Ok(None);
        facts.definitions[1].1 = Err("forbidden".to_owned());
        assert_eq!(results(&check(&facts)), ["failure DefinitionMissing", "notChecked NotChecked"]);
    }

    #[test]
    fn first_difference_is_named() {
        let message = &found(without_renewal)[0].message;
        assert!(message.ends_with("differs from this program's: spec.renewal is missing."), "{message}");
    }

    #[test]
    fn program_of_another_version_is_expected_to_differ() {
        let mut facts = facts();
        if let Ok(Some(definition)) = &mut facts.definitions[0].1 {
            without_renewal(definition);
        }
        facts.leases.clear();
        facts.controllers =
            Ok(vec![super::super::facts::Controller { version: Some("0.0.1".to_owned()), ..controller() }]);
        assert_eq!(results(&check(&facts)), ["warning DefinitionDiffers"]);
    }
}
