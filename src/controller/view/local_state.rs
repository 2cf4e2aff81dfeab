//! State of each `TokenSource` that this process knows and the API server does not: pending writes, and what one reconcile
//! leaves for the next.
//!
//! A reconcile that relied on a cache older than the controller's last write would request a token twice. A written object
//! is dropped when the cache has caught up, and an entry when its object no longer exists. A restart loses all entries. An
//! unwritten token is then requested again, and a rotated refresh token that is not stored is lost. The target's annotations
//! and the status have everything else that must survive a restart.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::ResourceExt;

use crate::api::{TokenSource, TokenSourceStatus, Workload};
use crate::controller::view::name::uid_of;
use crate::controller::view::secrets::version;
use crate::decide::refresh::RefreshBinding;
use crate::decide::render::{TemplateProblem, check};
use crate::decide::versions::Versions;
use crate::decide::{Cause, LoopGuard, Probed, RevocationTries};
use crate::oauth::Token;

/// A token, and what is written beside it.
#[derive(Clone, PartialEq)]
pub(crate) struct IssuedToken {
    pub(crate) token: Token,
    /// Fingerprint of the request's inputs.
    pub(crate) inputs_fingerprint: String,
    /// The versions of the Secrets that are part of the fingerprint.
    pub(crate) versions: Versions,
    pub(crate) cause: Cause,
    /// The renewal request that is handled by this token.
    pub(crate) handled_renew_request: Option<String>,
    /// The inputs that the refresh token is bound to, if refresh tokens are stored.
    pub(crate) binding: Option<RefreshBinding>,
    /// Whether the request with the stored refresh token failed, and the configured grant was used instead.
    pub(crate) fell_back: bool,
}

impl IssuedToken {
    /// Whether it has a refresh token that is not stored yet.
    pub(crate) fn is_unstored(&self) -> bool {
        self.binding.is_some() && self.token.refresh_token.is_some()
    }
}

#[derive(Default, PartialEq)]
struct Entry {
    /// The object as the last write of its status or its finalizer returned it.
    written: Option<Arc<TokenSource>>,
    /// A status that could not be written.
    unwritten_status: Option<TokenSourceStatus>,
    /// A token that could not be written.
    unwritten_token: Option<IssuedToken>,
    /// The last result of the probe.
    probed: Option<Probed>,
    /// The workloads restarted for a token, while others of its workloads could not be restarted.
    restarted: Option<(String, Vec<Workload>)>,
    /// The checked templates, and their fault.
    templates: Option<(Checked, Option<TemplateProblem>)>,
    /// The versions of the Secrets that the last attempt was made with, or that have been compared since.
    versions: Option<Versions>,
    /// How many reconciles in a row have failed.
    consecutive_errors: u32,
    /// Reconciles that changed something without progress.
    loop_guard: Option<LoopGuard>,
    /// The tries to revoke the tokens, once the object is deleted.
    tries: RevocationTries,
}

/// The checked templates: the generation of the object, and the names in `response.keep`.
#[derive(PartialEq)]
struct Checked(i64, Box<[String]>);

impl Entry {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One entry for each `TokenSource`, by its uid.
#[derive(Default)]
pub(crate) struct LocalState {
    entries: Mutex<HashMap<String, Entry>>,
}

impl LocalState {
    /// The object as it is now: the cached one, or the one that the last write returned if that is newer; with the status
    /// that could not be written, if there is one. Also whether there is one.
    pub(crate) fn current(&self, cached: Arc<TokenSource>) -> (Arc<TokenSource>, bool) {
        let mut entries = self.lock();
        let uid = uid_of(&cached).to_owned();
        let Some(entry) = entries.get_mut(&uid) else { return (cached, false) };
        entry.written = entry.written.take().filter(|written| newer(written, &cached));
        let mut current = entry.written.clone().unwrap_or(cached);
        if let Some(status) = &entry.unwritten_status {
            Arc::make_mut(&mut current).status = Some(status.clone());
        }
        let status_pending = entry.unwritten_status.is_some();
        if entry.is_empty() {
            entries.remove(&uid);
        }
        (current, status_pending)
    }

    /// Reads the status that `current` would return. Drops nothing: a reconcile may have read an older cached object, and
    /// would then miss the last write.
    pub(crate) fn with_status<T>(
        &self,
        cached: &TokenSource,
        read: impl FnOnce(Option<&TokenSourceStatus>) -> T,
    ) -> T {
        let entries = self.lock();
        let entry = cached.metadata.uid.as_ref().and_then(|uid| entries.get(uid));
        let unwritten = entry.and_then(|entry| entry.unwritten_status.as_ref());
        let written =
            entry.and_then(|entry| entry.written.as_deref()).filter(|written| newer(written, cached));
        read(unwritten.or(written.unwrap_or(cached).status.as_ref()))
    }

    /// A status write returned this object.
    pub(crate) fn status_written(&self, source: TokenSource) {
        let source = Arc::new(source);
        self.update(uid_of(&source), |entry| {
            entry.unwritten_status = None;
            entry.written = Some(Arc::clone(&source));
        });
    }

    /// Another write returned this object.
    pub(crate) fn written(&self, source: TokenSource) {
        let source = Arc::new(source);
        self.update(uid_of(&source), |entry| entry.written = Some(Arc::clone(&source)));
    }

    /// The tries to revoke the tokens of a deleted object.
    pub(crate) fn tries(&self, uid: &str) -> RevocationTries {
        self.lock().get(uid).map(|entry| entry.tries.clone()).unwrap_or_default()
    }

    pub(crate) fn remember_tries(&self, uid: &str, tries: RevocationTries) {
        self.update(uid, |entry| entry.tries = tries);
    }

    /// Keeps a status that could not be written.
    pub(crate) fn keep_unwritten_status(&self, uid: &str, status: TokenSourceStatus) {
        self.update(uid, |entry| entry.unwritten_status = Some(status));
    }

    /// Keeps a token that could not be written.
    pub(crate) fn keep_unwritten_token(&self, uid: &str, token: IssuedToken) {
        self.update(uid, |entry| entry.unwritten_token = Some(token));
    }

    pub(crate) fn unwritten_token(&self, uid: &str) -> Option<IssuedToken> {
        self.lock().get(uid).and_then(|entry| entry.unwritten_token.clone())
    }

    pub(crate) fn forget_unwritten_token(&self, uid: &str) {
        self.update(uid, |entry| entry.unwritten_token = None);
    }

    /// The fault of the templates; None if they are correct. Checked once for each generation and set of names in
    /// `response.keep`, since checking takes work and nothing else matters.
    pub(crate) fn template_problem(
        &self,
        source: &TokenSource,
        keep: &BTreeMap<String, String>,
    ) -> Option<TemplateProblem> {
        let target = &source.spec.target;
        let (Some(uid), false) = (source.metadata.uid.as_deref(), target.data.is_empty()) else {
            return None;
        };
        let now = Checked(source.metadata.generation.unwrap_or_default(), keep.keys().cloned().collect());
        let mut entries = self.lock();
        let templates = &mut entries.entry(uid.to_owned()).or_default().templates;
        match templates {
            Some((checked, problem)) if *checked == now => problem.clone(),
            _ => templates.insert((now, check(target, keep).err())).1.clone(),
        }
    }

    pub(crate) fn remember_probe(&self, uid: &str, probed: Probed) {
        self.update(uid, |entry| entry.probed = Some(probed));
    }

    pub(crate) fn probed(&self, uid: &str) -> Option<Probed> {
        self.lock().get(uid).and_then(|entry| entry.probed.clone())
    }

    /// The known versions of the Secrets.
    pub(crate) fn versions(&self, uid: &str) -> Versions {
        self.lock().get(uid).and_then(|entry| entry.versions.clone()).unwrap_or_default()
    }

    pub(crate) fn remember_versions(&self, uid: &str, versions: Versions) {
        self.update(uid, |entry| entry.versions = Some(versions).filter(|versions| !versions.is_empty()));
    }

    /// Forgets the versions, because the target has them now. Keeps them if a Secret has been rewritten since the first
    /// version with the same values: if the target is lost, only this entry has them.
    pub(crate) fn forget_written_versions(&self, uid: &str) {
        self.update(uid, |entry| entry.versions = entry.versions.take().filter(Versions::has_rewritten));
    }

    /// The workloads that have been restarted for this token, while others have not.
    pub(crate) fn restarted(&self, uid: &str, token: &str) -> Vec<Workload> {
        let entries = self.lock();
        let restarted = entries.get(uid).and_then(|entry| entry.restarted.as_ref());
        restarted
            .filter(|(since, _)| since == token)
            .map(|(_, workloads)| workloads.clone())
            .unwrap_or_default()
    }

    /// Remembers the workloads that have been restarted for a token; None once all of them have.
    pub(crate) fn remember_restarts(&self, uid: &str, restarted: Option<(String, Vec<Workload>)>) {
        self.update(uid, |entry| entry.restarted = restarted);
    }

    /// Counts a failed reconcile. Returns how many have failed in a row.
    pub(crate) fn count_error(&self, uid: &str) -> u32 {
        let mut entries = self.lock();
        let entry = entries.entry(uid.to_owned()).or_default();
        entry.consecutive_errors = entry.consecutive_errors.saturating_add(1);
        entry.consecutive_errors
    }

    pub(crate) fn reset_errors(&self, uid: &str) {
        self.update(uid, |entry| entry.consecutive_errors = 0);
    }

    /// The reconciles without progress before this one.
    pub(crate) fn loop_guard(&self, uid: &str) -> Option<LoopGuard> {
        self.lock().get(uid).and_then(|entry| entry.loop_guard.clone())
    }

    /// Sets the loop guard; None after progress.
    pub(crate) fn set_loop_guard(&self, uid: &str, guard: Option<LoopGuard>) {
        self.update(uid, |entry| entry.loop_guard = guard);
    }

    /// Drops the entries of all objects but these.
    pub(crate) fn retain(&self, present: &HashSet<String>) {
        self.lock().retain(|uid, _| present.contains(uid));
    }

    /// Drops the entry of an object that no longer exists.
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
