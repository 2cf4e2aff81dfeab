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
        if !is_deleted && self.is_set(&key, &references) {
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
        self.set(key, references);
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
    fn only_the_secrets_of_the_last_observation_are_remembered() {
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

    fn affected(references: &mut ReferenceIndex, event: &Event<TokenSource>) -> Vec<String> {
        let mut affected: Vec<_> =
            references.apply(event).into_iter().map(|(_, name)| name.to_string()).collect();
        affected.sort();
        affected.dedup();
        affected
    }

    #[test]
    fn a_target_that_is_given_up_affects_the_next_oldest() {
        let with_target = |name: &str, target: &str| {
            let mut source = source(name);
            source.spec.target.name = Some(target.to_owned());
            source
        };
        let mut references = ReferenceIndex::default();
        for (change, expected) in [
            (with_target("older", "shared"), &["older"][..]),
            (with_target("younger", "shared"), &["younger"]),
            (with_target("youngest", "shared"), &["youngest"]),
            // The younger may create the target, although the older has never written it.
            (with_target("older", "other"), &["older", "younger"]),
            (with_target("third", "other"), &["third"]),
        ] {
            assert_eq!(affected(&mut references, &Event::Apply(change)), expected);
        }
        // A status alone affects nobody else.
        assert_eq!(affected(&mut references, &Event::Apply(with_target("older", "other"))), ["older"]);
        let mut deleted = with_target("older", "other");
        deleted.metadata.deletion_timestamp = Some(crate::api::to_kubernetes(chrono::DateTime::UNIX_EPOCH));
        assert_eq!(affected(&mut references, &Event::Apply(deleted.clone())), ["older", "third"]);
        // Only once: whoever may label an object that is being deleted could otherwise cause work for all.
        assert_eq!(affected(&mut references, &Event::Apply(deleted.clone())), ["older"]);
        assert_eq!(affected(&mut references, &Event::Delete(deleted)), ["older"]);
        assert_eq!(references.current.claims.len(), 2);
    }

    #[test]
    fn the_oldest_source_that_is_not_deleted_may_create_the_target() {
        let with_age = |name: &str, created: i64| {
            let mut source = source(name);
            source.spec.target.name = Some("shared".to_owned());
            let created = chrono::DateTime::from_timestamp(created, 0).unwrap();
            source.metadata.creation_timestamp = Some(crate::api::to_kubernetes(created));
            source
        };
        let mut references = ReferenceIndex::default();
        let mut oldest_after = |event: Event<TokenSource>| {
            references.apply(&event);
            references.oldest_claim("ns", "shared").unwrap_or_default().to_string()
        };
        assert_eq!(oldest_after(Event::Apply(with_age("second", 2))), "second");
        assert_eq!(oldest_after(Event::Apply(with_age("first", 1))), "first");
        assert_eq!(oldest_after(Event::Apply(with_age("earlier", 1))), "earlier", "in the alphabet");
        assert_eq!(oldest_after(Event::Delete(with_age("earlier", 1))), "first");
        let mut deleted = with_age("first", 1);
        deleted.metadata.deletion_timestamp = deleted.metadata.creation_timestamp.clone();
        assert_eq!(oldest_after(Event::Apply(deleted)), "second");
        assert_eq!(oldest_after(Event::Delete(with_age("second", 2))), "");
    }

    /// Otherwise N objects with the same credentials cause N² reconciles when they are created.
    #[test]
    fn a_new_source_does_not_affect_those_with_the_same_credentials() {
        let mut references = ReferenceIndex::default();
        for name in ["one", "two"] {
            let mut source = source(name);
            source.spec.credentials_ref =
                Some(crate::api::CredentialsReference { name: "client".to_owned(), ..Default::default() });
            assert_eq!(affected(&mut references, &Event::Apply(source)), [name]);
        }
        assert_eq!(users(&references, "client"), ["one", "two"]);
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
    fn nothing_is_remembered_of_deleted_sources() {
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
