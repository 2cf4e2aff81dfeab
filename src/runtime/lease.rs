//! The lease by which one of several processes leads (coordination.k8s.io, as client-go uses it).
//!
//! Trusts no other machine's clock: somebody else's lease has run out when the version that *we* saw has stood for its
//! whole duration. Every write is bound to the version that was read. Must not know what a leader does.

mod candidate;

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};

use super::clock;
use crate::controller::{Leadership, Until, chain};
use candidate::{Candidate, Found, Step};

/// A lease that is not renewed within this is anybody's.
const DURATION: Duration = Duration::from_secs(15);
/// So often it is renewed, and looked at by those who wait.
const RENEWAL: Duration = Duration::from_secs(5);
/// Who has not renewed it for so long does not lead any more, well before anybody else may.
const CERTAINTY: Duration = Duration::from_secs(10);
/// For one call to the API server.
const DEADLINE: Duration = Duration::from_secs(4);

/// One process's part in the election.
pub(super) struct Election {
    api: Api<Lease>,
    name: String,
    candidate: Candidate,
    leadership: Leadership,
    /// The lease as we last wrote it.
    ours: Option<Lease>,
}

/// Another process leads now, or may.
#[derive(Debug, thiserror::Error)]
#[error("the lease was lost to another process, or could not be renewed in time")]
pub struct Lost;

impl Election {
    /// `identity` must be no other process's, not even an earlier one's of the same pod.
    pub(super) fn new(
        client: &Client,
        namespace: &str,
        name: &str,
        identity: String,
        leadership: Leadership,
    ) -> Self {
        Self {
            api: Api::namespaced(client.clone(), namespace),
            name: name.to_owned(),
            candidate: Candidate::new(identity),
            leadership,
            ours: None,
        }
    }

    /// Takes part until leadership, once won, is lost.
    pub(super) async fn run(&mut self) -> Lost {
        loop {
            let certain_until = self.candidate.certain_until();
            let end_of_certainty = async {
                match certain_until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            let wait = tokio::select! {
                // A call that hangs must not keep a leader in office.
                () = end_of_certainty => return Lost,
                turn = self.turn() => turn,
            };
            let wait = wait.unwrap_or_else(|error| {
                self.ours = None;
                tracing::warn!(
                    error,
                    lease = self.name,
                    "The lease could not be read or written; it is tried again"
                );
                RENEWAL / 5
            });
            if self.candidate.is_overtaken() {
                return Lost;
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Gives the lease up, so that nobody has to wait until it runs out.
    pub(super) async fn release(&mut self) {
        let Some(mut lease) = self.ours.take() else { return };
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(1);
        }
        match within(self.api.replace(&self.name, &PostParams::default(), &lease)).await {
            Ok(_) => tracing::info!(lease = self.name, "The lease is given up"),
            Err(error) => {
                tracing::warn!(error, lease = self.name, "The lease could not be given up; it runs out");
            }
        }
    }

    /// One look, and one write if it is called for; says when to look again.
    async fn turn(&mut self) -> Result<Duration, String> {
        // Who leads knows the version; if it is not the last one any more, the write fails.
        let lease = match &self.ours {
            Some(ours) => Some(ours.clone()),
            None => within(self.api.get_opt(&self.name)).await?,
        };
        let found = lease.as_ref().map(Found::from);
        match self.candidate.look(found.as_ref(), Instant::now()) {
            Step::Wait(wait) => Ok(wait.min(RENEWAL)),
            Step::Write => self.write(lease).await,
        }
    }

    async fn write(&mut self, standing: Option<Lease>) -> Result<Duration, String> {
        let (asked, wall) = (Instant::now(), clock::now());
        let wanted = self.candidate.lease(standing.as_ref(), &self.name, Timestamp::now());
        let parameters = PostParams::default();
        let written = match standing {
            None => within(self.api.create(&parameters, &wanted)).await,
            Some(_) => within(self.api.replace(&self.name, &parameters, &wanted)).await,
        }?;
        if self.candidate.leads_since(asked) {
            tracing::info!(lease = self.name, "This process leads");
        }
        // Counted from before the request: the API server may have taken it at once.
        let wall = wall + chrono::TimeDelta::from_std(CERTAINTY).unwrap_or_default();
        self.leadership.grant(clock::now(), Until { elapsed: asked + CERTAINTY, wall });
        self.ours = Some(written);
        Ok(RENEWAL)
    }
}

impl Candidate {
    /// The lease as it would stand with us as its holder.
    fn lease(&self, standing: Option<&Lease>, name: &str, now: Timestamp) -> Lease {
        let before = standing.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let is_ours = before.holder_identity.as_deref() == Some(self.identity());
        let transitions = before.lease_transitions.unwrap_or(0);
        let metadata = standing.map_or_else(
            || ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            |lease| lease.metadata.clone(),
        );
        Lease {
            metadata,
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity().to_owned()),
                lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
                acquire_time: if is_ours { before.acquire_time } else { Some(MicroTime(now)) },
                renew_time: Some(MicroTime(now)),
                lease_transitions: Some(if is_ours { transitions } else { transitions.saturating_add(1) }),
                ..before
            }),
        }
    }
}

impl From<&Lease> for Found {
    fn from(lease: &Lease) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            duration: seconds.map_or(DURATION, Duration::from_secs),
            version: lease.metadata.resource_version.clone().unwrap_or_default(),
        }
    }
}

/// One call, in words if it fails.
async fn within<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(DEADLINE, request).await {
        Ok(answer) => answer.map_err(|error| chain(&error)),
        Err(_) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
    }
}
