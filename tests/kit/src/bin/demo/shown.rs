//! Objects as YAML for a person to read: what was applied, without credentials and without a page of certificate.
//!
//! Knows the fields that are hidden. Must not know the objects, or apply them.

use kube::api::DynamicObject;
use serde_json::{Value, json};

/// These objects as YAML documents.
pub(crate) fn yaml(objects: &[DynamicObject]) -> String {
    let documents = objects.iter().map(|object| {
        let mut object = serde_json::to_value(object).expect("an object came from a document");
        hide(&mut object);
        serde_saphyr::to_string(&object).expect("an object is a document")
    });
    documents.collect::<Vec<_>>().join("---\n")
}

fn hide(object: &mut Value) {
    for field in ["data", "stringData"] {
        for (key, value) in object.get_mut(field).and_then(Value::as_object_mut).into_iter().flatten() {
            if key != "client_id" {
                *value = json!("(not shown)");
            }
        }
    }
    if let Some(bundle) = object.pointer_mut("/spec/provider/tls/caBundle") {
        *bundle = json!("(the certificate of the demo's own authority)");
    }
}

#[cfg(test)]
mod tests {
    use tokensource_kit::manifest;

    use super::*;

    #[test]
    fn a_credential_is_hidden_and_the_rest_is_shown() {
        let text = yaml(&manifest::parse(
            "{apiVersion: v1, kind: Secret, metadata: {name: one}, stringData: {client_id: me, client_secret: hush}}",
        ));
        assert!(text.contains("name: one") && text.contains("client_id: me"), "{text}");
        assert!(text.contains("client_secret: (not shown)") && !text.contains("hush"), "{text}");
    }

    #[test]
    fn a_certificate_is_named_and_not_printed() {
        let provider = "{tokenEndpoint: https://one, tls: {caBundle: PEM}}";
        let text =
            yaml(&manifest::parse(&format!("{{apiVersion: v1, kind: X, spec: {{provider: {provider}}}}}")));
        assert!(text.contains("tokenEndpoint: https://one") && text.contains("caBundle:"), "{text}");
        assert!(!text.contains("PEM"), "{text}");
    }
}
