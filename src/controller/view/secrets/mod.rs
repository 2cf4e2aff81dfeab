//! The Secrets in the view, by their metadata alone.
//!
//! Fed by a metadata watch and by the controller's own reads and writes. The newest state wins, so that no decision
//! relies on a state older than what this process has seen.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use compact_str::CompactString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;

use known::Known;
use meta::is_newer;
pub(crate) use meta::{OwnWrite, SecretMeta, referenced_secret, version};

use crate::controller::view::name::NamespacedName;

mod known;
mod meta;

#[derive(Default)]
struct State {
    known: Known,
    /// A list in progress. Replaces `known` when it is complete. A Secret that is missing in it was deleted while there
    /// was no watch.
    listed: Option<Known>,
}

/// The Secrets in the view.
#[derive(Default)]
pub(crate) struct Secrets {
    state: RwLock<State>,
}

impl Secrets {
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<Arc<SecretMeta>> {
        self.read().known.get(&(namespace.into(), name.into())).cloned()
    }

    /// The Secrets that hold or held a token of the `TokenSource` with this name and uid, and that it controls: its target,
    /// and the Secrets of former names of its target.
    pub(crate) fn targets_of(
        &self,
        namespace: &str,
        source: &str,
        uid: &str,
    ) -> Vec<(CompactString, Arc<SecretMeta>)> {
        let state = self.read();
        let targets = state.known.targets_of((namespace.into(), source.into()), uid);
        targets.map(|(name, meta)| (name.clone(), Arc::clone(meta))).collect()
    }

    /// Applies an event of the watch. Returns the Secrets that may be different now; a deleted one with its last metadata.
    pub(crate) fn apply(
        &self,
        event: &Event<PartialObjectMeta<Secret>>,
    ) -> Vec<(NamespacedName, Arc<SecretMeta>)> {
        let mut state = self.write();
        match event {
            Event::Init => {
                state.listed = Some(Known::default());
                Vec::new()
            }
            Event::InitApply(secret) => {
                let (key, meta) = entry(&secret.metadata);
                state.listed.get_or_insert_default().learn(&key, &meta);
                Vec::new()
            }
            Event::InitDone => state.adopt_list(),
            Event::Apply(secret) => {
                let (key, meta) = entry(&secret.metadata);
                state.learn(&key, &meta);
                vec![(key, meta)]
            }
            Event::Delete(secret) => {
                let (key, meta) = entry(&secret.metadata);
                state.lose(&key, &meta);
                vec![(key, meta)]
            }
        }
    }

    /// Stores the metadata that one of the controller's own calls returned.
    pub(crate) fn learn(&self, metadata: &ObjectMeta) -> Arc<SecretMeta> {
        let (key, meta) = entry(metadata);
        self.write().learn(&key, &meta);
        meta
    }

    /// Drops a Secret that one of the controller's own calls did not find. `known` is its metadata from before the call, so
    /// that a Secret created since is kept.
    pub(crate) fn lose(&self, namespace: &str, name: &str, known: Option<&SecretMeta>) {
        let key = (namespace.into(), name.into());
        let mut state = self.write();
        let current = state.known.get(&key);
        if current.is_some_and(|current| known.is_some_and(|known| !is_newer(current, known))) {
            state.known.remove(&key);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Stores a state of a Secret, in the list in progress, too: the controller's own call may be newer than that list.
    fn learn(&mut self, key: &NamespacedName, meta: &Arc<SecretMeta>) {
        self.known.learn(key, meta);
        if let Some(listed) = &mut self.listed {
            listed.learn(key, meta);
        }
    }

    /// Drops a deleted Secret, unless a later one of the same name is known.
    fn lose(&mut self, key: &NamespacedName, meta: &Arc<SecretMeta>) {
        if self.known.get(key).is_some_and(|known| known.uid == meta.uid || !is_newer(known, meta)) {
            self.known.remove(key);
        }
    }

    /// Replaces the known Secrets by the list. Returns all Secrets, including the deleted Secrets.
    fn adopt_list(&mut self) -> Vec<(NamespacedName, Arc<SecretMeta>)> {
        let before = std::mem::replace(&mut self.known, self.listed.take().unwrap_or_default());
        let gone = before.iter().filter(|(key, _)| self.known.get(key).is_none());
        self.known.iter().chain(gone).map(|(key, meta)| (key.clone(), Arc::clone(meta))).collect()
    }
}

fn entry(metadata: &ObjectMeta) -> (NamespacedName, Arc<SecretMeta>) {
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
    let key = (text(&metadata.namespace), text(&metadata.name));
    (key, Arc::new(SecretMeta::of(metadata)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::annotation;
    use crate::decide::LONGEST_HOSTS;

    fn secret(name: &str, resource_version: &str) -> PartialObjectMeta<Secret> {
        PartialObjectMeta { metadata: metadata(name, resource_version), ..PartialObjectMeta::default() }
    }

    fn metadata(name: &str, resource_version: &str) -> ObjectMeta {
        ObjectMeta {
            namespace: Some("ns".to_owned()),
            name: Some(name.to_owned()),
            uid: Some(format!("uid-of-{name}")),
            resource_version: Some(resource_version.to_owned()),
            ..ObjectMeta::default()
        }
    }

    fn known(secrets: &Secrets, name: &str) -> Option<CompactString> {
        secrets.get("ns", name).map(|meta| meta.resource_version.clone())
    }

    fn relist(secrets: &Secrets, listed: &[(&str, &str)]) -> Vec<CompactString> {
        secrets.apply(&Event::Init);
        for (name, resource_version) in listed {
            secrets.apply(&Event::InitApply(secret(name, resource_version)));
        }
        let mut changed: Vec<_> =
            secrets.apply(&Event::InitDone).into_iter().map(|((_, name), _)| name).collect();
        changed.sort();
        changed
    }

    #[test]
    fn our_own_write_is_not_undone_by_an_older_event() {
        let secrets = Secrets::default();
        secrets.learn(&metadata("a", "10"));
        secrets.apply(&Event::Apply(secret("a", "9")));
        assert_eq!(known(&secrets, "a").as_deref(), Some("10"));
    }

    #[test]
    fn what_a_list_lacks_is_gone_even_if_it_was_the_newest() {
        let secrets = Secrets::default();
        relist(&secrets, &[("a", "5"), ("newest", "99")]);
        assert_eq!(relist(&secrets, &[("a", "5")]), ["a", "newest"], "both are reconciled again");
        assert_eq!((known(&secrets, "a").as_deref(), known(&secrets, "newest")), (Some("5"), None));
    }

    #[test]
    fn a_write_of_ours_during_a_list_survives_it() {
        let secrets = Secrets::default();
        secrets.apply(&Event::Init);
        secrets.learn(&metadata("ours", "50"));
        secrets.apply(&Event::InitApply(secret("ours", "40")));
        secrets.apply(&Event::InitDone);
        assert_eq!(known(&secrets, "ours").as_deref(), Some("50"));
    }

    #[test]
    fn a_restored_cluster_counts_from_lower_versions() {
        let secrets = Secrets::default();
        relist(&secrets, &[("a", "900")]);
        relist(&secrets, &[("a", "12")]);
        assert_eq!(known(&secrets, "a").as_deref(), Some("12"));
    }

    #[test]
    fn a_404_that_was_read_before_a_secret_was_made_again_does_not_remove_it() {
        let secrets = Secrets::default();
        secrets.learn(&metadata("a", "10"));
        let when_the_read_began = secrets.get("ns", "a");
        let successor = ObjectMeta { uid: Some("another".to_owned()), ..metadata("a", "20") };
        secrets
            .apply(&Event::Apply(PartialObjectMeta { metadata: successor, ..PartialObjectMeta::default() }));
        secrets.lose("ns", "a", when_the_read_began.as_deref());
        assert_eq!(known(&secrets, "a").as_deref(), Some("20"));
        secrets.lose("ns", "a", None);
        assert_eq!(known(&secrets, "a").as_deref(), Some("20"), "it was not known before the call");
        let now = secrets.get("ns", "a");
        secrets.lose("ns", "a", now.as_deref());
        assert_eq!(known(&secrets, "a"), None);
    }

    #[test]
    fn what_others_write_into_annotations_is_kept_up_to_a_bound() {
        let long = "x".repeat(250_000);
        let annotated = |keys: &[&str]| {
            let annotations = keys.iter().map(|key| ((*key).to_owned(), long.clone())).collect();
            SecretMeta::of(&ObjectMeta { annotations: Some(annotations), ..metadata("a", "1") })
        };
        let hosts = annotated(&[annotation::ALLOWED_HOSTS]).allowed_hosts.unwrap();
        assert!(hosts.len() > LONGEST_HOSTS && hosts.len() <= LONGEST_HOSTS + 4, "{}", hosts.len());
        let meta = annotated(&[
            annotation::DATA_HASH,
            annotation::METADATA_HASH,
            annotation::INPUTS,
            annotation::ANSWERS,
        ]);
        assert!(meta.data_hash.is_none() && meta.metadata_hash.is_none() && meta.record.is_none());
    }

    #[test]
    fn the_deletion_of_an_earlier_secret_does_not_remove_its_successor() {
        let secrets = Secrets::default();
        let successor = ObjectMeta { uid: Some("another".to_owned()), ..metadata("a", "20") };
        secrets.learn(&successor);
        secrets.apply(&Event::Delete(secret("a", "15")));
        assert_eq!(known(&secrets, "a").as_deref(), Some("20"));
    }
}
