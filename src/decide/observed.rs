//! Everything that a decision depends on, collected by `controller::reconcile::observe`, and by `cli::check` for a manifest.
//! Holds facts only; must not know where they were read.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;

use super::render::TemplateProblem;
use super::schedule::is_of_another_clock;
use super::{
    Deletion, Failure, Fingerprints, FormerTarget, Probed, Published, ReplacedToken, Secrets, Target, inputs,
};
use crate::api::{TokenProviderSpec, TokenSource, TokenSourceSpec, TokenSourceStatus, from_kubernetes};

/// One `TokenSource` and its surroundings at one instant.
#[derive(Clone)]
pub struct Observed<'a> {
    /// The time of the observation.
    pub now: DateTime<Utc>,
    /// Namespace of the `TokenSource`; empty in a manifest that names none.
    pub namespace: &'a str,
    /// Name of the `TokenSource`.
    pub name: &'a str,
    /// The uid of the `TokenSource`: the seed of its jitter.
    pub uid: &'a str,
    /// When the object was created.
    pub created_at: Option<DateTime<Utc>>,
    /// The generation of `spec`.
    pub generation: i64,
    /// Whether the `TokenSource` is being deleted.
    pub deleting: bool,
    /// The facts about its deletion.
    pub deletion: Deletion,
    /// The token that was replaced last, if it must still be revoked.
    pub replaced_token: Option<ReplacedToken>,
    /// The spec.
    pub spec: &'a TokenSourceSpec,
    /// The last recorded status.
    pub status: &'a TokenSourceStatus,
    /// Value of the `renew-requested-at` annotation.
    pub renew_request: Option<&'a str>,
    /// The provider block, whether inline or referenced, or why there is none.
    pub provider: Result<&'a TokenProviderSpec, Failure>,
    /// The Secrets that a request is made with.
    pub secrets: Secrets,
    /// The names along a circle of `tokenSourceRef`s that leads back to this `TokenSource`; empty if there is none.
    pub circle: Vec<String>,
    /// Whether an upstream `TokenSource`, directly or through others, requests its token with a Secret or ServiceAccount.
    /// Its owner has then allowed the hosts that the upstream's target allows.
    pub upstream_has_owner: bool,
    /// The fingerprints of the inputs; None if the provider or a Secret is missing.
    pub fingerprints: Option<Fingerprints>,
    /// Why the templates of `target.data` cannot be rendered. None also without the provider block, which names the fields
    /// that templates may use.
    pub template_problem: Option<TemplateProblem>,
    /// The target Secret.
    pub target: Target,
    /// The Secrets that were the target before the spec gave it another name.
    pub former_targets: Vec<FormerTarget>,
    /// The owner of the Secret that has the name of the refresh-token Secret, if this `TokenSource` does not own it.
    pub refresh_conflict: Option<String>,
    /// An older `TokenSource` that names the same target.
    pub conflicting_source: Option<String>,
    /// A token that was issued but could not be written to the target.
    pub unwritten_token: Option<UnwrittenToken>,
    /// The last result of the probe.
    pub probed: Option<Probed>,
}

/// A token that was issued but could not be written to the target. The controller keeps the token itself.
#[derive(Clone, Debug, PartialEq)]
pub struct UnwrittenToken {
    /// Fingerprint of the inputs of its request.
    pub inputs_fingerprint: String,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
}

impl<'a> Observed<'a> {
    /// A `TokenSource` of which only these values are known: new in the cluster, without Secrets, target or upstream
    /// TokenSources.
    pub fn new(
        spec: &'a TokenSourceSpec,
        status: &'a TokenSourceStatus,
        provider: Result<&'a TokenProviderSpec, Failure>,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            now,
            namespace: "",
            name: "",
            uid: "",
            created_at: None,
            generation: 1,
            deleting: false,
            deletion: Deletion::default(),
            replaced_token: None,
            spec,
            status,
            renew_request: None,
            provider,
            secrets: Secrets::default(),
            circle: Vec::new(),
            upstream_has_owner: false,
            fingerprints: None,
            template_problem: None,
            target: Target::Missing,
            former_targets: Vec::new(),
            refresh_conflict: None,
            conflicting_source: None,
            unwritten_token: None,
            probed: None,
        }
    }
}

impl Observed<'_> {
    /// The token in the target, if the `TokenSource` owns the target.
    pub fn published(&self) -> Option<&Published> {
        match &self.target {
            Target::Ours(published) => Some(published),
            Target::Missing | Target::Foreign(_) | Target::Withdrawn { .. } => None,
        }
    }

    /// The fingerprints of a request that is made now; None if the provider or one of the Secrets is missing.
    pub fn current_fingerprints(&self) -> Option<Fingerprints> {
        let provider = *self.provider.as_ref().ok()?;
        inputs::fingerprints(self.spec, self.generation, provider, &self.secrets)
    }

    /// The owner reference of the Secrets of this `TokenSource`.
    pub fn owner(&self) -> OwnerReference {
        OwnerReference {
            api_version: TokenSource::api_version(&()).into_owned(),
            kind: TokenSource::kind(&()).into_owned(),
            name: self.name.to_owned(),
            uid: self.uid.to_owned(),
            controller: Some(true),
            ..OwnerReference::default()
        }
    }

    /// The uid of the target, if the `TokenSource` owns it.
    pub fn target_uid(&self) -> Option<&str> {
        match &self.target {
            Target::Ours(Published { uid, .. }) | Target::Withdrawn { uid, .. } => Some(uid),
            Target::Missing | Target::Foreign(_) => None,
        }
    }

    /// Name of the target: the name in the spec, or else the name of the `TokenSource`.
    pub fn target_name(&self) -> &str {
        self.spec.target.name.as_deref().unwrap_or(self.name)
    }

    /// The renewal request that neither the status nor the target records as handled.
    pub fn open_renew_request(&self) -> Option<&str> {
        let handled = self.published().and_then(|published| published.handled_renew_request.as_deref());
        self.renew_request.filter(|request| {
            handled != Some(request) && self.status.last_handled_renew_request.as_deref() != Some(request)
        })
    }

    /// Whether the last attempt was made with the same inputs, and failed.
    pub fn failed_before(&self) -> bool {
        self.status.failures > 0
            && self.status.failed_inputs.is_some()
            && self.status.failed_inputs.as_deref()
                == self.fingerprints.as_ref().map(|fingerprints| fingerprints.attempt.as_str())
            && !self.succeeded_since()
    }

    /// How many attempts with the same inputs have failed in a row.
    pub fn failures_in_a_row(&self) -> i32 {
        if self.failed_before() { self.status.failures } else { 0 }
    }

    /// Whether the target holds a token that was requested after the last recorded failure and that the status does not
    /// know: the process ended before it recorded the success.
    pub(super) fn succeeded_since(&self) -> bool {
        let recorded = |time: &Option<_>| time.as_ref().map(from_kubernetes);
        let status = self.status;
        self.published().zip(recorded(&status.last_failure_time)).is_some_and(|(published, failed_at)| {
            let issued_at = published.issued_at;
            let unknown = recorded(&status.issued_at) != Some(issued_at);
            // A failure in the future was recorded with another clock, so the order of the two is unknown.
            let after = failed_at <= issued_at || is_of_another_clock(failed_at, self.now);
            published.intact && unknown && after && issued_at <= self.now
        })
    }

    /// When the provider last returned the token that the target already held, by this status.
    pub(super) fn last_unchanged(&self, status: &TokenSourceStatus) -> Option<DateTime<Utc>> {
        let recorded = status.last_unchanged_time.as_ref().map(from_kubernetes);
        recorded.filter(|recorded| !is_of_another_clock(*recorded, self.now))
    }

    /// When the last request was sent, if known.
    pub fn last_attempt(&self) -> Option<DateTime<Utc>> {
        let status = self.status;
        let recorded = [&status.issued_at, &status.last_failure_time, &status.last_unchanged_time];
        self.published()
            .map(|published| published.issued_at)
            .into_iter()
            .chain(recorded.into_iter().flatten().map(from_kubernetes))
            // An instant in the future comes from a clock that was set back or from an altered target. No request was sent
            // then.
            .filter(|attempt| *attempt <= self.now)
            .max()
    }

    /// This observation with the Secrets as they were read for a request.
    #[must_use]
    pub fn with_secrets(&self, secrets: Secrets) -> Self {
        let read = Self { secrets, ..self.clone() };
        Self { fingerprints: read.current_fingerprints(), ..read }
    }
}
