//! Events of watches, applied as `prepare` applies them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::reflector::store::Writer;
use serde_json::json;

use super::*;
use crate::api::TokenProviderStatus;

/// A view, and the writers of its caches.
struct Scene {
    view: ClusterView,
    sources: Writer<TokenSource>,
    providers: Writer<TokenProvider>,
}

impl Scene {
    fn new() -> Self {
        let ((sources, sources_writer), (providers, providers_writer)) = (store(), store());
        Self {
            view: ClusterView::new(sources, providers),
            sources: sources_writer,
            providers: providers_writer,
        }
    }

    /// The names that a change of a `TokenSource` triggers, each with its generation that a reconcile would find now.
    fn source(&mut self, event: &Event<TokenSource>) -> Vec<(String, Option<i64>)> {
        self.sources.apply_watcher_event(event);
        let affected = self.view.affected_by_source(event);
        self.found(affected)
    }

    /// The names that a change of a `TokenProvider` triggers, each with the generation of the provider that a reconcile
    /// would find now.
    fn provider(&mut self, event: &Event<TokenProvider>) -> Vec<(String, Option<i64>)> {
        let affected = self.view.affected_by_provider(event);
        self.providers.apply_watcher_event(event);
        let generation =
            self.view.providers.state().first().and_then(|provider| provider.metadata.generation);
        affected.into_iter().map(|(_, name)| (name.to_string(), generation)).collect()
    }

    fn found(&self, names: Vec<NamespacedName>) -> Vec<(String, Option<i64>)> {
        let find = |name: NamespacedName| {
            let generation = self.view.find(&name).and_then(|source| source.metadata.generation);
            (name.1.to_string(), generation)
        };
        let mut found: Vec<_> = names.into_iter().map(find).collect();
        found.sort();
        found
    }

    /// A new list, as after a watch that could not continue.
    fn relist(&mut self, sources: &[TokenSource]) -> Vec<(String, Option<i64>)> {
        let mut triggered = self.source(&Event::Init);
        for source in sources {
            triggered.extend(self.source(&Event::InitApply(source.clone())));
        }
        triggered.extend(self.source(&Event::InitDone));
        triggered
    }
}

fn source(name: &str, generation: i64) -> TokenSource {
    let source = json!({
        "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource",
        "metadata": {"namespace": "team", "name": name, "generation": generation},
        "spec": {
            "providerRef": {"kind": "TokenProvider", "name": "shop"},
            "credentialsRef": {"name": "client"},
            "target": {"name": format!("{name}-token")},
        },
    });
    serde_json::from_value(source).unwrap()
}

fn provider(generation: i64) -> TokenProvider {
    let provider = json!({
        "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenProvider",
        "metadata": {"namespace": "team", "name": "shop", "generation": generation},
        "spec": {"tokenEndpoint": "https://shop.example/token"},
    });
    serde_json::from_value(provider).unwrap()
}

fn triggered(all: &[(&str, i64)]) -> Vec<(String, Option<i64>)> {
    all.iter().map(|(name, generation)| ((*name).to_owned(), Some(*generation))).collect()
}

#[test]
fn a_list_triggers_all_token_sources_once_they_can_be_found() {
    let mut scene = Scene::new();
    assert_eq!(scene.relist(&[source("old", 1)]), triggered(&[("old", 1)]));
    // While there was no watch, one object was changed and another created.
    assert_eq!(scene.relist(&[source("new", 1), source("old", 2)]), triggered(&[("new", 1), ("old", 2)]));
    let with_gone = [("new".to_owned(), Some(1)), ("old".to_owned(), None)];
    assert_eq!(scene.relist(&[source("new", 1)]), with_gone, "a deleted one leaves its limiter");
}

#[test]
fn a_change_triggers_the_object_as_it_is_now() {
    let mut scene = Scene::new();
    assert_eq!(scene.source(&Event::Apply(source("one", 3))), triggered(&[("one", 3)]));
}

#[test]
fn a_list_of_providers_triggers_their_users_once_they_can_be_found_or_are_gone() {
    let mut scene = Scene::new();
    scene.relist(&[source("one", 1)]);
    assert_eq!(scene.provider(&Event::Apply(provider(1))), triggered(&[("one", 1)]));

    assert_eq!(scene.provider(&Event::Init), triggered(&[]));
    assert_eq!(scene.provider(&Event::InitApply(provider(2))), triggered(&[]));
    assert_eq!(scene.provider(&Event::InitDone), triggered(&[("one", 2)]));

    scene.provider(&Event::Init);
    assert_eq!(scene.provider(&Event::InitDone), [("one".to_owned(), None)]);
}

#[test]
fn a_status_of_a_provider_triggers_nothing() {
    let mut scene = Scene::new();
    scene.relist(&[source("one", 1)]);
    let known = provider(1);
    assert_eq!(scene.provider(&Event::Apply(known.clone())), triggered(&[("one", 1)]), "it is new");
    let mut described = known.clone();
    described.metadata.resource_version = Some("8".to_owned());
    described.status = Some(TokenProviderStatus { token_sources: 1, ..TokenProviderStatus::default() });
    assert_eq!(scene.provider(&Event::Apply(described.clone())), triggered(&[]));
    assert_eq!(scene.view.providers.state()[0].status, described.status, "but the cache has it");

    let deleted = Some(Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH));
    for (change, expected) in [
        ("another generation", Some(2)),
        ("another object", Some(1)),
        ("a deletion", Some(1)),
        ("a spec that is not known in full", Some(1)),
    ] {
        let mut changed = described.clone();
        match change {
            "another generation" => changed.metadata.generation = Some(2),
            "another object" => changed.metadata.uid = Some("another".to_owned()),
            "a deletion" => changed.metadata.deletion_timestamp = deleted.clone(),
            _ => changed.metadata.annotations = Some([("unreadable".to_owned(), "spec".to_owned())].into()),
        }
        let triggered: Vec<_> =
            expected.map(|generation| ("one".to_owned(), Some(generation))).into_iter().collect();
        assert_eq!(scene.provider(&Event::Apply(changed)), triggered, "{change}");
        scene.provider(&Event::Apply(described.clone()));
    }
}
