//! Secrets by namespace and name, and among them the targets by the `TokenSource` that controls them.
//!
//! Knows which of two states of a Secret is newer. Must not know a watch, nor what a target's name should be.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use compact_str::CompactString;
use kube::Resource;

use super::{Facts, NamespacedName, is_newer};
use crate::api::TokenSource;

/// So many Secrets that claim to be targets of one `TokenSource` are looked at: anyone who may write Secrets may make more.
const LOOKED_AT: usize = 64;

/// The Secrets of a scope.
#[derive(Default)]
pub(crate) struct Known {
    facts: HashMap<NamespacedName, Arc<Facts>>,
    /// Namespace, `TokenSource` and Secret.
    targets: BTreeSet<(CompactString, CompactString, CompactString)>,
}

impl Known {
    pub(crate) fn get(&self, key: &NamespacedName) -> Option<&Arc<Facts>> {
        self.facts.get(key)
    }

    /// The Secrets that hold or held a token of the `TokenSource` with this name and uid, and that it controls.
    pub(crate) fn targets_of(
        &self,
        (namespace, source): NamespacedName,
        uid: &str,
    ) -> impl Iterator<Item = (&CompactString, &Arc<Facts>)> {
        let first = (namespace.clone(), source.clone(), CompactString::default());
        self.targets
            .range(first..)
            .take_while(move |(within, owner, _)| *within == namespace && *owner == source)
            .take(LOOKED_AT)
            .filter_map(|(within, _, name)| Some((name, self.facts.get(&(within.clone(), name.clone()))?)))
            .filter(move |(_, facts)| facts.controller.as_ref().is_some_and(|owner| owner.uid == uid))
    }

    /// Newer facts replace older ones, never the other way round.
    pub(crate) fn learn(&mut self, key: &NamespacedName, facts: &Arc<Facts>) {
        let before = self.facts.get(key);
        if before.is_some_and(|before| is_newer(before, facts)) {
            return;
        }
        let owner = owner(facts).cloned();
        if before.and_then(|before| self::owner(before)) != owner.as_ref() {
            self.remove(key);
            self.targets.extend(owner.map(|owner| (key.0.clone(), owner, key.1.clone())));
        }
        self.facts.insert(key.clone(), Arc::clone(facts));
    }

    pub(crate) fn remove(&mut self, key: &NamespacedName) {
        if let Some(owner) = self.facts.remove(key).as_deref().and_then(owner) {
            self.targets.remove(&(key.0.clone(), owner.clone(), key.1.clone()));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&NamespacedName, &Arc<Facts>)> {
        self.facts.iter()
    }
}

/// The `TokenSource` whose target this is or was. A copy that somebody has made of a target is none: this controller has
/// not written it.
fn owner(facts: &Facts) -> Option<&CompactString> {
    let was_target = facts.written && !facts.deleting && (facts.memo.is_some() || facts.withdrawn);
    let controller =
        facts.controller.as_deref().filter(|controller| controller.kind == TokenSource::kind(&()));
    controller.filter(|_| was_target).map(|controller| &controller.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::view::secrets::Controller;

    fn target(source: &str, uid: &str, resource_version: u64) -> Facts {
        Facts {
            resource_version: resource_version.to_string().into(),
            controller: Some(Box::new(Controller {
                kind: "TokenSource".into(),
                name: source.into(),
                uid: uid.to_owned(),
            })),
            withdrawn: true,
            written: true,
            ..Facts::default()
        }
    }

    fn learn(known: &mut Known, name: &str, facts: Facts) {
        known.learn(&("ns".into(), name.into()), &Arc::new(facts));
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
        let change: [(&str, fn(&mut Facts)); 5] = [
            ("without a word of a token", |facts| facts.withdrawn = false),
            ("written by somebody else", |facts| facts.written = false),
            ("on its way out", |facts| facts.deleting = true),
            ("controlled by nobody", |facts| facts.controller = None),
            ("controlled by another kind", |facts| {
                facts.controller.as_mut().unwrap().kind = "Deployment".into();
            }),
        ];
        for (what, change) in change {
            let mut known = Known::default();
            let mut facts = target("one", "uid-1", 1);
            change(&mut facts);
            learn(&mut known, "a", facts.clone());
            assert!(targets(&known, "one", "uid-1").is_empty(), "{what}");
            // The same, of one that was a target before.
            learn(&mut known, "b", target("one", "uid-1", 1));
            facts.resource_version = "2".into();
            learn(&mut known, "b", facts);
            assert!(known.targets.is_empty(), "{what}, later");
        }
    }

    #[test]
    fn nothing_is_left_of_what_is_gone_and_older_facts_change_nothing() {
        let mut known = Known::default();
        learn(&mut known, "a", target("one", "uid-1", 5));
        learn(&mut known, "a", target("two", "uid-2", 4));
        assert_eq!(targets(&known, "one", "uid-1"), ["a"]);
        learn(&mut known, "a", target("two", "uid-2", 6));
        assert_eq!(targets(&known, "two", "uid-2"), ["a"]);
        known.remove(&("ns".into(), "a".into()));
        assert!(known.targets.is_empty() && known.facts.is_empty());
    }

    #[test]
    fn looks_at_a_bounded_number_only() {
        let mut known = Known::default();
        for number in 0..1000 {
            learn(&mut known, &format!("forged-{number}"), target("one", "uid-1", 1));
        }
        assert_eq!(targets(&known, "one", "uid-1").len(), LOOKED_AT);
    }
}
