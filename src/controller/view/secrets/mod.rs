//! What is known of the Secrets of a scope, by their metadata alone: never a byte of their data.
//!
//! Fed by a metadata watch and by our own writes and reads, whichever is newer, so that a decision never rests on a
//! state older than what this process has seen itself.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use compact_str::CompactString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;

use known::Known;

use crate::api::{FIELD_MANAGER, annotation};
use crate::controller::view::name::NamespacedName;
use crate::decide::publication::Memo;
use crate::decide::{Credentials, LONGEST_HOSTS};

mod known;

/// One Secret, by its metadata. Most are no target, so what only targets have is in boxes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) uid: String,
    pub(crate) resource_version: CompactString,
    pub(crate) deleting: bool,
    pub(crate) controller: Option<Box<Controller>>,
    pub(crate) allowed_hosts: Option<String>,
    pub(crate) memo: Option<Box<Memo>>,
    pub(crate) data_hash: Option<Box<str>>,
    pub(crate) dressing: Option<Box<str>>,
    pub(crate) withdrawn: bool,
    /// This controller has written it: a copy that somebody has made, annotations and all, was not.
    pub(crate) written: bool,
    /// It was written by server-side apply, not only created: its fields can be taken back by another apply.
    pub(crate) applied: bool,
}

/// Who controls a Secret.
#[derive(Clone, Debug)]
pub(crate) struct Controller {
    pub(crate) kind: CompactString,
    pub(crate) name: CompactString,
    pub(crate) uid: String,
}

impl From<&OwnerReference> for Controller {
    fn from(owner: &OwnerReference) -> Self {
        // Their lengths are not checked by the API server.
        let short = |text: &str| text.chars().take(253).collect();
        Self { kind: short(&owner.kind), name: short(&owner.name), uid: owner.uid.chars().take(64).collect() }
    }
}

impl Facts {
    pub(crate) fn of(metadata: &ObjectMeta) -> Self {
        let none = BTreeMap::new();
        let annotations = metadata.annotations.as_ref().unwrap_or(&none);
        // Anyone who may update the Secret may write these: what is longer is not one of ours.
        let text = |key| {
            let text: Option<&String> = annotations.get(key);
            text.filter(|text| text.len() <= LONGEST_ANNOTATION).map(|text| text.as_str().into())
        };
        let controller =
            metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        let mut operations = metadata
            .managed_fields
            .iter()
            .flatten()
            .filter(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER))
            .map(|entry| entry.operation.as_deref() == Some("Apply"))
            .peekable();
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.as_deref().unwrap_or_default().into(),
            deleting: metadata.deletion_timestamp.is_some(),
            controller: controller.map(|owner| Box::new(owner.into())),
            allowed_hosts: annotations.get(annotation::ALLOWED_HOSTS).map(|hosts| bounded_hosts(hosts)),
            memo: is_ours(annotations).then(|| Memo::read(annotations)).flatten().map(Box::new),
            data_hash: text(annotation::DATA_HASH),
            dressing: text(annotation::DRESSING),
            withdrawn: annotations.contains_key(annotation::WITHDRAWN_AT),
            written: operations.peek().is_some(),
            applied: operations.any(|is_apply| is_apply),
        }
    }
}

/// A Secret to be sent, as its metadata has it.
pub(crate) fn credentials(name: &str, facts: Option<Arc<Facts>>) -> Credentials {
    match facts {
        None => Credentials::Missing(name.to_owned()),
        Some(facts) => Credentials::Present {
            name: name.to_owned(),
            uid: facts.uid.clone(),
            resource_version: facts.resource_version.to_string(),
            allowed_hosts: facts.allowed_hosts.clone(),
        },
    }
}

/// A longer value of an annotation is not kept in memory. The answer to a renewal request has the most characters.
const LONGEST_ANNOTATION: usize = 4096;

/// The hosts, or so much of them that a judgement sees that there are too many to be read.
fn bounded_hosts(hosts: &str) -> String {
    match hosts.char_indices().find(|(at, _)| *at > LONGEST_HOSTS) {
        Some((end, _)) => hosts.get(..end).unwrap_or_default().to_owned(),
        None => hosts.to_owned(),
    }
}

/// Whether what is written beside a token can have been written by this controller, going by its length.
fn is_ours(annotations: &BTreeMap<String, String>) -> bool {
    let ours = annotations.iter().filter(|(key, _)| key.starts_with(annotation::PREFIX));
    ours.filter(|(key, _)| *key != annotation::ALLOWED_HOSTS)
        .all(|(_, value)| value.len() <= LONGEST_ANNOTATION)
}

/// A resourceVersion as a number: comparable within one API server's storage. What is no number counts as oldest.
pub(crate) fn version(resource_version: Option<&str>) -> u64 {
    resource_version.and_then(|version| version.parse().ok()).unwrap_or_default()
}

#[derive(Default)]
struct State {
    known: Known,
    /// A list in progress. It replaces what is known when it is complete, and only then: what is missing in it has
    /// gone while nobody watched.
    listed: Option<Known>,
}

/// The Secrets of a scope.
#[derive(Default)]
pub(crate) struct Secrets {
    state: RwLock<State>,
}

impl Secrets {
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<Arc<Facts>> {
        self.read().known.get(&(namespace.into(), name.into())).cloned()
    }

    /// The Secrets that hold or held a token of the `TokenSource` with this name and uid, and that it controls: its target,
    /// and those of former names of its target.
    pub(crate) fn targets_of(
        &self,
        namespace: &str,
        source: &str,
        uid: &str,
    ) -> Vec<(CompactString, Arc<Facts>)> {
        let state = self.read();
        let targets = state.known.targets_of((namespace.into(), source.into()), uid);
        targets.map(|(name, facts)| (name.clone(), Arc::clone(facts))).collect()
    }

    /// Takes in what the watch brings, and says which Secrets may now be different, with their former facts' owner.
    pub(crate) fn apply(
        &self,
        event: &Event<PartialObjectMeta<Secret>>,
    ) -> Vec<(NamespacedName, Arc<Facts>)> {
        let mut state = self.write();
        match event {
            Event::Init => {
                state.listed = Some(Known::default());
                Vec::new()
            }
            Event::InitApply(secret) => {
                let (key, facts) = entry(&secret.metadata);
                state.listed.get_or_insert_default().learn(&key, &facts);
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
    pub(crate) fn learn(&self, metadata: &ObjectMeta) -> Arc<Facts> {
        let (key, facts) = entry(metadata);
        self.write().learn(&key, &facts);
        facts
    }

    /// One of our own calls found no such Secret. `known` is what was known of it when the call began: one that has
    /// been created since is not removed.
    pub(crate) fn lose(&self, namespace: &str, name: &str, known: Option<&Facts>) {
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
    /// What our own calls return while a list is in progress may be newer than that list.
    fn learn(&mut self, key: &NamespacedName, facts: &Arc<Facts>) {
        self.known.learn(key, facts);
        if let Some(listed) = &mut self.listed {
            listed.learn(key, facts);
        }
    }

    /// A deletion ends what was there, not what has been created since.
    fn lose(&mut self, key: &NamespacedName, facts: &Arc<Facts>) {
        if self.known.get(key).is_some_and(|known| known.uid == facts.uid || !is_newer(known, facts)) {
            self.known.remove(key);
        }
    }

    /// What is there now, and what is there no more.
    fn adopt_list(&mut self) -> Vec<(NamespacedName, Arc<Facts>)> {
        let before = std::mem::replace(&mut self.known, self.listed.take().unwrap_or_default());
        let gone = before.iter().filter(|(key, _)| self.known.get(key).is_none());
        self.known.iter().chain(gone).map(|(key, facts)| (key.clone(), Arc::clone(facts))).collect()
    }
}

fn is_newer(one: &Facts, other: &Facts) -> bool {
    version(Some(&one.resource_version)) > version(Some(&other.resource_version))
}

fn entry(metadata: &ObjectMeta) -> (NamespacedName, Arc<Facts>) {
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
    let key = (text(&metadata.namespace), text(&metadata.name));
    (key, Arc::new(Facts::of(metadata)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        secrets.get("ns", name).map(|facts| facts.resource_version.clone())
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
        assert_eq!(relist(&secrets, &[("a", "5")]), ["a", "newest"], "both are looked at again");
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
        assert_eq!(known(&secrets, "a").as_deref(), Some("20"), "one that was not known then has come since");
        let now = secrets.get("ns", "a");
        secrets.lose("ns", "a", now.as_deref());
        assert_eq!(known(&secrets, "a"), None);
    }

    #[test]
    fn what_others_write_into_annotations_is_kept_up_to_a_bound() {
        let long = "x".repeat(250_000);
        let annotated = |keys: &[&str]| {
            let annotations = keys.iter().map(|key| ((*key).to_owned(), long.clone())).collect();
            Facts::of(&ObjectMeta { annotations: Some(annotations), ..metadata("a", "1") })
        };
        let hosts = annotated(&[annotation::ALLOWED_HOSTS]).allowed_hosts.unwrap();
        assert!(hosts.len() > LONGEST_HOSTS && hosts.len() <= LONGEST_HOSTS + 4, "{}", hosts.len());
        let facts = annotated(&[
            annotation::DATA_HASH,
            annotation::DRESSING,
            annotation::INPUTS,
            annotation::ANSWERS,
        ]);
        assert!(facts.data_hash.is_none() && facts.dressing.is_none() && facts.memo.is_none());
    }

    #[test]
    fn the_end_of_an_earlier_secret_is_not_the_end_of_its_successor() {
        let secrets = Secrets::default();
        let successor = ObjectMeta { uid: Some("another".to_owned()), ..metadata("a", "20") };
        secrets.learn(&successor);
        secrets.apply(&Event::Delete(secret("a", "15")));
        assert_eq!(known(&secrets, "a").as_deref(), Some("20"));
    }
}
