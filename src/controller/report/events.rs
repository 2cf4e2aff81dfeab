//! Events, in moderation: they are a courtesy, sent on the side, and their failure changes nothing.
//!
//! When thousands of TokenSources come at once, an Event for each would cost the API server as much as their Secrets. What
//! is left out stands in status and log. Must not know what is worth an Event: that is `decide`'s.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::api::FIELD_MANAGER;
use crate::controller::error::call;
use crate::decide::{SharedBuckets, TokenBucket, Transition};

/// So many Events at once, and so many a second after that: of a namespace, so that no tenant uses up another's, and of all;
/// of each type, so that good news does not crowd out bad.
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

    /// Sends one about this object, on the side.
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
                action: "Renew".to_owned(),
                secondary: None,
            };
            if let Err(error) = call(recorder.publish(&event, &subject)).await {
                tracing::debug!(%error, "Event could not be sent");
            }
        });
    }
}
