//! An index from the objects that `TokenSource`s name to the `TokenSource`s, which finds those that a change affects. Knows
//! only names; must not know the use of a reference.

use std::collections::HashMap;

use compact_str::CompactString;
use kube::runtime::watcher::Event;

use crate::api::{ProviderKind, TokenSource};
use crate::controller::view::name::{NamespacedName, name_of};

/// An object that a `TokenSource` names. The object is in the same namespace, unless it is cluster-scoped.
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
}

/// The index, kept up to date by the watch of `TokenSource`s.
#[derive(Default)]
pub(crate) struct ReferenceIndex {
    current: Index,
    listed: Option<Index>,
    /// The objects to which the provider block of a `TokenSource` leads; never more than a provider block can name.
    noted: Index,
}

impl ReferenceIndex {
    /// Applies an event of the watch. Returns the affected `TokenSource`s: the changed one and those that name the same
    /// Secrets, since two may name one target. A list affects all of them, once it is complete: until then the cache has
    /// the former objects.
    pub(crate) fn apply(&mut self, event: &Event<TokenSource>) -> Vec<NamespacedName> {
        match event {
            Event::Init => {
                self.listed = Some(Index::default());
                Vec::new()
            }
            Event::InitApply(source) => {
                self.listed.get_or_insert_default().set(name_of(source), named_by(source));
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
                let renamed = self.current.set(name_of(source), named_by(source));
                let mut affected = vec![name_of(source)];
                if renamed {
                    affected.extend(self.peers(source));
                }
                affected.extend(self.downstream(source));
                affected
            }
            Event::Delete(source) => {
                let mut affected = self.peers(source);
                affected.extend(self.downstream(source));
                let key = name_of(source);
                self.noted.remove(&key);
                self.current.remove(&key);
                // In its last reconcile, the deleted object leaves its limiter.
                affected.push(key);
                affected
            }
        }
    }

    /// The `TokenSource`s of a namespace that name this object.
    pub(crate) fn users(&self, namespace: &str, reference: Reference) -> Vec<NamespacedName> {
        let object = (namespace.into(), reference);
        let users = [&self.current, &self.noted].into_iter().filter_map(|index| index.users.get(&object));
        users.flatten().map(|name| (namespace.into(), name.clone())).collect()
    }

    /// Whether these objects are recorded for the provider block of a `TokenSource`.
    pub(crate) fn has_noted(&self, namespace: &str, source: &str, references: &[Reference]) -> bool {
        self.noted.named.get(&(namespace.into(), source.into())).map_or(&[][..], |noted| noted) == references
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
    /// Records what an object names. Returns whether that has changed.
    fn set(&mut self, key: NamespacedName, references: Box<[Reference]>) -> bool {
        if self.named.get(&key) == Some(&references) {
            return false;
        }
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
mod tests {
    use super::*;

    fn source(name: &str) -> TokenSource {
        let mut source = TokenSource::new(name, crate::api::TokenSourceSpec::default());
        source.metadata.namespace = Some("ns".to_owned());
        source
    }

    fn secret(name: &str) -> Reference {
        Reference::Secret(name.into())
    }

    fn users(references: &ReferenceIndex, secret: &str) -> Vec<String> {
        let users = references.users("ns", Reference::Secret(secret.into()));
        users.into_iter().map(|(_, name)| name.to_string()).collect()
    }

    #[test]
    fn only_the_secrets_that_are_looked_at_now_are_remembered() {
        let mut references = ReferenceIndex::default();
        references.apply(&Event::Apply(source("one")));
        for port in 0..1000 {
            references.note("ns", "one", vec![secret(&format!("subject-{port}"))]);
        }
        assert_eq!((references.noted.users.len(), references.noted.named.len()), (1, 1));
        assert_eq!(users(&references, "subject-999"), ["one"]);
        assert!(
            references.has_noted("ns", "one", &[secret("subject-999")])
                && !references.has_noted("ns", "one", &[])
        );
        references.note("ns", "one", Vec::new());
        assert!(references.noted.users.is_empty() && references.noted.named.is_empty());
    }

    #[test]
    fn secret_that_is_named_twice_causes_one_trigger() {
        let mut references = ReferenceIndex::default();
        references.apply(&Event::Apply(source("one")));
        references.note("ns", "one", vec![secret("both"), secret("both")]);
        assert_eq!(users(&references, "both"), ["one"]);
    }

    #[test]
    fn a_change_of_a_source_affects_those_that_use_its_token() {
        let mut references = ReferenceIndex::default();
        references.apply(&Event::Apply(source("downstream")));
        references.note("ns", "downstream", vec![Reference::TokenSource("sts".into())]);
        let key = |name: &str| ("ns".into(), name.into());
        // The upstream may be created, changed and deleted later.
        for event in [Event::Apply(source("sts")), Event::Apply(source("sts")), Event::Delete(source("sts"))]
        {
            assert!(references.apply(&event).contains(&key("downstream")));
        }
        assert!(!references.apply(&Event::Apply(source("other"))).contains(&key("downstream")));
    }

    #[test]
    fn nothing_is_remembered_of_what_is_gone() {
        let mut references = ReferenceIndex::default();
        references.apply(&Event::Apply(source("one")));
        references.note("ns", "one", vec![secret("subject")]);
        references.apply(&Event::Delete(source("one")));
        assert!(references.noted.users.is_empty());
        // A reconcile in flight finishes after the deletion.
        references.note("ns", "one", vec![secret("subject")]);
        assert!(references.noted.users.is_empty());

        references.apply(&Event::Apply(source("two")));
        references.note("ns", "two", vec![secret("subject")]);
        references.apply(&Event::Init);
        references.apply(&Event::InitDone);
        assert!(references.noted.users.is_empty() && references.noted.named.is_empty());
    }
}
