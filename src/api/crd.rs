//! The three CustomResourceDefinitions, generated from the types of this directory and corrected where the derive macro
//! cannot say what is needed. Must not know where they are written.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::json;

use super::{ClusterTokenProvider, TokenProvider, TokenSource, TokenSourceStatus};

/// The CRDs of all three kinds, ready to be applied.
pub fn definitions() -> [CustomResourceDefinition; 3] {
    let mut definitions = [TokenSource::crd(), TokenProvider::crd(), ClusterTokenProvider::crd()];
    definitions.iter_mut().flat_map(schemas).for_each(tidy);
    let [sources, providers, cluster_providers] = &mut definitions;
    // Both kinds of providers have the same columns.
    for (cluster_wide, namespaced) in cluster_providers.spec.versions.iter_mut().zip(&providers.spec.versions)
    {
        cluster_wide.additional_printer_columns.clone_from(&namespaced.additional_printer_columns);
    }
    for status in schemas(sources).filter_map(|schema| schema.properties.as_mut()?.get_mut("status")) {
        // The only default: it marks the status of a TokenSource that no controller has written yet.
        status.default = Some(JSON(json!({ "observedGeneration": TokenSourceStatus::UNSEEN })));
    }
    definitions
}

fn schemas(definition: &mut CustomResourceDefinition) -> impl Iterator<Item = &mut JSONSchemaProps> {
    let versions = definition.spec.versions.iter_mut();
    versions.filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut())
}

/// Removes what serde's attributes add to a schema and users should not see:
///
/// - Defaults: the API server would write them into every stored object, and a later version could then not change them.
///   The descriptions name the defaults instead.
/// - `nullable`, and `null` as an enum value: an absent field and a null field would mean the same.
/// - Number formats that the API server does not know, which it warns about.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.default = None;
    schema.nullable = None;
    if let Some(values) = schema.enum_.as_mut() {
        values.retain(|value| !value.0.is_null());
    }
    if schema.format.as_deref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = None;
    }
    schema.properties.iter_mut().flat_map(|properties| properties.values_mut()).for_each(tidy);
    match schema.items.as_mut() {
        Some(JSONSchemaPropsOrArray::Schema(items)) => tidy(items),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(tidy),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = schema.additional_properties.as_mut() {
        tidy(values);
    }
}
