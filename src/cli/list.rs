//! The TokenSources that a command handles, from a list or from a watch.
//! Must not know what a command does with them.

use std::collections::BTreeMap;
use std::pin::Pin;

use futures::{Stream, StreamExt};
use kube::api::ListParams;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, ResourceExt};

use super::cluster::call;
use super::error::Error;
use crate::api::TokenSource;

/// Which TokenSources are selected.
#[derive(Clone, Default)]
pub(super) struct Selection {
    pub(super) name: Option<String>,
    pub(super) labels: Option<String>,
}

impl Selection {
    fn fields(&self) -> Option<String> {
        self.name.as_ref().map(|name| format!("metadata.name={name}"))
    }

    pub(super) async fn list(&self, api: &Api<TokenSource>) -> Result<Vec<TokenSource>, Error> {
        let params = ListParams {
            label_selector: self.labels.clone(),
            field_selector: self.fields(),
            ..ListParams::default()
        };
        Ok(call("TokenSources could not be listed", api.list(&params)).await?.items)
    }
}

/// Namespace and name.
pub(super) type Key = (String, String);

/// The current TokenSources, kept up to date by a watch.
pub(super) struct Live {
    pub(super) sources: BTreeMap<Key, TokenSource>,
    /// Objects of a list that is not complete yet.
    incoming: BTreeMap<Key, TokenSource>,
    events: Pin<Box<dyn Stream<Item = watcher::Result<Event<TokenSource>>> + Send>>,
}

impl Live {
    /// Starts a watch. After an error it is restarted, with increasing delays.
    pub(super) fn watch(api: Api<TokenSource>, selection: &Selection) -> Self {
        let config = watcher::Config {
            label_selector: selection.labels.clone(),
            field_selector: selection.fields(),
            ..watcher::Config::default()
        };
        let events = watch(api, config).default_backoff().boxed();
        Self { sources: BTreeMap::new(), incoming: BTreeMap::new(), events }
    }

    /// Waits for the next change. `report` receives errors of the watch, which continues after them.
    pub(super) async fn change(&mut self, report: impl Fn(&watcher::Error)) -> Result<(), Error> {
        loop {
            match self.events.next().await {
                None => return Err(Error::WatchEnded),
                Some(Err(error)) => report(&error),
                Some(Ok(event)) => {
                    if self.apply(event) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Applies an event. Returns whether `sources` has changed, which parts of an incomplete list do not cause.
    fn apply(&mut self, event: Event<TokenSource>) -> bool {
        let changes = !matches!(event, Event::Init | Event::InitApply(_));
        match event {
            Event::Init => self.incoming.clear(),
            Event::InitApply(source) => drop(self.incoming.insert(key(&source), source)),
            Event::InitDone => self.sources = std::mem::take(&mut self.incoming),
            Event::Apply(source) => drop(self.sources.insert(key(&source), source)),
            Event::Delete(source) => drop(self.sources.remove(&key(&source))),
        }
        changes
    }
}

fn key(source: &TokenSource) -> Key {
    (source.namespace().unwrap_or_default(), source.name_any())
}
