//! The TokenSources that a command handles, from a list or from a watch.
//! Must not know what a command does with them.

use std::collections::BTreeMap;
use std::pin::Pin;

use futures::{Stream, StreamExt};
use kube::api::ListParams;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, ResourceExt};

use super::arguments::ObjectArguments;
use super::cluster::{Cluster, ObjectKey};
use super::error::Error;
use super::output::remark;
use crate::api::TokenSource;

/// The selected TokenSources.
#[derive(Clone, Default)]
pub(super) struct Selection {
    /// Empty for all.
    pub(super) names: Vec<String>,
    pub(super) labels: Option<String>,
}

impl Selection {
    pub(super) fn of(objects: &ObjectArguments) -> Self {
        Self { names: objects.names.clone(), labels: objects.selector.clone() }
    }

    /// The field selector of one name. The API server cannot select several names; `includes` does.
    fn fields(&self) -> Option<String> {
        match self.names.as_slice() {
            [name] => Some(format!("metadata.name={name}")),
            _ => None,
        }
    }

    fn includes(&self, source: &TokenSource) -> bool {
        self.names.is_empty() || self.names.contains(&source.name_any())
    }

    /// Reads the TokenSources. A name that does not exist is an error; a name that is given twice is read once.
    pub(super) async fn read(
        &self,
        cluster: &Cluster,
        api: &Api<TokenSource>,
    ) -> Result<Vec<TokenSource>, Error> {
        if !self.names.is_empty() {
            let mut sources = BTreeMap::new();
            for name in &self.names {
                if !sources.contains_key(name) {
                    let source = cluster.call("the TokenSource could not be read", api.get(name)).await?;
                    sources.insert(name.clone(), source);
                }
            }
            return Ok(sources.into_values().collect());
        }
        let params = ListParams { label_selector: self.labels.clone(), ..ListParams::default() };
        Ok(cluster.call("TokenSources could not be listed", api.list(&params)).await?.items)
    }
}

/// The TokenSources that a command changes. If there are none, prints a remark.
pub(super) async fn selected(
    objects: &ObjectArguments,
    cluster: &Cluster,
) -> Result<Vec<TokenSource>, Error> {
    let api = cluster.sources(objects.all_namespaces);
    let sources = Selection::of(objects).read(cluster, &api).await?;
    if sources.is_empty() {
        let place = format!(" in namespace {}", cluster.namespace);
        let place = if objects.all_namespaces { "" } else { &place };
        remark(&format!("There are no such TokenSources{place}.\n"));
    }
    Ok(sources)
}

/// The current TokenSources, kept up to date by a watch.
pub(super) struct Live {
    pub(super) sources: BTreeMap<ObjectKey, TokenSource>,
    selection: Selection,
    /// Objects of a list that is not complete yet.
    incoming: BTreeMap<ObjectKey, TokenSource>,
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
        Self { sources: BTreeMap::new(), selection: selection.clone(), incoming: BTreeMap::new(), events }
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

    /// Applies an event. Returns whether `sources` has changed; a part of an incomplete list does not change it.
    fn apply(&mut self, event: Event<TokenSource>) -> bool {
        if let Event::Apply(source) | Event::InitApply(source) | Event::Delete(source) = &event
            && !self.selection.includes(source)
        {
            return false;
        }
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

pub(super) fn key(source: &TokenSource) -> ObjectKey {
    (source.namespace().unwrap_or_default(), source.name_any())
}
