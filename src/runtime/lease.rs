//! The lease that elects one of several processes as leader (coordination.k8s.io, as client-go uses it).
//!
//! Relies on no other machine's clock: another process's lease has expired when its record has been unchanged for its whole
//! duration since this process first read it. Every write names the version that was read. Must not know what a leader does.
//!
//! A leader that cannot renew its lease is fenced, but its process does not end: it sends and writes nothing, and keeps
//! tokens that are not written yet. Ending it would lose rotated refresh tokens, of which providers accept only the newest.

mod candidate;

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};

use super::clock;
use super::heartbeat::Heartbeat;
use crate::api::annotation;
use crate::api_calls::{CallFailed, chain, within};
use crate::controller::{Leadership, Until};
use candidate::{Candidate, CandidateState, Found, Step};

/// Another process may take a lease that was not renewed for this long.
const DURATION: Duration = Duration::from_secs(15);
/// The pause between two renewals, and the longest pause between two reads of another process's lease.
const RENEWAL: Duration = Duration::from_secs(5);
/// The pause after a failed call.
const RETRY: Duration = Duration::from_secs(1);
/// The pause after a conflict, before the lease is read again.
const REREAD: Duration = Duration::from_millis(100);
/// A leader that has not renewed its lease for this long is fenced, well before another process may lead.
const CERTAINTY: Duration = Duration::from_secs(10);
/// The deadline for one call to the API server.
const DEADLINE: Duration = Duration::from_secs(4);
/// The annotation with which a process announces that it is going to take the lease. The value is the identity of that
/// process.
const CANDIDATE: &str = "tokensource.dev/candidate";

/// One process of the election.
pub(super) struct Election {
    api: Api<Lease>,
    name: String,
    candidate: Candidate,
    leadership: Leadership,
    heartbeat: Heartbeat,
    /// The lease as this process last wrote it.
    ours: Option<Lease>,
    /// Which messages have been logged, so that an outage is logged only once.
    reported: Reported,
}

#[derive(Default)]
struct Reported {
    failing: bool,
    fenced: bool,
}

/// Another process has taken the lease since this process led, and may have released it again.
#[derive(Debug, thiserror::Error)]
#[error("another process has taken the lease")]
pub struct Lost;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Call(#[from] CallFailed),
    /// A process that does not work must not keep others from working.
    #[error("reconciles have not run for {} s, so the lease is not renewed", .0.as_secs())]
    Stalled(Duration),
}

impl Failure {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Call(CallFailed::Kube(kube::Error::Api(status))) if status.is_conflict() || status.is_already_exists())
    }
}

impl Election {
    /// `identity` must be unique to this process; an earlier process of the same pod must have had another one.
    pub(super) fn new(
        client: &Client,
        namespace: &str,
        name: &str,
        identity: String,
        leadership: Leadership,
        heartbeat: Heartbeat,
    ) -> Self {
        Self {
            api: Api::namespaced(client.clone(), namespace),
            name: name.to_owned(),
            candidate: Candidate::new(identity),
            leadership,
            heartbeat,
            ours: None,
            reported: Reported::default(),
        }
    }

    /// Runs until another process takes the lease after this process has led. A lease that cannot be renewed does not end
    /// the election: [`Leadership`] fences the process when its last renewal is too long ago.
    pub(super) async fn run(&mut self) -> Lost {
        loop {
            let pause = match self.step().await {
                Ok(Some(pause)) => pause,
                Ok(None) => {
                    self.leadership.revoke();
                    return Lost;
                }
                Err(failure) => {
                    self.ours = None;
                    if failure.is_conflict() { REREAD } else { self.report_failure(&failure) }
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Releases the lease, so that other processes need not wait until it expires.
    pub(super) async fn release(&mut self) {
        let Some(mut lease) = self.ours.take() else { return };
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(1);
        }
        match within(DEADLINE, self.api.replace(&self.name, &PostParams::default(), &lease)).await {
            Ok(_) => tracing::info!(lease = self.name, "The lease is released"),
            Err(failed) => {
                let detail = failed.to_string();
                tracing::warn!(detail, lease = self.name, "The lease could not be released; it will expire");
            }
        }
    }

    /// Reads the lease, unless this process knows the version that it last wrote, and writes the lease if needed. Returns
    /// the pause before the next step; None if another process has taken the lease since this process led.
    async fn step(&mut self) -> Result<Option<Duration>, Failure> {
        // A leader knows the version that it wrote. If there is a newer version, the write fails.
        let lease = match &self.ours {
            Some(ours) => Some(ours.clone()),
            None => within(DEADLINE, self.api.get_opt(&self.name)).await?,
        };
        let found = lease.as_ref().map(Found::from);
        match self.candidate.next(found.as_ref(), Instant::now()) {
            Step::Lost => return Ok(None),
            Step::Wait(wait) => {
                // The end of an outage for a process that does not lead, and therefore writes nothing.
                self.reported = Reported::default();
                return Ok(Some(wait.min(RENEWAL)));
            }
            Step::Write => self.write(lease).await?,
            Step::Announce => self.announce(lease.unwrap_or_default()).await?,
        }
        Ok(Some(RENEWAL))
    }

    async fn write(&mut self, current: Option<Lease>) -> Result<(), Failure> {
        if let Some(age) = self.heartbeat.stalled() {
            return Err(Failure::Stalled(age));
        }
        let (begun, wall) = (Instant::now(), clock::now());
        let time = Timestamp::from_microsecond(wall.timestamp_micros()).unwrap_or(Timestamp::MAX);
        let wanted = self.candidate.lease(current.as_ref(), &self.name, time);
        let parameters = PostParams::default();
        let written = match current {
            None => within(DEADLINE, self.api.create(&parameters, &wanted)).await?,
            Some(_) => within(DEADLINE, self.api.replace(&self.name, &parameters, &wanted)).await?,
        };
        let before = self.candidate.state(begun);
        self.candidate.wrote(begun, Found::from(&written).transitions);
        self.ours = Some(written);
        // Counted from before the request, because the API server may have processed the request immediately.
        let wall = wall + chrono::TimeDelta::from_std(CERTAINTY).unwrap_or_default();
        self.leadership.grant(clock::now(), Until { elapsed: begun + CERTAINTY, wall });
        self.report_success(before);
        Ok(())
    }

    async fn announce(&mut self, mut lease: Lease) -> Result<(), Failure> {
        let annotations = lease.metadata.annotations.get_or_insert_default();
        annotations.insert(CANDIDATE.to_owned(), self.candidate.identity().to_owned());
        within(DEADLINE, self.api.replace(&self.name, &PostParams::default(), &lease)).await?;
        tracing::info!(
            lease = self.name,
            "The lease is late; this process takes it unless its holder renews it"
        );
        self.candidate.announced(Instant::now());
        Ok(())
    }

    /// Logs the beginning of an outage, and that a leader is fenced.
    fn report_failure(&mut self, failure: &Failure) -> Duration {
        let (detail, lease) = (chain(failure), &self.name);
        if self.reported.failing {
            tracing::debug!(detail, lease, "The lease could still not be read or written");
        } else {
            tracing::warn!(
                detail,
                lease,
                "The lease could not be read or written; the next attempt is in a second"
            );
        }
        self.reported.failing = true;
        if self.candidate.state(Instant::now()) == CandidateState::Fenced && !self.reported.fenced {
            self.reported.fenced = true;
            tracing::warn!(
                lease,
                "The lease was not renewed in time: this process sends and writes nothing until it is"
            );
        }
        RETRY
    }

    fn report_success(&mut self, before: CandidateState) {
        let lease = &self.name;
        match before {
            CandidateState::Follower => tracing::info!(lease, "This process leads"),
            _ if self.reported.fenced => {
                tracing::info!(
                    lease,
                    "The lease is renewed again: work continues with what was kept in memory"
                );
            }
            _ if self.reported.failing => tracing::info!(lease, "The lease is renewed again"),
            _ => {}
        }
        self.reported = Reported::default();
    }
}

impl Candidate {
    /// The lease with this process as its holder.
    fn lease(&self, current: Option<&Lease>, name: &str, now: Timestamp) -> Lease {
        let before = current.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let is_ours = before.holder_identity.as_deref() == Some(self.identity());
        let transitions = before.lease_transitions.unwrap_or(0);
        let mut metadata = current.map_or_else(
            || ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            |lease| lease.metadata.clone(),
        );
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.remove(CANDIDATE);
        annotations.insert(annotation::VERSION.to_owned(), env!("CARGO_PKG_VERSION").to_owned());
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
            // Compared as a whole: any change means that the holder is alive.
            record: format!("{spec:?}"),
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            duration: seconds.map_or(DURATION, Duration::from_secs),
            transitions: spec.lease_transitions.unwrap_or(0),
        }
    }
}

const _: () =
    assert!(CERTAINTY.as_secs() < DURATION.as_secs(), "a leader is fenced before another process may lead");

#[cfg(test)]
mod tests;
