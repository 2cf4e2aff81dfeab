//! States of upstream TokenSources, and circles of references.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::*;
use crate::api::{LongText, TokenSourceSpec, TokenSourceStatus, to_kubernetes};
use crate::decide::fixture::at;

fn condition(status: &str) -> Condition {
    Condition {
        type_: "Ready".to_owned(),
        status: status.to_owned(),
        reason: "TokenIssued".to_owned(),
        message: String::new(),
        last_transition_time: to_kubernetes(at(0)),
        observed_generation: None,
    }
}

fn source(ready: &str) -> TokenSource {
    let mut source = TokenSource::new("sts", TokenSourceSpec::default());
    source.status = Some(TokenSourceStatus { conditions: vec![condition(ready)], ..Default::default() });
    source
}

fn target() -> ReferencedSecret {
    ReferencedSecret::Present {
        name: "sts".to_owned(),
        uid: "uid".to_owned(),
        resource_version: "1".to_owned(),
        allowed_hosts: None,
    }
}

#[test]
fn only_a_ready_source_with_a_valid_token_is_a_ready_upstream() {
    let valid = Some((target(), at(600)));
    let cases = [
        ("ready", source("True"), valid.clone(), UpstreamState::Ready(target())),
        ("not ready", source("False"), valid.clone(), UpstreamState::NotReady),
        (
            "without status",
            TokenSource::new("sts", TokenSourceSpec::default()),
            valid,
            UpstreamState::NotReady,
        ),
        ("without target", source("True"), None, UpstreamState::NotReady),
        ("expired", source("True"), Some((target(), at(100))), UpstreamState::NotReady),
    ];
    for (name, source, target, expected) in cases {
        assert_eq!(UpstreamState::of(&source, target, at(100)), expected, "{name}");
    }
}

#[test]
fn targets_without_the_unchanged_token_are_recognized() {
    let mut source = source("True");
    source.spec.target.data =
        [("header".to_owned(), LongText("Bearer {{ access_token }}".to_owned()))].into();
    assert_eq!(UpstreamState::of(&source, Some((target(), at(600))), at(100)), UpstreamState::TokenNotKept);
}

fn circle_in(edges: &[(&str, &[&str])]) -> Vec<String> {
    let edges: BTreeMap<&str, &[&str]> = edges.iter().copied().collect();
    let names = |name: &str| {
        edges.get(name).into_iter().flat_map(|next| next.iter()).map(|next| (*next).to_owned()).collect()
    };
    follow("a", |name| Link { has_owner: false, names: names(name) }).circle
}

#[test]
fn circles_are_named_from_start_to_start() {
    type References<'a> = &'a [(&'a str, &'a [&'a str])];
    let cases: [(References<'_>, &[&str]); 6] = [
        (&[], &[]),
        (&[("a", &["b"]), ("b", &["c"])], &[]),
        (&[("a", &["a"])], &["a", "a"]),
        (&[("a", &["b"]), ("b", &["c"]), ("c", &["a"])], &["a", "b", "c", "a"]),
        (&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["a"])], &["a", "c", "a"]),
        // A circle of other TokenSources is reported by these.
        (&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])], &[]),
    ];
    for (edges, expected) in cases {
        assert_eq!(circle_in(edges), expected, "{edges:?}");
    }
}

#[test]
fn a_long_chain_is_followed_to_the_limit() {
    let asked = std::cell::Cell::new(0);
    let found = follow("0", |name| {
        asked.set(asked.get() + 1);
        Link { has_owner: false, names: vec![(name.parse::<usize>().unwrap() + 1).to_string()] }
    });
    assert_eq!(found, Chain::default());
    assert!(asked.get() <= MOST_FOLLOWED + 1, "{} objects were read", asked.get());
}

#[test]
fn a_host_counts_while_spec_and_annotation_allow_it() {
    let hosts = |written: &str, spec: &[&str]| {
        let mut source = source("True");
        source.spec.target.allowed_hosts =
            spec.iter().map(|host| crate::api::HostText((*host).to_owned())).collect();
        let ReferencedSecret::Present { name, uid, resource_version, .. } = target() else { unreachable!() };
        let target = ReferencedSecret::Present {
            name,
            uid,
            resource_version,
            allowed_hosts: Some(written.to_owned()),
        };
        match UpstreamState::of(&source, Some((target, at(600))), at(100)) {
            UpstreamState::Ready(ReferencedSecret::Present { allowed_hosts, .. }) => allowed_hosts.unwrap(),
            state => panic!("{state:?}"),
        }
    };
    assert_eq!(hosts("a.example,b.example", &["a.example", "b.example"]), "a.example,b.example");
    assert_eq!(hosts("a.example,b.example", &["b.example"]), "b.example", "removed, and not written yet");
    assert_eq!(hosts("a.example", &["a.example", "b.example"]), "a.example", "added, and not written yet");
}

#[test]
fn owners_are_found_through_the_whole_chain() {
    let link = |owned: &'static str| {
        move |name: &str| {
            let next: &[&str] = match name {
                "a" => &["b", "c"],
                "start" | "b" => &["a"],
                "c" => &["d"],
                _ => &[],
            };
            Link { has_owner: name == owned, names: next.iter().map(|next| (*next).to_owned()).collect() }
        }
    };
    for (owned, found) in [("a", true), ("d", true), ("none", false), ("start", false)] {
        assert_eq!(follow("start", link(owned)).has_owner, found, "{owned}");
    }
}
