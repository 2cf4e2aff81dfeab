//! What is known of the Secrets of a scope, by their metadata alone: never a byte of their data.
//!
//! Fed by a metadata watch and by our own writes and reads, whichever is newer, so that a decision never rests on a
//! state older than what this process has seen itself.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;

use crate::api::{FIELD_MANAGER, annotation};
use crate::decide::publication::Memo;

/// Namespace and name.
pub(super) type Key = (String, String);

/// One Secret, by its metadata.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) deleting: bool,
    /// Kind, name and uid of its controller.
    pub(super) controller: Option<(String, String, String)>,
    pub(super) allowed_hosts: Option<String>,
    pub(super) memo: Option<Memo>,
    pub(super) data_hash: Option<String>,
    pub(super) dressing: Option<String>,
    /// It was written by server-side apply, not only created: its fields can be taken back by another apply.
    pub(super) applied: bool,
}

impl Facts {
    pub(super) fn of(metadata: &ObjectMeta) -> Self {
        let annotations = metadata.annotations.clone().unwrap_or_default();
        let controller =
            metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            controller: controller.map(|owner| (owner.kind.clone(), owner.name.clone(), owner.uid.clone())),
            allowed_hosts: annotations.get(annotation::ALLOWED_HOSTS).cloned(),
            memo: Memo::read(&annotations),
            data_hash: annotations.get(annotation::DATA_HASH).cloned(),
            dressing: annotations.get(annotation::DRESSING).cloned(),
            applied: metadata.managed_fields.iter().flatten().any(|entry| {
                entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.operation.as_deref() == Some("Apply")
            }),
        }
    }
}

/// A resourceVersion as a number: comparable within one API server's storage. What is no number counts as oldest.
pub(super) fn version(resource_version: Option<&str>) -> u64 {
    resource_version.and_then(|version| version.parse().ok()).unwrap_or_default()
}

#[derive(Default)]
struct State {
    known: HashMap<Key, Arc<Facts>>,
    /// What a list in progress has brought so far.
    listed: HashMap<Key, Arc<Facts>>,
}

/// The Secrets of a scope.
#[derive(Default)]
pub(super) struct Secrets {
    state: RwLock<State>,
}

impl Secrets {
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Arc<Facts>> {
        self.read().known.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// Takes in what the watch brings, and says which Secrets may now be different, with their former facts' owner.
    pub(super) fn apply(&self, event: &Event<PartialObjectMeta<Secret>>) -> Vec<(Key, Arc<Facts>)> {
        let mut state = self.write();
        match event {
            Event::Init => {
                state.listed = HashMap::new();
                Vec::new()
            }
            Event::InitApply(secret) => {
                let (key, facts) = entry(&secret.metadata);
                state.listed.insert(key, facts);
                Vec::new()
            }
            Event::InitDone => state.adopt_list(),
            Event::Apply(secret) => {
                let (key, facts) = entry(&secret.metadata);
                state.learn(&key, &facts);
                vec![(key, facts)]
            }
            Event::Delete(secret) => {
                let (key, facts) = entry(&secret.metadata);
                state.lose(&key, &facts);
                vec![(key, facts)]
            }
        }
    }

    /// Takes in what one of our own calls returned.
    pub(super) fn learn(&self, metadata: &ObjectMeta) -> Arc<Facts> {
        let (key, facts) = entry(metadata);
        self.write().learn(&key, &facts);
        facts
    }

    /// One of our own calls found no such Secret.
    pub(super) fn lose(&self, namespace: &str, name: &str) {
        self.write().known.remove(&(namespace.to_owned(), name.to_owned()));
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Newer facts replace older ones, never the other way round.
    fn learn(&mut self, key: &Key, facts: &Arc<Facts>) {
        let known = self.known.get(key).map(|known| version(Some(&known.resource_version)));
        if known.is_none_or(|known| known <= version(Some(&facts.resource_version))) {
            self.known.insert(key.clone(), Arc::clone(facts));
        }
    }

    /// A deletion ends what was there, not what has been created since.
    fn lose(&mut self, key: &Key, facts: &Arc<Facts>) {
        if self.known.get(key).is_some_and(|known| {
            known.uid == facts.uid
                || version(Some(&known.resource_version)) <= version(Some(&facts.resource_version))
        }) {
            self.known.remove(key);
        }
    }

    /// A complete list replaces what was known, except for what we have written since it was taken.
    fn adopt_list(&mut self) -> Vec<(Key, Arc<Facts>)> {
        let listed = std::mem::take(&mut self.listed);
        let taken_at =
            listed.values().map(|facts| version(Some(&facts.resource_version))).max().unwrap_or_default();
        let before = std::mem::replace(&mut self.known, listed);
        let mut changed: Vec<_> =
            self.known.iter().map(|(key, facts)| (key.clone(), Arc::clone(facts))).collect();
        for (key, facts) in before {
            if version(Some(&facts.resource_version)) > taken_at {
                self.learn(&key, &facts);
            } else if !self.known.contains_key(&key) {
                changed.push((key, facts));
            }
        }
        changed
    }
}

fn entry(metadata: &ObjectMeta) -> (Key, Arc<Facts>) {
    let key = (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default());
    (key, Arc::new(Facts::of(metadata)))
}
