//! Which `TokenSource`s a change elsewhere concerns: an index from what they name to themselves.
//! Knows names only; must not know what a reference is for.

use std::collections::{BTreeSet, HashMap};

use compact_str::CompactString;
use kube::ResourceExt;
use kube::runtime::watcher::Event;

use crate::api::{ProviderKind, TokenSource};

/// Something a `TokenSource` names, in its own namespace unless cluster-scoped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Reference {
    Secret(CompactString),
    TokenProvider(CompactString),
    ClusterTokenProvider(CompactString),
}

/// Namespace and name.
pub(super) type NamespacedName = (CompactString, CompactString);

#[derive(Default)]
struct Index {
    /// Lists, not sets: mostly of one, and each is in it once.
    users: HashMap<(CompactString, Reference), Vec<CompactString>>,
    named: HashMap<NamespacedName, Box<[Reference]>>,
}

/// The index, kept up to date by the watch of `TokenSource`s.
#[derive(Default)]
pub(super) struct References {
    current: Index,
    listed: Option<Index>,
    /// By namespace and name of a Secret: who has looked at it because the provider block names it. A hint that may
    /// be out of date, which costs no more than a look.
    subjects: HashMap<NamespacedName, BTreeSet<CompactString>>,
}

impl References {
    /// Takes in what the watch brings, and says which `TokenSource`s it concerns: the one that changed and, since
    /// two may name one target, those that name the same Secrets. Of a list it concerns all, and none before it is
    /// complete: until then the cache of the objects still has what was there before.
    pub(super) fn apply(&mut self, event: &Event<TokenSource>) -> Vec<NamespacedName> {
        match event {
            Event::Init => {
                self.listed = Some(Index::default());
                Vec::new()
            }
            Event::InitApply(source) => {
                self.listed.get_or_insert_default().enter(source);
                Vec::new()
            }
            Event::InitDone => {
                self.current = self.listed.take().unwrap_or_default();
                self.current.named.keys().cloned().collect()
            }
            Event::Apply(source) => {
                let renamed = self.current.enter(source);
                let mut concerned = vec![name_of(source)];
                if renamed {
                    concerned.extend(self.peers(source));
                }
                concerned
            }
            Event::Delete(source) => {
                let peers = self.peers(source);
                let (namespace, name) = name_of(source);
                self.subjects.retain(|(within, _), users| {
                    *within != namespace || !users.remove(&name) || !users.is_empty()
                });
                self.current.remove(&(namespace, name));
                peers
            }
        }
    }

    /// The `TokenSource`s of a namespace that name this.
    pub(super) fn users(&self, namespace: &str, reference: Reference) -> Vec<NamespacedName> {
        let looking = match &reference {
            Reference::Secret(name) => self.subjects.get(&(namespace.into(), name.clone())),
            Reference::TokenProvider(_) | Reference::ClusterTokenProvider(_) => None,
        };
        let users = self.current.users.get(&(namespace.into(), reference));
        users
            .into_iter()
            .flatten()
            .chain(looking.into_iter().flatten())
            .map(|name| (namespace.into(), name.clone()))
            .collect()
    }

    /// Whether a Secret is known to concern a `TokenSource` by its provider block.
    pub(super) fn is_noted(&self, namespace: &str, secret: &str, source: &str) -> bool {
        let users = self.subjects.get(&(namespace.into(), secret.into()));
        users.is_some_and(|users| users.contains(source))
    }

    /// Notes it.
    pub(super) fn note(&mut self, namespace: &str, secret: &str, source: &str) {
        let slot = (namespace.into(), secret.into());
        self.subjects.entry(slot).or_default().insert(source.into());
    }

    /// The `TokenSource`s of any namespace that name this cluster-scoped provider.
    pub(super) fn users_everywhere(&self, reference: &Reference) -> Vec<NamespacedName> {
        self.filtered(|_, named| named == reference)
    }

    /// The `TokenSource`s that name any provider of their own namespace, whether it is there or not.
    pub(super) fn users_of_providers(&self) -> Vec<NamespacedName> {
        self.filtered(|_, named| matches!(named, Reference::TokenProvider(_)))
    }

    /// The `TokenSource`s of a namespace that name any cluster-scoped provider.
    pub(super) fn users_of_cluster_providers(&self, namespace: &str) -> Vec<NamespacedName> {
        self.filtered(|within, named| {
            within == namespace && matches!(named, Reference::ClusterTokenProvider(_))
        })
    }

    fn filtered(&self, wanted: impl Fn(&str, &Reference) -> bool) -> Vec<NamespacedName> {
        self.current
            .users
            .iter()
            .filter(|((namespace, reference), _)| wanted(namespace, reference))
            .flat_map(|((namespace, _), names)| names.iter().map(|name| (namespace.clone(), name.clone())))
            .collect()
    }

    fn peers(&self, source: &TokenSource) -> Vec<NamespacedName> {
        let (namespace, name) = name_of(source);
        let named = self.current.named.get(&(namespace.clone(), name.clone()));
        let secrets = named.into_iter().flatten().filter(|named| matches!(named, Reference::Secret(_)));
        let mut peers: Vec<_> =
            secrets.flat_map(|reference| self.users(&namespace, reference.clone())).collect();
        peers.retain(|(_, peer)| *peer != name);
        peers
    }
}

impl Index {
    /// Whether the object names other things than before.
    fn enter(&mut self, source: &TokenSource) -> bool {
        let key = name_of(source);
        let references = named_by(source);
        if self.named.get(&key) == Some(&references) {
            return false;
        }
        self.remove(&key);
        for reference in &references {
            let users = self.users.entry((key.0.clone(), reference.clone()));
            users.or_insert_with(|| Vec::with_capacity(1)).push(key.1.clone());
        }
        self.named.insert(key, references);
        true
    }

    fn remove(&mut self, key: &NamespacedName) {
        for reference in self.named.remove(key).into_iter().flatten() {
            let slot = (key.0.clone(), reference);
            if let Some(names) = self.users.get_mut(&slot) {
                names.retain(|name| *name != key.1);
                if names.is_empty() {
                    self.users.remove(&slot);
                }
            }
        }
    }
}

/// What it is called, by all that keep it in mind: the queue, the gates, this index.
pub(super) fn name_of(source: &TokenSource) -> NamespacedName {
    (source.namespace().unwrap_or_default().into(), source.name_any().into())
}

fn named_by(source: &TokenSource) -> Box<[Reference]> {
    let spec = &source.spec;
    let mut references =
        vec![Reference::Secret(spec.target.name.clone().unwrap_or_else(|| source.name_any()).into())];
    references.extend(
        spec.credentials_ref.as_ref().map(|reference| Reference::Secret(reference.name.as_str().into())),
    );
    references.extend(spec.provider_ref.as_ref().map(|reference| match reference.kind {
        ProviderKind::TokenProvider => Reference::TokenProvider(reference.name.as_str().into()),
        ProviderKind::ClusterTokenProvider => Reference::ClusterTokenProvider(reference.name.as_str().into()),
    }));
    // Target and credentials may be one Secret, by mistake.
    references.dedup();
    references.into()
}
