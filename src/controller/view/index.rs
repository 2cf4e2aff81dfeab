//! An index from the objects that `TokenSource`s depend on to the `TokenSource`s, which finds those that a change affects.
//! Knows only names, ages and deletions, and which name is the target's. Must not know how a reconcile uses an object.

use std::collections::HashMap;

use compact_str::CompactString;
use kube::runtime::watcher::Event;

use crate::api::{ProviderKind, TokenSource};
use crate::controller::view::name::{NamespacedName, name_of};

/// An object that a `TokenSource` depends on. The object is in the same namespace, unless it is cluster-scoped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Reference {
    Secret(CompactString),
    TokenProvider(CompactString),
    ClusterTokenProvider(CompactString),
    /// Another `TokenSource`, whose token is used.
    TokenSource(CompactString),
}

#[derive(Default)]
struct Index {
    /// Lists instead of sets, since most of them have one element. No list has duplicates.
    users: HashMap<(CompactString, Reference), Vec<CompactString>>,
    named: HashMap<NamespacedName, Box<[Reference]>>,
    /// The `TokenSource`s that name a target and are not being deleted, the oldest first, with the second of their creation.
    claims: HashMap<NamespacedName, Vec<(i64, CompactString)>>,
}

/// The index, kept up to date by the watch of `TokenSource`s and by reconciles.
#[derive(Default)]
pub(crate) struct ReferenceIndex {
    current: Index,
    listed: Option<Index>,
    /// The objects to which the provider block of a `TokenSource` leads, as the last reconcile found them. A provider block
    /// can name only a limited number of objects.
    noted: Index,
}

impl ReferenceIndex {
    /// Applies an event of the watch. Returns the affected `TokenSource`s: the changed one, those that use its token, and the
    /// one that may create the target that the changed one has given up. A list affects all `TokenSource`s once it is
    /// complete: until then the cache has the former objects.
    pub(crate) fn apply(&mut self, event: &Event<TokenSource>) -> Vec<NamespacedName> {
        match event {
            Event::Init => {
                self.listed = Some(Index::default());
                Vec::new()
            }
            Event::InitApply(source) => {
                self.listed.get_or_insert_default().set_source(source);
                Vec::new()
            }
            Event::InitDone => {
                let before = std::mem::replace(&mut self.current, self.listed.take().unwrap_or_default());
                let is_gone = |key: &&NamespacedName| !self.current.named.contains_key(*key);
                let gone: Vec<_> = before.named.keys().filter(is_gone).cloned().collect();
                for key in &gone {
                    self.noted.remove(key);
                }
                self.current.named.keys().cloned().chain(gone).collect()
            }
            Event::Apply(source) => {
                let key = name_of(source);
                let mut affected = self.downstream(source);
                affected.extend(self.current.set_source(source));
                affected.push(key);
                affected
            }
            Event::Delete(source) => {
                let key = name_of(source);
                let mut affected = self.downstream(source);
                affected.extend(self.current.give_up(&key));
                self.noted.remove(&key);
                self.current.remove(&key);
                // In its last reconcile, the deleted object leaves its limiter.
                affected.push(key);
                affected
            }
        }
    }

    /// The `TokenSource`s of a namespace that depend on this object.
    pub(crate) fn users(&self, namespace: &str, reference: Reference) -> Vec<NamespacedName> {
        let object = (namespace.into(), reference);
        let users = [&self.current, &self.noted].into_iter().filter_map(|index| index.users.get(&object));
        users.flatten().map(|name| (namespace.into(), name.clone())).collect()
    }

    /// The oldest `TokenSource` that names this target and is not being deleted. Of two with the same age, the first in the
    /// alphabet counts as older.
    pub(crate) fn oldest_claim(&self, namespace: &str, target: &str) -> Option<CompactString> {
        let (_, name) = self.current.claims.get(&(namespace.into(), target.into()))?.first()?;
        Some(name.clone())
    }

    /// Whether these objects are recorded for the provider block of a `TokenSource`.
    pub(crate) fn has_noted(&self, namespace: &str, source: &str, references: &[Reference]) -> bool {
        self.noted.is_set(&(namespace.into(), source.into()), references)
    }

    /// Records the objects to which the provider block of a `TokenSource` leads.
    pub(crate) fn note(&mut self, namespace: &str, source: &str, references: Vec<Reference>) {
        let key = (CompactString::from(namespace), CompactString::from(source));
        // An entry of a deleted `TokenSource` would never be removed.
        if references.is_empty() || !self.current.named.contains_key(&key) {
            self.noted.remove(&key);
        } else {
            self.noted.set(key, references.into());
        }
    }

    /// The `TokenSource`s of any namespace that name this cluster-scoped provider.
    pub(crate) fn users_everywhere(&self, reference: &Reference) -> Vec<NamespacedName> {
        self.filtered(|_, named| named == reference)
    }

    /// The `TokenSource`s that name a provider of their own namespace, whether or not it exists.
    pub(crate) fn users_of_providers(&self) -> Vec<NamespacedName> {
        self.filtered(|_, named| matches!(named, Reference::TokenProvider(_)))
    }

    /// The `TokenSource`s of a namespace that name a cluster-scoped provider.
    pub(crate) fn users_of_cluster_providers(&self, namespace: &str) -> Vec<NamespacedName> {
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

    /// The `TokenSource`s that use the token of this one.
    fn downstream(&self, source: &TokenSource) -> Vec<NamespacedName> {
        let (namespace, name) = name_of(source);
        self.users(&namespace, Reference::TokenSource(name))
    }
}

impl Index {
    /// Whether these references of an object are recorded.
    fn is_set(&self, key: &NamespacedName, references: &[Reference]) -> bool {
        self.named.get(key).map_or(&[][..], |named| named) == references
    }

    /// Records the references of a `TokenSource`, and its claim. Returns the one that may create the target that it gives up.
    fn set_source(&mut self, source: &TokenSource) -> Option<NamespacedName> {
        let (key, references) = (name_of(source), named_by(source));
        let is_deleted = source.metadata.deletion_timestamp.is_some();
        let is_same = self.is_set(&key, &references);
        if is_same && !is_deleted {
            return None;
        }
        let next = self.give_up(&key);
        if !is_deleted {
            let created = source.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second());
            let target = (key.0.clone(), source.target_name().into());
            let claims = self.claims.entry(target).or_insert_with(|| Vec::with_capacity(1));
            let claim = (created, key.1.clone());
            claims.insert(claims.partition_point(|other| *other < claim), claim);
        }
        if !is_same {
            self.set(key, references);
        }
        next
    }

    /// Removes the claim of a `TokenSource`. Returns the next oldest if the claim was the oldest.
    fn give_up(&mut self, key: &NamespacedName) -> Option<NamespacedName> {
        let Some(Reference::Secret(name)) = self.named.get(key)?.first() else { return None };
        let target = (key.0.clone(), name.clone());
        let claims = self.claims.get_mut(&target)?;
        let index = claims.iter().position(|(_, name)| *name == key.1)?;
        claims.remove(index);
        let next = claims.first().filter(|_| index == 0).map(|(_, name)| (key.0.clone(), name.clone()));
        if claims.is_empty() {
            self.claims.remove(&target);
        }
        next
    }

    /// Records the references of an object, and replaces the former ones.
    fn set(&mut self, key: NamespacedName, references: Box<[Reference]>) {
        self.remove(&key);
        for reference in &references {
            let users = self.users.entry((key.0.clone(), reference.clone()));
            let names = users.or_insert_with(|| Vec::with_capacity(1));
            // If the object names a reference twice, its name is the last of the list already.
            if names.last() != Some(&key.1) {
                names.push(key.1.clone());
            }
        }
        self.named.insert(key, references);
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

/// The target first, then the credentials and the provider object that the spec names. The objects that a provider block
/// names are not included.
fn named_by(source: &TokenSource) -> Box<[Reference]> {
    let spec = &source.spec;
    let mut references = vec![Reference::Secret(source.target_name().into())];
    references.extend(
        spec.credentials_ref.as_ref().map(|reference| Reference::Secret(reference.name.as_str().into())),
    );
    references.extend(spec.provider_ref.as_ref().map(|reference| match reference.kind {
        ProviderKind::TokenProvider => Reference::TokenProvider(reference.name.as_str().into()),
        ProviderKind::ClusterTokenProvider => Reference::ClusterTokenProvider(reference.name.as_str().into()),
    }));
    // Target and credentials may be the same Secret by mistake.
    references.dedup();
    references.into()
}

#[cfg(test)]
mod tests;
