//! A `TokenSource` with a valid token, which the tests of this layer change. Knows one plausible state; must not know what a
//! test expects.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::versions::Versions;
use super::{
    Cause, Deletion, Failure, Fingerprints, FormerTarget, Observed, ObservedAfter, Outcome, Plan, Probed,
    Publication, Published, ReferencedSecret, ReplacedToken, Secrets, Target, UnwrittenToken, Upstream,
    inputs, next_status, render,
};
use crate::api::{
    ClientAuthentication, ClientAuthenticationMethod, CredentialsReference, Reason, TokenProviderSpec,
    TokenSourceSpec, TokenSourceStatus,
};
use crate::oauth::Retry;

/// The host that the fixture's credentials allow.
pub(super) const HOST: &str = "auth.example.com";

/// The instant that is this number of seconds after the fixture's token was issued.
pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600 + seconds, 0).unwrap()
}

/// A failure with this reason and retry class.
pub(super) fn failure(reason: Reason, retry: Retry) -> Failure {
    Failure { reason, retry, retry_after: None, message: format!("{}.", reason.as_str()) }
}

/// A temporary failure of the provider.
pub(super) fn outage() -> Failure {
    failure(Reason::ProviderUnavailable, Retry::TRANSIENT)
}

/// Owns the values that an [`Observed`] borrows.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) now: DateTime<Utc>,
    pub(super) uid: String,
    pub(super) generation: i64,
    pub(super) deleting: bool,
    pub(super) deletion: Deletion,
    pub(super) replaced_token: Option<ReplacedToken>,
    pub(super) spec: TokenSourceSpec,
    pub(super) status: TokenSourceStatus,
    pub(super) renew_request: Option<String>,
    pub(super) provider: Result<TokenProviderSpec, Failure>,
    pub(super) credentials: ReferencedSecret,
    pub(super) subject: ReferencedSecret,
    pub(super) certificate: ReferencedSecret,
    pub(super) upstreams: Vec<Upstream>,
    pub(super) circle: Vec<String>,
    pub(super) upstream_has_owner: bool,
    pub(super) versions: Versions,
    pub(super) target: Target,
    pub(super) former_targets: Vec<FormerTarget>,
    pub(super) refresh_conflict: Option<String>,
    pub(super) conflicting_source: Option<String>,
    pub(super) unwritten_token: Option<UnwrittenToken>,
    pub(super) probed: Option<Probed>,
}

impl Scene {
    /// A new TokenSource: no token, and nothing recorded.
    pub(super) fn fresh() -> Self {
        let provider = TokenProviderSpec {
            token_endpoint: Some(format!("https://{HOST}/oauth/token")),
            client_authentication: ClientAuthentication {
                method: ClientAuthenticationMethod::ClientSecretPost,
                ..ClientAuthentication::default()
            },
            ..TokenProviderSpec::default()
        };
        let spec = TokenSourceSpec {
            provider: Some(Box::new(provider.clone())),
            credentials_ref: Some(CredentialsReference {
                name: "client".to_owned(),
                ..CredentialsReference::default()
            }),
            ..TokenSourceSpec::default()
        };
        Self {
            now: at(0),
            uid: "6f0c6f3a-0001".to_owned(),
            generation: 1,
            deleting: false,
            deletion: Deletion::default(),
            replaced_token: None,
            spec,
            status: TokenSourceStatus::default(),
            renew_request: None,
            provider: Ok(provider),
            credentials: ReferencedSecret::Present {
                name: "client".to_owned(),
                uid: "secret-uid".to_owned(),
                resource_version: "7".to_owned(),
                allowed_hosts: Some(HOST.to_owned()),
            },
            subject: ReferencedSecret::Unnamed,
            certificate: ReferencedSecret::Unnamed,
            upstreams: Vec::new(),
            versions: Versions::default(),
            target: Target::Missing,
            former_targets: Vec::new(),
            refresh_conflict: None,
            conflicting_source: None,
            unwritten_token: None,
            probed: None,
            circle: Vec::new(),
            upstream_has_owner: false,
        }
    }

    /// Ten minutes after a token for one hour was issued and recorded.
    pub(super) fn good() -> Self {
        let mut scene = Self::fresh();
        let publication = scene.publication(Cause::TokenPending, 0);
        scene.record(&Outcome::Published(publication));
        scene.now = at(600);
        scene
    }

    /// The observation of this scene.
    pub(super) fn observed(&self) -> Observed<'_> {
        Observed {
            now: self.now,
            namespace: "payments",
            name: "source",
            uid: &self.uid,
            created_at: None,
            generation: self.generation,
            deleting: self.deleting,
            deletion: self.deletion.clone(),
            replaced_token: self.replaced_token.clone(),
            spec: &self.spec,
            status: &self.status,
            renew_request: self.renew_request.as_deref(),
            provider: self.provider.as_ref().map_err(Clone::clone),
            secrets: self.secrets(),
            fingerprints: self.fingerprints(),
            template_problem: self.template_problem(),
            target: self.target.clone(),
            former_targets: self.former_targets.clone(),
            refresh_conflict: self.refresh_conflict.clone(),
            conflicting_source: self.conflicting_source.clone(),
            unwritten_token: self.unwritten_token.clone(),
            probed: self.probed.clone(),
            circle: self.circle.clone(),
            upstream_has_owner: self.upstream_has_owner,
        }
    }

    fn template_problem(&self) -> Option<render::TemplateProblem> {
        render::check(&self.spec.target, &self.provider.as_ref().ok()?.response.keep).err()
    }

    fn secrets(&self) -> Secrets {
        let Self { credentials, subject, certificate, upstreams, versions, .. } = self.clone();
        Secrets { credentials, subject, certificate, upstreams, versions, ..Secrets::default() }
    }

    /// The fingerprints; None if the provider or a named Secret is missing.
    pub(super) fn fingerprints(&self) -> Option<Fingerprints> {
        let provider = self.provider.as_ref().ok()?;
        inputs::fingerprints(&self.spec, self.generation, provider, &self.secrets())
    }

    /// The plan that the rules choose.
    pub(super) fn plan(&self) -> Plan {
        super::decide(&self.observed())
    }

    /// Updates the observation with an outcome and records the status, as the controller does.
    pub(super) fn record(&mut self, outcome: &Outcome) {
        let observed_after = ObservedAfter::new(self.observed(), outcome);
        let status = next_status(&observed_after, outcome);
        let Observed { target, former_targets, probed, .. } = Observed::clone(&observed_after);
        (self.status, self.target, self.probed) = (status, target, probed);
        self.former_targets = former_targets;
    }

    /// A token that was requested at this second and is valid for an hour.
    pub(super) fn publication(&self, cause: Cause, issued: i64) -> Publication {
        Publication {
            cause,
            published: Published {
                uid: "target-uid".to_owned(),
                resource_version: "100".to_owned(),
                issued_at: at(issued),
                expires_at: at(issued + 3600),
                since: at(issued),
                inputs_fingerprint: self
                    .fingerprints()
                    .map(|fingerprints| fingerprints.token)
                    .unwrap_or_default(),
                versions: self.versions.clone(),
                handled_renew_request: self.renew_request.clone(),
                intact: true,
                metadata_in_sync: true,
            },
            unchanged_at: None,
            fell_back: false,
            token_type: "Bearer".to_owned(),
            scope: None,
            notices: BTreeSet::new(),
        }
    }

    /// The token in the target, to be changed.
    pub(super) fn published(&mut self) -> &mut Published {
        match &mut self.target {
            Target::Ours(published) => published,
            other => panic!("no token in the target: {other:?}"),
        }
    }

    /// The scene right after the spec changed the target's name.
    pub(super) fn renamed(mut self) -> Self {
        let former = FormerTarget {
            name: self.observed().target_name().to_owned(),
            uid: "target-uid".to_owned(),
            resource_version: "100".to_owned(),
            holds_token: matches!(self.target, Target::Ours(_)),
        };
        self.spec.target.name = Some(format!("{}-renamed", former.name));
        self.former_targets.push(former);
        self.target = Target::Missing;
        self.generation += 1;
        self
    }

    /// The provider block, to be changed.
    pub(super) fn provider(&mut self) -> &mut TokenProviderSpec {
        self.provider.as_mut().unwrap()
    }

    /// This scene, observed at another second.
    pub(super) fn when(mut self, seconds: i64) -> Self {
        self.now = at(seconds);
        self
    }

    /// This scene with a change.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}
