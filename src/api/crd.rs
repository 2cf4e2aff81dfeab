//! The three CustomResourceDefinitions as they are installed.
//!
//! Knows what the derive leaves to be done. Must not know where the result is written.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::json;

use super::{ClusterTokenProvider, TokenProvider, TokenSource, TokenSourceStatus};

/// The definitions of all three kinds, ready to be applied.
pub fn definitions() -> [CustomResourceDefinition; 3] {
    let [mut sources, providers, cluster_providers] =
        [TokenSource::crd(), TokenProvider::crd(), ClusterTokenProvider::crd()].map(finished);
    unseen(&mut sources);
    [sources, providers, cluster_providers]
}

/// The one default: it is written into status, which is the controller's, until that has looked.
fn unseen(definition: &mut CustomResourceDefinition) {
    let schemas = definition.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut());
    for schema in schemas.filter_map(|schema| schema.open_api_v3_schema.as_mut()) {
        if let Some(status) = schema.properties.as_mut().and_then(|all| all.get_mut("status")) {
            status.default = Some(JSON(json!({ "observedGeneration": TokenSourceStatus::UNSEEN })));
        }
    }
}

fn finished(mut definition: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut definition.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            tidy(schema);
        }
    }
    definition
}

/// Removes what serde's attributes bring in but users should not meet.
///
/// - Defaults: the API server would write them into every stored object, where a later version could not change
///   them without changing the object. They stand in the descriptions instead.
/// - `nullable`: an absent field and a null one would be two ways to say the same.
///   For the same reason `null` is no value of an enum.
/// - Number formats that the API server does not know, and warns of.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.default = None;
    schema.nullable = None;
    if let Some(values) = schema.enum_.as_mut() {
        values.retain(|value| !value.0.is_null());
    }
    if schema.format.as_deref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = None;
    }
    for property in schema.properties.iter_mut().flat_map(|properties| properties.values_mut()) {
        tidy(property);
    }
    match schema.items.as_mut() {
        Some(JSONSchemaPropsOrArray::Schema(items)) => tidy(items),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(tidy),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = schema.additional_properties.as_mut() {
        tidy(values);
    }
}
