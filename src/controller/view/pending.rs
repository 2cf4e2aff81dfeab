//! What the process knows of its own writes before the watches bring it back.
//!
//! A reconcile that rested on a cache older than our last write would ask a provider twice. Entries live only until
//! the next look finds that the cache has caught up; a token that could not be written lives until it is, what
//! the probe said as long as the object. Lost on restart, harmlessly: what
//! matters is in the target's annotations and in status.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::ResourceExt;

use crate::api::{TokenSource, TokenSourceStatus, Workload};
use crate::controller::view::secrets::version;
use crate::decide::refresh::Bond;
use crate::decide::render::{TemplateProblem, check};
use crate::decide::versions::Versions;
use crate::decide::{Cause, LoopGuard, Probed};
use crate::oauth::Token;

/// A token that was minted but could not be written.
#[derive(Clone)]
pub(crate) struct HeldToken {
    pub(crate) token: Token,
    pub(crate) asked: String,
    /// The versions of the Secrets that count in it.
    pub(crate) versions: Versions,
    pub(crate) cause: Cause,
    /// The renewal request it answers.
    pub(crate) answers: Option<String>,
    /// What its refresh token is bound to, where that is kept.
    pub(crate) bond: Option<Bond>,
    /// A stored refresh token was refused on the way, and the grant's own request made instead.
    pub(crate) fell_back: bool,
}

#[derive(Default)]
struct Entry {
    /// The object as our last status write returned it.
    written: Option<Arc<TokenSource>>,
    /// The status that could not be written.
    unwritten: Option<TokenSourceStatus>,
    held: Option<HeldToken>,
    probed: Option<Probed>,
    /// Which workloads have been restarted for a token while others could not be.
    restarted: Option<(String, Vec<Workload>)>,
    /// Of which generation the templates have been tried, and what was wrong with them.
    templates: Option<(i64, Option<TemplateProblem>)>,
    /// The versions of the Secrets that the last attempt was made with, or that have been compared since.
    versions: Option<Versions>,
    /// Failed reconciles in a row.
    troubles: u32,
    /// Reconciles that changed something without progress.
    guard: Option<LoopGuard>,
}

impl Entry {
    fn is_empty(&self) -> bool {
        let Self { written, unwritten, held, probed, restarted, templates, versions, troubles, guard } = self;
        let nothing = written.is_none() && unwritten.is_none() && held.is_none() && probed.is_none();
        nothing
            && versions.is_none()
            && restarted.is_none()
            && templates.is_none()
            && *troubles == 0
            && guard.is_none()
    }
}

/// By uid of the `TokenSource`.
#[derive(Default)]
pub(crate) struct Memory {
    entries: Mutex<HashMap<String, Entry>>,
}

impl Memory {
    /// The object as it is known to stand, and whether its status still has to be written: the cache's or, while
    /// that lags behind, what our own write returned.
    pub(crate) fn latest(&self, cached: Arc<TokenSource>) -> (Arc<TokenSource>, bool) {
        let mut entries = self.lock();
        let uid = cached.uid().unwrap_or_default();
        let Some(entry) = entries.get_mut(&uid) else { return (cached, false) };
        entry.written = entry.written.take().filter(|written| newer(written, &cached));
        let mut latest = entry.written.clone().unwrap_or(cached);
        if let Some(status) = &entry.unwritten {
            Arc::make_mut(&mut latest).status = Some(status.clone());
        }
        let owed = entry.unwritten.is_some();
        if entry.is_empty() {
            entries.remove(&uid);
        }
        (latest, owed)
    }

    /// The status of `latest`, for those who only look on. Nothing is cleared away for them: a reconcile that waits its
    /// turn may hold an older copy than theirs, and would then not learn of our write.
    pub(crate) fn with_status<T>(
        &self,
        cached: &TokenSource,
        read: impl FnOnce(Option<&TokenSourceStatus>) -> T,
    ) -> T {
        let entries = self.lock();
        let entry = cached.metadata.uid.as_ref().and_then(|uid| entries.get(uid));
        let unwritten = entry.and_then(|entry| entry.unwritten.as_ref());
        let written =
            entry.and_then(|entry| entry.written.as_deref()).filter(|written| newer(written, cached));
        read(unwritten.or(written.unwrap_or(cached).status.as_ref()))
    }

    /// A status write returned this object.
    pub(crate) fn status_written(&self, source: TokenSource) {
        self.update(&source.uid().unwrap_or_default(), |entry| {
            entry.unwritten = None;
            entry.written = Some(Arc::new(source));
        });
    }

    /// A status could not be written; it holds all the same.
    pub(crate) fn status_unwritten(&self, uid: &str, status: TokenSourceStatus) {
        self.update(uid, |entry| entry.unwritten = Some(status));
    }

    pub(crate) fn hold(&self, uid: &str, token: HeldToken) {
        self.update(uid, |entry| entry.held = Some(token));
    }

    pub(crate) fn held(&self, uid: &str) -> Option<HeldToken> {
        self.lock().get(uid).and_then(|entry| entry.held.clone())
    }

    pub(crate) fn release(&self, uid: &str) {
        self.update(uid, |entry| entry.held = None);
    }

    /// What is wrong with the templates, tried once for each generation: that takes work, and changes with the spec alone.
    pub(crate) fn template_problem(&self, source: &TokenSource) -> Option<TemplateProblem> {
        let target = &source.spec.target;
        let (Some(uid), false) = (source.metadata.uid.as_deref(), target.data.is_empty()) else {
            return None;
        };
        let generation = source.metadata.generation.unwrap_or_default();
        let mut entries = self.lock();
        let templates = &mut entries.entry(uid.to_owned()).or_default().templates;
        match templates {
            Some((tried, problem)) if *tried == generation => problem.clone(),
            _ => templates.insert((generation, check(target).err())).1.clone(),
        }
    }

    /// The probe has been asked.
    pub(crate) fn remember_probe(&self, uid: &str, probed: Probed) {
        self.update(uid, |entry| entry.probed = Some(probed));
    }

    pub(crate) fn probed(&self, uid: &str) -> Option<Probed> {
        self.lock().get(uid).and_then(|entry| entry.probed.clone())
    }

    /// The workloads that have been restarted for this token, as far as others have not.
    pub(crate) fn restarted(&self, uid: &str, token: &str) -> Vec<Workload> {
        let entries = self.lock();
        let restarted = entries.get(uid).and_then(|entry| entry.restarted.as_ref());
        restarted
            .filter(|(since, _)| since == token)
            .map(|(_, workloads)| workloads.clone())
            .unwrap_or_default()
    }

    /// Some workloads have been restarted for a token and some have not; or none of that matters any more.
    pub(crate) fn remember_restarts(&self, uid: &str, restarted: Option<(String, Vec<Workload>)>) {
        self.update(uid, |entry| entry.restarted = restarted);
    }

    /// What is known of the Secrets' versions.
    pub(crate) fn versions(&self, uid: &str) -> Versions {
        self.lock().get(uid).and_then(|entry| entry.versions.clone()).unwrap_or_default()
    }

    pub(crate) fn remember_versions(&self, uid: &str, versions: Versions) {
        self.update(uid, |entry| entry.versions = Some(versions).filter(|versions| !versions.is_empty()));
    }

    /// The target tells all of it now, unless a Secret has been rewritten since the first version that counts: where the
    /// target is lost, that is remembered here alone.
    pub(crate) fn versions_written(&self, uid: &str) {
        self.update(uid, |entry| entry.versions = entry.versions.take().filter(Versions::has_rewritten));
    }

    /// Counts one more failed reconcile, and says how many there have been in a row.
    pub(crate) fn trouble(&self, uid: &str) -> u32 {
        let mut entries = self.lock();
        let entry = entries.entry(uid.to_owned()).or_default();
        entry.troubles = entry.troubles.saturating_add(1);
        entry.troubles
    }

    /// What is known of reconciles without progress.
    pub(crate) fn guard(&self, uid: &str) -> Option<LoopGuard> {
        self.lock().get(uid).and_then(|entry| entry.guard.clone())
    }

    /// One more without progress; or none, for there was progress.
    pub(crate) fn remember_guard(&self, uid: &str, guard: Option<LoopGuard>) {
        self.update(uid, |entry| entry.guard = guard);
    }

    pub(crate) fn calm(&self, uid: &str) {
        self.update(uid, |entry| entry.troubles = 0);
    }

    /// After a list: whatever else was remembered belongs to objects that are gone.
    pub(crate) fn retain(&self, present: &HashSet<String>) {
        self.lock().retain(|uid, _| present.contains(uid));
    }

    /// The object is gone.
    pub(crate) fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn update(&self, uid: &str, change: impl FnOnce(&mut Entry)) {
        let mut entries = self.lock();
        let mut entry = entries.remove(uid).unwrap_or_default();
        change(&mut entry);
        if !entry.is_empty() {
            entries.insert(uid.to_owned(), entry);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn newer(one: &TokenSource, other: &TokenSource) -> bool {
    version(one.resource_version().as_deref()) > version(other.resource_version().as_deref())
}
