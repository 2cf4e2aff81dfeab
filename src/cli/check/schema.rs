//! Finds fields that the kinds do not have. serde drops such fields silently. The API server drops them with a warning,
//! unless the client requests strict validation. Knows the schemas of the CRDs. Does not check their rules, which only the
//! API server can evaluate.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::definitions;

/// The schema of each kind of the API group.
pub(super) struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    pub(super) fn of_our_kinds() -> Self {
        let schema = |definition| {
            let definition = serde_json::to_value(definition).unwrap_or_default();
            let kind = definition.pointer("/spec/names/kind")?.as_str()?.to_owned();
            Some((kind, definition.pointer("/spec/versions/0/schema/openAPIV3Schema")?.clone()))
        };
        Self(definitions().into_iter().filter_map(schema).collect())
    }

    /// The paths of all fields in the object's spec that its kind does not have.
    pub(super) fn unknown_fields(&self, kind: &str, object: &Value) -> Vec<String> {
        let spec = self.0.get(kind).and_then(|schema| schema.pointer("/properties/spec"));
        let mut found = Vec::new();
        if let (Some(schema), Some(value)) = (spec, object.get("spec")) {
            collect("spec", schema, value, &mut found);
        }
        found
    }
}

fn collect(path: &str, schema: &Value, value: &Value, found: &mut Vec<String>) {
    if schema.get("x-kubernetes-preserve-unknown-fields").is_some_and(|free| free == true) {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let known = schema.get("properties").and_then(|known| known.get(name));
                let path = format!("{path}.{name}");
                match known.or_else(|| schema.get("additionalProperties")) {
                    Some(schema) => collect(&path, schema, value, found),
                    None if schema.get("properties").is_some() => found.push(path),
                    // The schema expects no object here; reading the object reports the wrong type.
                    None => {}
                }
            }
        }
        Value::Array(values) => {
            let items = schema.get("items").unwrap_or(&Value::Null);
            for (index, value) in values.iter().enumerate() {
                collect(&format!("{path}[{index}]"), items, value, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn misspelt_fields_are_found_at_every_depth() {
        let source = json!({"spec": {
            "scopes": ["a"],
            "token": {"scopes": ["a"], "audiance": "b"},
            "provider": {
                "tokenEndpoint": "https://a/b",
                "parameters": [{"name": "a", "value": "b"}, {"name": "c", "vlaue": "d"}],
                "clientAuthentication": {"assertion": {"claims": {"anything": {"goes": 1}}}},
            },
            "target": {"data": {"any-key": "{{ access_token }}"}, "labels": {"any": "label"}},
        }});
        let mut found = Schemas::of_our_kinds().unknown_fields("TokenSource", &source);
        found.sort();
        assert_eq!(found, ["spec.provider.parameters[1].vlaue", "spec.scopes", "spec.token.audiance"]);
    }
}
