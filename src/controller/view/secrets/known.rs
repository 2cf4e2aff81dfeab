//! The known Secrets by namespace and name, and the targets among them by the `TokenSource` that controls them.
//!
//! Keeps the newest state of each Secret. Must not know where a state comes from, nor the name that a target should have.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use compact_str::CompactString;
use kube::Resource;

use super::meta::{OwnWrite, SecretMeta, is_newer};
use crate::api::TokenSource;
use crate::controller::view::name::NamespacedName;

/// How many Secrets that claim to be targets of one `TokenSource` are considered. Anyone who may create Secrets may
/// create more.
const LOOKED_AT: usize = 64;

/// The known Secrets.
#[derive(Default)]
pub(crate) struct Known {
    secrets: HashMap<NamespacedName, Arc<SecretMeta>>,
    /// Namespace, `TokenSource` and Secret.
    targets: BTreeSet<(CompactString, CompactString, CompactString)>,
}

impl Known {
    pub(crate) fn get(&self, key: &NamespacedName) -> Option<&Arc<SecretMeta>> {
        self.secrets.get(key)
    }

    /// The Secrets that hold or held a token of the `TokenSource` with this name and uid, and that it controls.
    pub(crate) fn targets_of(
        &self,
        (namespace, source): NamespacedName,
        uid: &str,
    ) -> impl Iterator<Item = (&CompactString, &Arc<SecretMeta>)> {
        let first = (namespace.clone(), source.clone(), CompactString::default());
        self.targets
            .range(first..)
            .take_while(move |(within, owner, _)| *within == namespace && *owner == source)
            .take(LOOKED_AT)
            .filter_map(|(within, _, name)| Some((name, self.secrets.get(&(within.clone(), name.clone()))?)))
            .filter(move |(_, meta)| meta.controller.as_ref().is_some_and(|owner| owner.uid == uid))
    }

    /// Keeps this state of a Secret unless a newer one is known.
    pub(crate) fn learn(&mut self, key: &NamespacedName, meta: &Arc<SecretMeta>) {
        let before = self.secrets.get(key);
        if before.is_some_and(|before| is_newer(before, meta)) {
            return;
        }
        let owner = owner(meta).cloned();
        if before.and_then(|before| self::owner(before)) != owner.as_ref() {
            self.remove(key);
            self.targets.extend(owner.map(|owner| (key.0.clone(), owner, key.1.clone())));
        }
        self.secrets.insert(key.clone(), Arc::clone(meta));
    }

    pub(crate) fn remove(&mut self, key: &NamespacedName) {
        if let Some(owner) = self.secrets.remove(key).as_deref().and_then(owner) {
            self.targets.remove(&(key.0.clone(), owner.clone(), key.1.clone()));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&NamespacedName, &Arc<SecretMeta>)> {
        self.secrets.iter()
    }
}

/// The `TokenSource` whose target this is or was. A copy of a target does not count, since this controller did not write
/// it.
fn owner(meta: &SecretMeta) -> Option<&CompactString> {
    let was_target =
        meta.own_write != OwnWrite::Never && !meta.deleting && (meta.record.is_some() || meta.withdrawn);
    let controller =
        meta.controller.as_deref().filter(|controller| controller.kind == TokenSource::kind(&()));
    controller.filter(|_| was_target).map(|controller| &controller.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::view::secrets::meta::Controller;

    fn target(source: &str, uid: &str, resource_version: u64) -> SecretMeta {
        SecretMeta {
            resource_version: resource_version.to_string().into(),
            controller: Some(Box::new(Controller {
                kind: "TokenSource".into(),
                name: source.into(),
                uid: uid.to_owned(),
            })),
            withdrawn: true,
            own_write: OwnWrite::Updated,
            ..SecretMeta::default()
        }
    }

    fn learn(known: &mut Known, name: &str, meta: SecretMeta) {
        known.learn(&("ns".into(), name.into()), &Arc::new(meta));
    }

    fn targets(known: &Known, source: &str, uid: &str) -> Vec<String> {
        known.targets_of(("ns".into(), source.into()), uid).map(|(name, _)| name.to_string()).collect()
    }

    #[test]
    fn targets_are_found_by_name_and_uid_of_their_source() {
        let mut known = Known::default();
        learn(&mut known, "b", target("one", "uid-1", 1));
        learn(&mut known, "a", target("one", "uid-1", 1));
        learn(&mut known, "c", target("one", "uid-of-an-earlier-one", 1));
        learn(&mut known, "d", target("one-more", "uid-2", 1));
        known.learn(&("other".into(), "e".into()), &Arc::new(target("one", "uid-1", 1)));
        assert_eq!(targets(&known, "one", "uid-1"), ["a", "b"]);
        assert_eq!(targets(&known, "one-more", "uid-2"), ["d"]);
        assert_eq!(targets(&known, "on", "uid-1"), Vec::<String>::new());
    }

    #[test]
    fn only_what_this_controller_wrote_as_a_target_is_one() {
        type Change = fn(&mut SecretMeta);
        let change: [(&str, Change); 5] = [
            ("with neither a token nor a withdrawal", |meta| meta.withdrawn = false),
            ("written by another client", |meta| meta.own_write = OwnWrite::Never),
            ("being deleted", |meta| meta.deleting = true),
            ("without a controlling owner", |meta| meta.controller = None),
            ("controlled by another kind", |meta| {
                meta.controller.as_mut().unwrap().kind = "Deployment".into();
            }),
        ];
        for (what, change) in change {
            let mut known = Known::default();
            let mut meta = target("one", "uid-1", 1);
            change(&mut meta);
            learn(&mut known, "a", meta.clone());
            assert!(targets(&known, "one", "uid-1").is_empty(), "{what}");
            // A Secret that was a target before is no longer one after the change.
            learn(&mut known, "b", target("one", "uid-1", 1));
            meta.resource_version = "2".into();
            learn(&mut known, "b", meta);
            assert!(known.targets.is_empty(), "{what}, later");
        }
    }

    #[test]
    fn removed_secrets_leave_nothing_and_older_states_change_nothing() {
        let mut known = Known::default();
        learn(&mut known, "a", target("one", "uid-1", 5));
        learn(&mut known, "a", target("two", "uid-2", 4));
        assert_eq!(targets(&known, "one", "uid-1"), ["a"]);
        learn(&mut known, "a", target("two", "uid-2", 6));
        assert_eq!(targets(&known, "two", "uid-2"), ["a"]);
        known.remove(&("ns".into(), "a".into()));
        assert!(known.targets.is_empty() && known.secrets.is_empty());
    }

    #[test]
    fn only_a_bounded_number_of_targets_is_considered() {
        let mut known = Known::default();
        for number in 0..1000 {
            learn(&mut known, &format!("forged-{number}"), target("one", "uid-1", 1));
        }
        assert_eq!(targets(&known, "one", "uid-1").len(), LOOKED_AT);
    }
}
