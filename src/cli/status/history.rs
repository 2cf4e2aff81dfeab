//! The Events of one `TokenSource` (events.k8s.io), oldest first.
//! Must not know how they are shown.

use chrono::{DateTime, Utc};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde::Serialize;

use crate::api::{TokenSource, timestamp};
use crate::cli::cluster::Cluster;
use crate::cli::error::Error;
use crate::cli::output::harmless;

/// An Event, or a series of Events.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HistoryEvent {
    /// The last time at which the Event was observed.
    #[serde(skip)]
    pub(super) at: Option<DateTime<Utc>>,
    /// `at` in RFC 3339, for the JSON and YAML output.
    pub(super) time: Option<String>,
    pub(super) warning: bool,
    pub(super) reason: String,
    pub(super) note: String,
    pub(super) count: i32,
}

/// Reads the Events. A user may be allowed to read the `TokenSource` but not its Events, so the caller continues after an
/// error.
pub(super) async fn read(source: &TokenSource, cluster: &Cluster) -> Result<Vec<HistoryEvent>, Error> {
    let namespace = source.namespace().unwrap_or_default();
    let api: Api<Event> = Api::namespaced(cluster.client.clone(), &namespace);
    let params = ListParams::default()
        .fields(&format!("regarding.kind=TokenSource,regarding.name={}", source.name_any()));
    let events = cluster.call("its Events could not be read", api.list(&params)).await?;
    // An earlier object of the same name has other Events.
    let about = |event: &Event| {
        event.regarding.as_ref().and_then(|subject| subject.uid.as_deref()) == source.metadata.uid.as_deref()
    };
    let mut entries: Vec<HistoryEvent> =
        events.items.iter().filter(|event| about(event)).map(entry).collect();
    entries.sort_by_key(|entry| entry.at);
    Ok(entries)
}

fn entry(event: &Event) -> HistoryEvent {
    let micro = |time: &MicroTime| DateTime::from_timestamp(time.0.as_second(), 0);
    let series = event.series.as_ref();
    let last = series.map(|series| &series.last_observed_time).or(event.event_time.as_ref());
    let at = last.and_then(micro);
    HistoryEvent {
        at,
        time: at.map(timestamp),
        warning: event.type_.as_deref() == Some("Warning"),
        reason: harmless(event.reason.as_deref().unwrap_or("-")),
        note: harmless(event.note.as_deref().unwrap_or_default()),
        count: series.map_or(1, |series| series.count),
    }
}
