//! Objects as users can write them, and the parts that are kept of each.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use serde_json::json;

use super::*;
use crate::api::{ClusterTokenProvider, TokenProvider, TokenSource, definitions};

fn source(spec: &str, status: &str) -> Decoded<TokenSource> {
    let text = format!(
        r#"{{"apiVersion":"tokensource.dev/v1alpha1","kind":"TokenSource","metadata":{{"name":"n","namespace":"ns","generation":3,
            "labels":{{"a":"b"}},"annotations":{{"tokensource.dev/unreadable":"forged","team":"x"}}}},"spec":{spec},"status":{status}}}"#
    );
    TokenSource::decode(text.as_bytes()).unwrap()
}

fn nested(depth: usize) -> String {
    format!("{}0{}", "{\"a\":".repeat(depth), "}".repeat(depth))
}

const TARGET: &str = r#""target":{"name":"t"},"suspend":true"#;

#[test]
fn readable_parts_of_a_spec_are_kept_and_the_others_are_named() {
    let provider = |claims: &str| {
        format!(
            r#"{{"provider":{{"tokenEndpoint":"https://a.example/t","assertionGrant":{{"claims":{claims}}}}},{TARGET}}}"#
        )
    };
    let many = format!("{{{}}}", (0..2000).map(|n| format!(r#""{n}":0"#)).collect::<Vec<_>>().join(","));
    let long = json!({"a": "x".repeat(600 * 1024)}).to_string();
    for (spec, fault) in [
        (provider(&nested(200)), "spec.provider"),
        (provider(&nested(100_000)), "spec.provider"),
        (provider(&many), "spec.provider"),
        (provider(&long), "spec.provider"),
        (
            format!(r#"{{"providerRef":{{"kind":"GalaxyTokenProvider","name":"p"}},{TARGET}}}"#),
            "spec.providerRef",
        ),
        (format!(r#"{{"renewal":{{"onRevoked":"Explode"}},{TARGET}}}"#), "spec.renewal"),
    ] {
        let decoded = source(&spec, "null");
        let object = decoded.object;
        assert_eq!(decoded.fault.as_deref(), Some(fault));
        assert_eq!((object.spec.target.name.as_deref(), object.spec.suspend), (Some("t"), true));
        assert!(object.spec.provider.is_none());
        let failure = unreadable(&object).unwrap();
        assert_eq!(failure.reason, Reason::InvalidSpec);
        assert!(failure.message.contains(fault), "{}", failure.message);
    }
}

/// The paths of the fields whose content a schema leaves open.
fn open_fields(schema: &serde_json::Value) -> Vec<Vec<String>> {
    if schema["x-kubernetes-preserve-unknown-fields"] == true {
        return vec![Vec::new()];
    }
    let members = schema["properties"].as_object().into_iter().flatten();
    let paths = members.flat_map(|(name, schema)| {
        open_fields(schema).into_iter().map(|path| [vec![name.clone()], path].concat())
    });
    paths.collect()
}

/// The specs of a TokenSource in which one of the open fields has this value.
fn specs_with(value: &serde_json::Value) -> Vec<String> {
    let definition = serde_json::to_value(&definitions()[0]).unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let wrap = |inner, name: &String| json!({ name: inner });
    let specs =
        open_fields(schema).into_iter().map(|path| path.iter().rev().fold(value.clone(), wrap).to_string());
    specs.collect()
}

#[test]
fn claims_over_the_bound_are_refused_and_not_kept() {
    let specs = |length: usize| specs_with(&json!({"a": "x".repeat(length)}));
    assert_eq!(specs(1).len(), 4, "{:?}", specs(1));
    for (allowed, refused) in specs(60 * 1024).iter().zip(specs(65 * 1024)) {
        assert!(unreadable(&source(allowed, "null").object).is_none());
        let over = source(&refused, "null");
        assert_eq!(over.fault.as_deref(), Some("claims of more than 64 KiB"), "{:?}", refused.get(..100));
        assert!(over.object.spec.provider.is_none());
    }
}

#[test]
fn a_member_of_the_status_that_cannot_be_read_costs_no_other() {
    let status = r#"{"failures":3,"renewAt":"2026-01-01T00:00:00+99:99","expiresAt":"2026-01-01T00:00:00Z","conditions":[]}"#;
    let decoded = source(r#"{"target":{"name":"t"}}"#, status);
    assert_eq!(decoded.fault.as_deref(), Some("status.renewAt"));
    let status = decoded.object.status.clone().unwrap();
    assert_eq!((status.failures, status.renew_at, status.expires_at.is_some()), (3, None, true));
    // The controller writes the status again, so no user has to act.
    assert!(unreadable(&decoded.object).is_none());
}

#[test]
fn the_mark_of_an_unreadable_spec_cannot_be_written_by_users() {
    let decoded = source(r#"{"target":{"name":"t"}}"#, "null");
    assert!(unreadable(&decoded.object).is_none());
    assert!(decoded.object.metadata.annotations.is_none() && decoded.object.labels().is_empty());
}

#[test]
fn of_the_finalizers_only_the_place_of_ours_is_kept() {
    let ours = annotation::FINALIZER;
    let late = [vec!["a/b"; 5_000], vec![ours, "c/d"]].concat();
    for (written, kept) in [
        (vec![], Finalizers::None),
        (vec![ours], Finalizers::Own(0)),
        (vec!["example.com/a", ours, "example.com/b"], Finalizers::Own(1)),
        (vec!["example.com/a", "example.com/b"], Finalizers::OfOthers),
        (vec!["example.com/a", "1"], Finalizers::OfOthers),
        (late, Finalizers::Own(5_000)),
    ] {
        let text = json!({"metadata": {"name": "n", "finalizers": written}, "spec": {}});
        let decoded = TokenSource::decode(text.to_string().as_bytes()).unwrap().object;
        assert_eq!(Finalizers::of(&decoded), kept, "{written:?}");
        assert!(decoded.finalizers().len() <= 2, "{}", decoded.finalizers().len());
    }
}

/// The members of metadata that are kept in addition to the identity.
fn kept<K: Watched>(text: &str) -> Vec<String> {
    let object = K::decode(text.as_bytes()).unwrap().object;
    let metadata = serde_json::to_value(object.meta()).unwrap();
    let identity = ["name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp"];
    assert!(identity.iter().all(|member| metadata.get(member).is_some()), "{metadata}");
    let more = metadata.as_object().unwrap().keys().filter(|key| !identity.contains(&key.as_str()));
    more.cloned().collect()
}

/// A user can write a megabyte into each of these members. The budget would not help: an object that exceeds it loses only its
/// spec.
#[test]
fn no_part_of_the_metadata_is_kept_that_nobody_uses() {
    let many =
        |name: &str| json!((0..100).map(|at| (format!("{name}-{at}"), "x")).collect::<BTreeMap<_, _>>());
    let owners = vec![json!({"apiVersion": "v1", "kind": "Pod", "name": "n", "uid": "u"}); 100];
    let text = json!({
        "metadata": {
            "name": "n", "namespace": "a", "uid": "u", "resourceVersion": "1", "generation": 1, "generateName": "n-",
            "selfLink": "x", "creationTimestamp": "2026-01-01T00:00:00Z", "labels": many("label"),
            "annotations": many("annotation"), "ownerReferences": owners, "finalizers": vec!["a/b"; 100],
            "managedFields": [{"manager": "m"}],
        },
        "spec": {},
    })
    .to_string();
    assert_eq!(kept::<TokenSource>(&text), ["finalizers"]);
    assert_eq!(kept::<PartialObjectMeta<Secret>>(&text), ["annotations", "managedFields"]);
    assert_eq!(kept::<PartialObjectMeta<Namespace>>(&text), ["labels"]);
    // The specs can be read, so there is no annotation that marks them.
    assert_eq!(kept::<TokenProvider>(&text), Vec::<String>::new());
    assert_eq!(kept::<ClusterTokenProvider>(&text), Vec::<String>::new());
}

#[test]
fn a_renewal_request_is_kept_as_far_as_status_has_room() {
    let text = json!({"metadata": {"name": "n", "annotations": {"tokensource.dev/renew-requested-at": "ä".repeat(9000)}}, "spec": {}});
    let decoded = TokenSource::decode(text.to_string().as_bytes()).unwrap();
    assert_eq!(decoded.object.annotations()[annotation::RENEW_REQUESTED_AT].chars().count(), 1024);
}

#[test]
fn a_provider_with_an_unreadable_spec_is_kept_and_reports_the_fault() {
    let text = format!(
        r#"{{"metadata":{{"name":"p"}},"spec":{{"tokenEndpoint":"https://a.example/t","bodyFormat":"XML","assertionGrant":{{"claims":{}}}}}}}"#,
        nested(200)
    );
    let decoded = TokenProvider::decode(text.as_bytes()).unwrap();
    assert_eq!(decoded.fault.as_deref(), Some("spec.assertionGrant, spec.bodyFormat"));
    assert!(unreadable(&decoded.object).unwrap().message.starts_with("TokenProvider p cannot be read"));
    let decoded = ClusterTokenProvider::decode(text.as_bytes()).unwrap();
    assert!(unreadable(&decoded.object).is_some());
}

#[test]
fn many_small_claims_weigh_as_much_as_they_take_in_memory() {
    let members: Vec<_> = (0..300).map(|_| json!({"": 0})).collect();
    for spec in specs_with(&json!({"a": members})) {
        let mut object = source(&spec, "null").object;
        assert!(object.weight(3000) > 200_000, "{:?}", spec.get(..100));
        object.lighten("it is too heavy");
        assert!(object.weight(0) == 0 && unreadable(&object).unwrap().message.contains("too heavy"));
    }
}

#[test]
fn an_error_quotes_nothing() {
    let text = json!({"metadata": {"name": "n", "labels": "hunter2-hunter2"}, "spec": {"bodyFormat": "hunter2-hunter2"}});
    let error = TokenSource::decode(text.to_string().as_bytes()).unwrap_err();
    assert!(!error.contains("hunter2"), "{error}");
    let provider = json!({"metadata": {"name": "n"}, "spec": {"bodyFormat": "hunter2-hunter2"}});
    let decoded = TokenProvider::decode(provider.to_string().as_bytes()).unwrap();
    assert!(!decoded.fault.unwrap().contains("hunter2"));
}

#[test]
fn of_the_status_of_a_provider_only_the_own_condition_is_kept() {
    let condition = |kind: &str, message: &str| {
        json!({"type": kind, "status": "True", "reason": "R", "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    let decode = |status: serde_json::Value| {
        let text = json!({"metadata": {"name": "p"}, "spec": {"tokenEndpoint": "https://a.example/t"}, "status": status});
        TokenProvider::decode(text.to_string().as_bytes()).unwrap()
    };
    let both = json!({"tokenSources": 3, "conditions": [condition("Mine", "x"), condition("Ready", "y")]});
    let status = decode(both).object.status.unwrap();
    assert_eq!(status.token_sources, 3);
    assert_eq!(status.conditions.iter().map(|found| found.type_.as_str()).collect::<Vec<_>>(), ["Ready"]);

    let large = json!({"tokenSources": 3, "conditions": [condition("Ready", &"x".repeat(20_000))]});
    let decoded = decode(large);
    assert_eq!(decoded.fault.as_deref(), Some("status.conditions"));
    let status = decoded.object.status.clone().unwrap();
    assert!(status.token_sources == 3 && status.conditions.is_empty());
    // The controller writes the status again, so no user has to act.
    assert!(unreadable(&decoded.object).is_none());
    assert!(decode(json!(null)).object.status.is_none());
}
