//! Everything a decision may rest on, gathered in one place by `controller::reconcile::observe`.
//! Knows facts only; must not know where they came from.

use chrono::{DateTime, Utc};

use super::render::TemplateProblem;
use super::schedule::is_of_another_clock;
use super::{
    Deletion, Failure, FormerTarget, Inputs, Probed, Published, Replacement, Secrets, Target, inputs,
};
use crate::api::{TokenProviderSpec, TokenSourceSpec, TokenSourceStatus, from_kubernetes};

/// One `TokenSource` and its surroundings at one instant.
#[derive(Clone)]
pub struct Observed<'a> {
    /// When this was gathered.
    pub now: DateTime<Utc>,
    /// Namespace of the `TokenSource`; empty in a manifest that names none.
    pub namespace: &'a str,
    /// Name of the `TokenSource`.
    pub name: &'a str,
    /// Its uid: the seed of its jitter.
    pub uid: &'a str,
    /// The generation of `spec`.
    pub generation: i64,
    /// It is on its way out.
    pub deleting: bool,
    /// What decides how it goes.
    pub deletion: Deletion,
    /// The token that was replaced last, if it is still to be revoked.
    pub replacement: Option<Replacement>,
    /// What the user wants.
    pub spec: &'a TokenSourceSpec,
    /// What was last recorded.
    pub status: &'a TokenSourceStatus,
    /// Value of the `renew-requested-at` annotation.
    pub renew_request: Option<&'a str>,
    /// The provider block, wherever it is written, or why there is none.
    pub provider: Result<&'a TokenProviderSpec, Failure>,
    /// The Secrets that a request is made with.
    pub secrets: Secrets,
    /// The names along a circle of `tokenSourceRef`s that leads back to this `TokenSource`; empty if there is none.
    pub circle: Vec<String>,
    /// Whether an upstream `TokenSource`, directly or through others, requests its token with a Secret or ServiceAccount. Its owner has
    /// then allowed the hosts that the upstream's target allows.
    pub upstream_has_owner: bool,
    /// What shapes request and rendering; none where provider or credentials are missing.
    pub inputs: Option<Inputs>,
    /// Why the templates of `target.data` cannot be rendered. Not known without the provider block, which
    /// names the fields that they may use.
    pub template_problem: Option<TemplateProblem>,
    /// The target Secret.
    pub target: Target,
    /// The Secrets that were the target before the spec gave it another name.
    pub former_targets: Vec<FormerTarget>,
    /// Whose Secret stands where a refresh token would have to be kept, if it is not ours.
    pub refresh_conflict: Option<String>,
    /// An older `TokenSource` that names the same target.
    pub conflicting_source: Option<String>,
    /// A token that was minted but could not be written.
    pub unwritten_token: Option<UnwrittenToken>,
    /// What the probe last said.
    pub probed: Option<Probed>,
}

/// A token that was minted but could not be written; the token itself is the controller's to keep.
#[derive(Clone, Debug, PartialEq)]
pub struct UnwrittenToken {
    /// Fingerprint of what it was asked for with.
    pub asked: String,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
}

impl Observed<'_> {
    /// The token in the target, if the target is ours.
    pub fn published(&self) -> Option<&Published> {
        match &self.target {
            Target::Ours(published) => Some(published),
            Target::Missing | Target::Foreign(_) | Target::Withdrawn { .. } => None,
        }
    }

    /// The inputs of a request that is made now; none where the provider or one of the Secrets is missing.
    pub fn fingerprint(&self) -> Option<Inputs> {
        let provider = *self.provider.as_ref().ok()?;
        inputs::fingerprint(self.spec, self.generation, provider, &self.secrets)
    }

    /// The uid of the target, if it is ours.
    pub fn target_uid(&self) -> Option<&str> {
        match &self.target {
            Target::Ours(Published { uid, .. }) | Target::Withdrawn { uid, .. } => Some(uid),
            Target::Missing | Target::Foreign(_) => None,
        }
    }

    /// Name of the target: the spec's, else the `TokenSource`'s own.
    pub fn target_name(&self) -> &str {
        self.spec.target.name.as_deref().unwrap_or(self.name)
    }

    /// The renewal request that has not been dealt with yet: neither status nor target tells of it.
    pub fn open_renew_request(&self) -> Option<&str> {
        let answered = self.published().and_then(|published| published.answers.as_deref());
        self.renew_request.filter(|request| {
            answered != Some(request) && self.status.last_handled_renew_request.as_deref() != Some(request)
        })
    }

    /// The last attempt was made with just these inputs, and failed.
    pub fn failed_before(&self) -> bool {
        self.status.failures > 0
            && self.status.failed_inputs.is_some()
            && self.status.failed_inputs.as_deref()
                == self.inputs.as_ref().map(|inputs| inputs.attempt.as_str())
            && !self.succeeded_since()
    }

    /// How many attempts with just these inputs have failed in a row.
    pub fn failures_in_a_row(&self) -> i32 {
        if self.failed_before() { self.status.failures } else { 0 }
    }

    /// The target holds a token that was asked for after the last failure on record, and that status does not know:
    /// the process ended before it could record the success.
    pub(super) fn succeeded_since(&self) -> bool {
        let recorded = |time: &Option<_>| time.as_ref().map(from_kubernetes);
        let status = self.status;
        self.published().zip(recorded(&status.last_failure_time)).is_some_and(|(published, failed_at)| {
            let issued_at = published.issued_at;
            let unknown = recorded(&status.issued_at) != Some(issued_at);
            // A failure yet to come is one of another clock: it says nothing of which came first.
            let after = failed_at <= issued_at || is_of_another_clock(failed_at, self.now);
            published.intact && unknown && after && issued_at <= self.now
        })
    }

    /// When the provider last returned the token that the target holds, by this status.
    pub(super) fn last_unchanged(&self, status: &TokenSourceStatus) -> Option<DateTime<Utc>> {
        let recorded = status.last_unchanged_time.as_ref().map(from_kubernetes);
        recorded.filter(|recorded| !is_of_another_clock(*recorded, self.now))
    }

    /// When the provider was last asked, as far as is known.
    pub fn last_attempt(&self) -> Option<DateTime<Utc>> {
        let status = self.status;
        let recorded = [&status.issued_at, &status.last_failure_time, &status.last_unchanged_time];
        self.published()
            .map(|published| published.issued_at)
            .into_iter()
            .chain(recorded.into_iter().flatten().map(from_kubernetes))
            // An instant yet to come is a clock that was set back, or an altered target: nobody was asked then.
            .filter(|attempt| *attempt <= self.now)
            .max()
    }

    /// The same with the Secrets as they have been read for a request.
    #[must_use]
    pub fn with_secrets(&self, secrets: Secrets) -> Self {
        let read = Self { secrets, ..self.clone() };
        Self { inputs: read.fingerprint(), ..read }
    }
}
