//! Metrics that are computed at each scrape: the state of each `TokenSource` (`objects`), the state of watches, the load of
//! the limiters, leadership, and the sizes of caches. Nothing is stored, so no value lags. Must not decide anything.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use tokio::sync::watch;

use crate::controller::provider::Limiters;
use crate::controller::settings::Settings;
use crate::controller::view::audiences::Audiences;
use crate::controller::view::cluster_scoped::ClusterScoped;
use crate::controller::view::cluster_view::ClusterView;
use crate::controller::view::watch::WatchState;
use crate::issue::caches::Caches;

pub(crate) use objects::{HostOf, Objects};

mod objects;

/// Which watches work, by namespace and kind.
#[derive(Debug)]
pub(crate) struct Watches(Vec<Watch>);

#[derive(Debug)]
struct Watch {
    namespace: String,
    kind: &'static str,
    state: watch::Receiver<WatchState>,
    /// Whether the right to watch may be missing. Then a refused watch has no value, because nobody has to repair it.
    is_optional: bool,
}

impl Watches {
    pub(crate) fn new<'a>(
        views: impl Iterator<Item = &'a Arc<ClusterView>>,
        cluster: &ClusterScoped,
    ) -> Self {
        let of_views = views.flat_map(|view| {
            let namespace = view.namespace.clone().unwrap_or_default();
            view.watch_states.iter().map(move |(kind, state)| (namespace.clone(), *kind, state, false))
        });
        let of_cluster = cluster
            .watch_states
            .iter()
            .map(|(kind, state)| (String::new(), *kind, state, cluster.is_optional));
        let watch = |(namespace, kind, state, is_optional): (_, _, &watch::Receiver<_>, _)| Watch {
            namespace,
            kind,
            state: state.clone(),
            is_optional,
        };
        Self(of_views.chain(of_cluster).map(watch).collect())
    }
}

impl Collector for Watches {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "1 while changes of this kind are seen, 0 otherwise; no namespace means all";
        let mut family =
            encoder.encode_descriptor("tokensource_watch_working", help, None, MetricType::Gauge)?;
        for Watch { namespace, kind, state, is_optional } in &self.0 {
            let state = *state.borrow();
            if *is_optional && state == WatchState::Refused {
                continue;
            }
            ConstGauge::new(i64::from(state == WatchState::Working))
                .encode(family.encode_family(&[("namespace", namespace.as_str()), ("kind", kind)])?)?;
        }
        Ok(())
    }
}

/// A collector that is a function.
struct Encoded<F>(F);

impl<F> Collector for Encoded<F>
where
    F: Fn(DescriptorEncoder<'_>) -> fmt::Result + Send + Sync + 'static,
{
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.0)(encoder)
    }
}

impl<F> fmt::Debug for Encoded<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded").finish_non_exhaustive()
    }
}

/// How many `TokenSource`s wait for their provider, and how many are sending a request. A `TokenSource` that waits for a
/// reconcile permit does not count.
pub(crate) fn load(limiters: &Arc<Limiters>) -> Box<dyn Collector> {
    let limiters = Arc::clone(limiters);
    Box::new(Encoded(move |mut encoder: DescriptorEncoder<'_>| {
        let load = limiters.load();
        let mut gauge = |name: &str, help: &str, value: usize| {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
        };
        gauge(
            "tokensource_queue_depth",
            "TokenSources that wait until they may send a request to their provider.",
            load.waiting,
        )?;
        gauge(
            "tokensource_token_requests_in_flight",
            "TokenSources with a request to their provider under way.",
            load.in_flight,
        )?;
        gauge("tokensource_providers_in_trouble", "Limiters whose circuit breaker is open.", load.open)
    }))
}

/// Whether this process leads. Computed at each scrape, since leadership ends when time passes.
pub(crate) fn leading(settings: &Settings) -> Box<dyn Collector> {
    let (leadership, clock) = (settings.leadership.clone(), settings.clock);
    Box::new(Encoded(move |mut encoder: DescriptorEncoder<'_>| {
        ConstGauge::new(i64::from(leadership.holds(clock()))).encode(encoder.encode_descriptor(
            "tokensource_leader",
            "1 while this process is the one that requests tokens",
            None,
            MetricType::Gauge,
        )?)
    }))
}

/// The sizes of the caches that namespaces fill.
pub(crate) fn cache_sizes(caches: &Arc<Caches>, audiences: &Arc<Audiences>) -> Box<dyn Collector> {
    let (caches, audiences) = (Arc::clone(caches), Arc::clone(audiences));
    Box::new(Encoded(move |mut encoder: DescriptorEncoder<'_>| {
        let mut family = encoder.encode_descriptor(
            "tokensource_cache_size",
            "About how much memory a cache takes that namespaces fill.",
            Some(&Unit::Bytes),
            MetricType::Gauge,
        )?;
        let sizes = [
            ("clients", caches.clients.size()),
            ("issuers", caches.metadata.size()),
            ("audiences", audiences.size()),
        ];
        for (cache, size) in sizes {
            let gauge = ConstGauge::new(i64::try_from(size).unwrap_or(i64::MAX));
            gauge.encode(family.encode_family(&[("cache", cache)])?)?;
        }
        Ok(())
    }))
}
