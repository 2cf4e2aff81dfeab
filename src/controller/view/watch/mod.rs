//! Lists and watches one kind of object for as long as the process runs.
//!
//! Each object is decoded by itself, so an undecodable object is left out and delays no other. A watch waits longer after
//! each consecutive failure, and logs only the first. Must not know the use of an object.

use std::time::Duration;

use futures::channel::mpsc;
use futures::{SinkExt, Stream, StreamExt};
use http::Request;
use kube::Client;
use kube::api::{ListParams, WatchParams};
use kube::client::Body;
use kube::runtime::watcher::Event;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use answer::{SILENCE, WatchError, error_of, pieces, refusal};
use budget::Budget;
pub use client::{WatchClient, connect};
pub(crate) use decode::{Finalizers, Watched, unreadable};
use faults::Faults;
pub(crate) use metrics::WatchMetrics;
use retry::Retry;
use scanner::{Item, Scanner, Shape};

mod answer;
mod budget;
mod client;
mod decode;
mod faults;
mod metrics;
mod retry;
mod scanner;

/// The number of objects in one page of a list, which limits the memory of a page in the API server.
const PAGE: u32 = 100;
/// The longest object. The API server accepts about 1.5 MiB; the managedFields that it adds are removed before.
const LONGEST: usize = 2 * 1024 * 1024;
/// The requested duration of a watch, and how long it may be silent.
const WATCH_SECONDS: u32 = 290;
const WATCH_SILENCE: Duration = Duration::from_secs(295);
/// A watch that lasted this long counts as a success.
const STABLE: Duration = Duration::from_secs(10);
/// The fault of an object for which its namespace has no memory left.
const OVER_BUDGET: &str =
    "the large objects of its namespace take too much memory together: shorten some, then this one";
/// The pause after a refusal of an optional watch. The right may be granted later.
const REFUSED_AGAIN: Duration = Duration::from_secs(600);

/// The state of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WatchState {
    /// The watch has not worked yet, and few attempts have failed.
    Starting,
    Working,
    /// The watch has failed several times in a row.
    Failing,
    /// The API server does not allow the watch, or does not know the kind.
    Refused,
}

/// The selected objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// One namespace; none for all.
    pub(crate) namespace: Option<String>,
    /// A label selector.
    pub(crate) selector: Option<String>,
    /// Whether the installation may lack the right. A refusal is then logged at INFO, and retries are rare.
    pub(crate) is_optional: bool,
}

/// The events of one kind, and the state of the watch. The watch ends when the events are dropped.
pub(crate) fn watch_objects<K: Watched>(
    client: &WatchClient,
    selection: Selection,
    metrics: &WatchMetrics,
) -> (impl Stream<Item = Event<K>> + Send + use<K>, watch::Receiver<WatchState>) {
    // A channel without buffer: a buffered object would take memory in addition to its page.
    let (events, received) = mpsc::channel(0);
    let (state, seen) = watch::channel(WatchState::Starting);
    let request = kube::core::Request::new(K::url_path(&(), selection.namespace.as_deref()));
    let (faults, budget) = metrics.of(K::KIND, K::LIGHT);
    let task = Watch::<K> {
        client: client.client.clone(),
        request,
        selection,
        events,
        state,
        faults,
        budget,
        retry: Retry::default(),
    };
    client.runtime.spawn(task.run());
    (received, seen)
}

struct Watch<K> {
    client: Client,
    request: kube::core::Request,
    selection: Selection,
    events: mpsc::Sender<Event<K>>,
    state: watch::Sender<WatchState>,
    faults: Faults,
    budget: Budget,
    retry: Retry,
}

impl<K: Watched> Watch<K> {
    async fn run(mut self) {
        // The version from which a watch can continue without a list.
        let mut version: Option<String> = None;
        loop {
            let step = match &version {
                None => self.list().await.map(Some),
                Some(from) => self.follow(from.clone(), &mut version).await.map(|()| version.clone()),
            };
            match step {
                Ok(from) => version = from,
                Err(WatchError::Closed) => return,
                Err(error) => {
                    if !matches!(error, WatchError::Unreachable(_) | WatchError::Broken | WatchError::Silent)
                    {
                        version = None;
                    }
                    let wait = self.failed(&error);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Reads every page. Returns the version from which a watch continues.
    async fn list(&mut self) -> Result<String, WatchError> {
        let mut params =
            ListParams { label_selector: self.selection.selector.clone(), ..ListParams::default() }
                .limit(PAGE);
        let mut begun = false;
        loop {
            let request = if K::METADATA_ONLY {
                self.request.list_metadata(&params)
            } else {
                self.request.list(&params)
            };
            let body = self.send(request.map_err(WatchError::Request)?).await?;
            if !begun {
                self.faults.begin_list();
                self.budget.begin_list();
                self.emit(Event::Init).await?;
                begun = true;
            }
            let mut pieces = std::pin::pin!(pieces(body, SILENCE));
            let mut scanner = Scanner::new(Shape::List, LONGEST);
            while let Some(piece) = pieces.next().await {
                for item in scan(&mut scanner, &piece?) {
                    if let Some(object) = self.decode(&item) {
                        self.emit(Event::InitApply(object)).await?;
                    }
                }
            }
            let page = scanner.of_list();
            // An answer that is no list, for example from a proxy, must not count as an empty list.
            if !scanner.is_complete() || page.resource_version.is_empty() {
                return Err(WatchError::Broken);
            }
            if page.next_page.is_empty() {
                self.faults.end_list();
                self.budget.end_list();
                self.emit(Event::InitDone).await?;
                return Ok(page.resource_version.clone());
            }
            params.continue_token = Some(page.next_page.clone());
        }
    }

    /// Watches until the API server ends the watch, which happens every few minutes. `version` becomes the version of the last
    /// event.
    async fn follow(&mut self, from: String, version: &mut Option<String>) -> Result<(), WatchError> {
        let params = WatchParams {
            label_selector: self.selection.selector.clone(),
            timeout: Some(WATCH_SECONDS),
            bookmarks: true,
            ..WatchParams::default()
        };
        let request = if K::METADATA_ONLY {
            self.request.watch_metadata(&params, &from)
        } else {
            self.request.watch(&params, &from)
        };
        let body = self.send(request.map_err(WatchError::Request)?).await?;
        let began = Instant::now();
        self.working();
        let mut pieces = std::pin::pin!(pieces(body, WATCH_SILENCE));
        let mut scanner = Scanner::new(Shape::Watch, LONGEST);
        while let Some(piece) = pieces.next().await {
            // An error is ignored here; if it lasts, the next watch request reports it.
            let Ok(piece) = piece else { break };
            for item in scan(&mut scanner, &piece) {
                let seen = self.take_in(item).await?;
                self.retry.reset();
                if !seen.is_empty() {
                    *version = Some(seen);
                }
            }
        }
        if began.elapsed() >= STABLE {
            self.retry.reset();
            return Ok(());
        }
        // If the API server ends each watch immediately, a pause is needed.
        tokio::time::sleep(self.retry.next(K::KIND)).await;
        Ok(())
    }

    /// Handles one event of a watch. Returns its version.
    async fn take_in(&mut self, item: Item) -> Result<String, WatchError> {
        let event = item.captured.event.as_str();
        if event == "ERROR" {
            return Err(refusal(item.text.as_deref().unwrap_or_default(), 500));
        }
        if event != "BOOKMARK" {
            let object = if event == "DELETED" {
                self.faults.mended(&item.captured);
                self.budget.gone(&item.captured);
                let decoded = item.text.as_deref().and_then(|text| K::decode(text).ok());
                Event::Delete(decoded.map_or_else(|| K::identified(&item.captured), |decoded| decoded.object))
            } else {
                match self.decode(&item) {
                    Some(object) => Event::Apply(object),
                    None => Event::Delete(K::identified(&item.captured)),
                }
            };
            self.emit(object).await?;
        }
        Ok(item.captured.resource_version)
    }

    /// Decodes the object, and reports parts that cannot be decoded. None if the object is too large or its metadata cannot
    /// be decoded.
    fn decode(&mut self, item: &Item) -> Option<K> {
        let decoded = match &item.text {
            Some(text) => K::decode(text),
            None => Err(format!("the object is larger than {} MiB", LONGEST / 1024 / 1024)),
        };
        match decoded {
            Ok(mut decoded) => {
                let weight = decoded.object.weight(item.text.as_ref().map_or(0, Vec::len));
                if !self.budget.admits(&item.captured, weight) {
                    decoded.object.lighten(OVER_BUDGET);
                    decoded.fault = Some(OVER_BUDGET.to_owned());
                }
                match decoded.fault {
                    Some(fault) => {
                        self.faults.found(&item.captured, &fault, "is served as far as it can be read");
                    }
                    None => self.faults.mended(&item.captured),
                }
                Some(decoded.object)
            }
            Err(fault) => {
                self.faults.found(&item.captured, &fault, "is left out");
                None
            }
        }
    }

    async fn emit(&mut self, event: Event<K>) -> Result<(), WatchError> {
        self.events.send(event).await.map_err(|_| WatchError::Closed)
    }

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Body, WatchError> {
        let answer = timeout(SILENCE, self.client.send(request.map(Body::from))).await;
        let answer = answer.map_err(|_| WatchError::Silent)?.map_err(WatchError::Unreachable)?;
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        Err(error_of(answer).await)
    }

    fn working(&mut self) {
        if self.retry.recovered() {
            tracing::info!(kind = K::KIND, namespace = self.namespace(), "Watch works again");
        }
        self.set_state(WatchState::Working);
    }

    /// Logs the first of consecutive failures. Returns how long to wait.
    fn failed(&mut self, error: &WatchError) -> Duration {
        let kind = K::KIND;
        let mut wait = self.retry.next(kind);
        if matches!(error, WatchError::Expired) {
            return wait;
        }
        let is_refused = error.is_refusal();
        if is_refused && self.selection.is_optional {
            wait = REFUSED_AGAIN;
        }
        if self.retry.failed() {
            let (namespace, detail) = (self.namespace(), crate::controller::chain(error));
            if is_refused && self.selection.is_optional {
                tracing::info!(
                    kind,
                    namespace,
                    detail,
                    "Not allowed to watch; what needs it is not available"
                );
            } else {
                tracing::warn!(
                    kind,
                    namespace,
                    detail,
                    "Watch failed; it is tried again, less and less often"
                );
            }
        }
        if is_refused {
            self.set_state(WatchState::Refused);
        } else if self.retry.is_lasting() {
            self.set_state(WatchState::Failing);
        }
        wait
    }

    fn set_state(&self, now: WatchState) {
        self.state.send_if_modified(|state| std::mem::replace(state, now) != now);
    }

    fn namespace(&self) -> Option<&str> {
        self.selection.namespace.as_deref()
    }
}

fn scan(scanner: &mut Scanner, piece: &[u8]) -> Vec<Item> {
    let mut items = Vec::new();
    scanner.feed(piece, |item| items.push(item));
    items
}

#[cfg(test)]
mod tests;
