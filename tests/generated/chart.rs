//! Generates from the chart's values the table in docs/install.md, and the names that the schema offers for a wrong name.
//! Knows the shape of a JSON Schema and of a Markdown table; must not know what a value does.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};
use tokensource_kit::chart;

use crate::root;

const SCHEMA: &str = "deploy/helm/tokensource/values.schema.json";

/// Names of values in other charts, and the names of these values in this chart.
const ELSEWHERE: [(&str, &str); 17] = [
    ("concurrent", "extraArgs"),
    ("containerSecurityContext", "securityContext"),
    ("env", "extraEnv"),
    ("http_proxy", "proxy.url"),
    ("https_proxy", "proxy.url"),
    ("labels", "commonLabels"),
    ("log", "logLevel, logFormat"),
    ("metrics", "monitoring.service"),
    ("no_proxy", "proxy.noProxy"),
    ("podMonitor", "monitoring.podMonitor"),
    ("prometheus", "monitoring"),
    ("prometheusRule", "monitoring.prometheusRule"),
    ("scopedNamespace", "namespaces"),
    ("serviceMonitor", "monitoring.serviceMonitor"),
    ("volumeMounts", "extraVolumeMounts"),
    ("volumes", "extraVolumes"),
    ("watchNamespaces", "namespaces"),
];

/// A row for each value. A path of a page in a comment becomes a link.
pub(crate) fn table() -> String {
    let mut table = String::from("| value | default | meaning |\n|---|---|---|\n");
    for value in chart::values() {
        if value.comment.is_empty() {
            assert!(value.default.is_none(), "values.yaml: {} has no comment", value.path);
            continue;
        }
        let default = value.default.map(|default| format!("`{default}`")).unwrap_or_default();
        let meaning: Vec<_> = value.comment.split(' ').map(linked).collect();
        let meaning = meaning.join(" ").replace('|', "\\|");
        writeln!(table, "| `{}` | {default} | {meaning} |", value.path).unwrap();
    }
    table
}

/// `docs/operations.md#alerts` as a link, with the brackets and full stops around it.
fn linked(word: &str) -> String {
    let Some(at) = word.find("docs/") else { return word.to_owned() };
    let (before, rest) = word.split_at(at);
    let path = rest.trim_end_matches(['.', ')', ',', ';']);
    let page = path.trim_start_matches("docs/");
    let target = page.trim_start_matches("install.md");
    let end = rest.strip_prefix(path).unwrap_or_default();
    format!("{before}[{page}]({target}){end}")
}

/// The schema, which names its properties wherever it refuses others.
pub(crate) fn schema() -> (String, String) {
    let mut schema: Value = serde_json::from_str(&fs::read_to_string(root().join(SCHEMA)).unwrap()).unwrap();
    let names = property_names(&schema["properties"]);
    schema["propertyNames"] = names;
    for member in schema["properties"].as_object_mut().unwrap().values_mut() {
        name_properties(member);
    }
    (SCHEMA.to_owned(), format!("{}\n", serde_json::to_string_pretty(&schema).unwrap()))
}

/// Below the top, helm's library reports a violated `propertyNames` at a wrong place, and a violated `const` at the right
/// place.
fn name_properties(schema: &mut Value) {
    let others = &schema["additionalProperties"];
    if *others == false || others["const"].is_string() {
        let names: Vec<_> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let sentence = format!("absent: the names here are {}", names.join(", "));
        schema["additionalProperties"] = json!({"const": sentence});
    }
    let Some(schema) = schema.as_object_mut() else { return };
    if let Some(items) = schema.get_mut("items") {
        for alternative in items.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
            name_properties(alternative);
        }
        name_properties(items);
    }
    for (_, member) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        name_properties(member);
    }
}

/// Offers the names with the same first letter, because the first letter is rarely mistyped. If no name begins with that letter,
/// offers all names.
fn property_names(properties: &Value) -> Value {
    let names: Vec<_> = properties.as_object().unwrap().keys().map(String::as_str).collect();
    let mut by_letter: BTreeMap<char, Vec<&str>> = BTreeMap::new();
    for name in &names {
        by_letter.entry(name.chars().next().unwrap()).or_default().push(name);
    }
    let known: String = by_letter.keys().collect();
    let theirs = ELSEWHERE.map(|(theirs, _)| theirs);
    let mut cases =
        Vec::from(ELSEWHERE.map(|(theirs, ours)| json!({"if": {"const": theirs}, "then": {"enum": [ours]}})));
    for (letter, names) in by_letter {
        let pattern = format!("^[{letter}{}]", letter.to_uppercase());
        cases.push(json!({"if": {"pattern": pattern, "not": {"enum": theirs}}, "then": {"enum": names}}));
    }
    let others = format!("^[^{known}{}]", known.to_uppercase());
    cases.push(json!({"if": {"pattern": others}, "then": {"enum": names}}));
    json!({"allOf": cases})
}
