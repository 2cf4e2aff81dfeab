//! Sends Events in the background and within a rate. A failure to send one has no consequence.
//!
//! If thousands of TokenSources change at the same time, an Event for each would cost the API server as much as their Secrets.
//! The content of a dropped Event is still in the status or the log. Must not decide which transitions are worth an Event:
//! `decide::event` does.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::api::{FIELD_MANAGER, Reason};
use crate::controller::error::call;
use crate::decide::{SharedBuckets, TokenBucket, Transition};

/// How many Events may be sent in a burst, and how many a second after that: for each namespace, so that no tenant uses up
/// the rate of others, and for all. Normal and Warning Events have separate rates, so that normal ones do not crowd out
/// warnings.
const OF_A_NAMESPACE: TokenBucket = TokenBucket::full(25.0, 2.0);
const OF_ALL: TokenBucket = TokenBucket::full(100.0, 5.0);

/// Sends Events.
pub(crate) struct EventRecorder {
    recorder: Recorder,
    normal: Mutex<SharedBuckets>,
    warning: Mutex<SharedBuckets>,
}

impl EventRecorder {
    pub(crate) fn new(client: &Client) -> Self {
        let reporter = Reporter { controller: FIELD_MANAGER.to_owned(), instance: None };
        let recorder = Recorder::new(client.clone(), reporter);
        let buckets = || Mutex::new(SharedBuckets::new(OF_A_NAMESPACE, OF_ALL));
        Self { recorder, normal: buckets(), warning: buckets() }
    }

    /// Sends an Event about this object in the background.
    pub(crate) fn publish(&self, subject: ObjectReference, transition: Transition, now: DateTime<Utc>) {
        let (type_, buckets) = if transition.warning {
            (EventType::Warning, &self.warning)
        } else {
            (EventType::Normal, &self.normal)
        };
        let namespace = subject.namespace.as_deref().unwrap_or_default();
        if !buckets.lock().unwrap_or_else(PoisonError::into_inner).take(namespace, now) {
            let reason = transition.reason;
            tracing::debug!(namespace, name = subject.name, %reason, "Event rate limit reached; event dropped");
            return;
        }
        let recorder = self.recorder.clone();
        tokio::spawn(async move {
            let event = Event {
                type_,
                reason: transition.reason.as_str().to_owned(),
                note: Some(transition.note),
                action: if transition.reason == Reason::RevocationFailed { "Revoke" } else { "Renew" }
                    .to_owned(),
                secondary: None,
            };
            if let Err(error) = call(recorder.publish(&event, &subject)).await {
                tracing::debug!(%error, "Event could not be sent");
            }
        });
    }
}
