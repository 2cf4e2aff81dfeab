//! The TokenSources that a command is about: listed once, or kept up to date by a watch.
//! Must not know what is done with them.

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

/// Which ones.
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

/// By namespace and name.
pub(super) type Key = (String, String);

/// The TokenSources as they are now.
pub(super) struct Live {
    pub(super) sources: BTreeMap<Key, TokenSource>,
    /// Those of a list that is still arriving.
    arriving: BTreeMap<Key, TokenSource>,
    events: Pin<Box<dyn Stream<Item = watcher::Result<Event<TokenSource>>> + Send>>,
}

impl Live {
    /// A watch that survives what a watch may meet: it is begun anew, ever more slowly.
    pub(super) fn watch(api: Api<TokenSource>, selection: &Selection) -> Self {
        let config = watcher::Config {
            label_selector: selection.labels.clone(),
            field_selector: selection.fields(),
            ..watcher::Config::default()
        };
        let events = watch(api, config).default_backoff().boxed();
        Self { sources: BTreeMap::new(), arriving: BTreeMap::new(), events }
    }

    /// Waits for the next change. What goes wrong on the way is said, and the watch goes on.
    pub(super) async fn change(&mut self, complain: impl Fn(&watcher::Error)) -> Result<(), Error> {
        loop {
            match self.events.next().await {
                None => return Err(Error::WatchEnded),
                Some(Err(error)) => complain(&error),
                Some(Ok(event)) => {
                    if self.apply(event) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Whether that is news: parts of a list are not, the whole of it is.
    fn apply(&mut self, event: Event<TokenSource>) -> bool {
        let news = !matches!(event, Event::Init | Event::InitApply(_));
        match event {
            Event::Init => self.arriving.clear(),
            Event::InitApply(source) => drop(self.arriving.insert(key(&source), source)),
            Event::InitDone => self.sources = std::mem::take(&mut self.arriving),
            Event::Apply(source) => drop(self.sources.insert(key(&source), source)),
            Event::Delete(source) => drop(self.sources.remove(&key(&source))),
        }
        news
    }
}

fn key(source: &TokenSource) -> Key {
    (source.namespace().unwrap_or_default(), source.name_any())
}
