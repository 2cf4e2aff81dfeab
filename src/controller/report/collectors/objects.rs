//! The metrics of each `TokenSource`. A deleted object leaves no series behind. Must not compute the numbers of a
//! TokenSource, nor choose the values of a label: `decide` does.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use kube::runtime::reflector::Store;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::api::{ProviderKind, Reason, TokenSource, from_kubernetes};
use crate::controller::view::cluster_view::ClusterView;
use crate::decide::{Gauges, HostUse, ProviderLabels, gauges};

/// Finds the host of a TokenSource's provider. None if there is no such provider, or none that the TokenSource may use.
pub(crate) type HostOf = Box<dyn Fn(&TokenSource) -> Option<String> + Send + Sync>;

/// Five metrics with at most one series for each `TokenSource`.
pub(crate) struct Objects {
    views: Vec<(Arc<ClusterView>, HostOf)>,
    clock: fn() -> DateTime<Utc>,
}

struct Row {
    source: Arc<TokenSource>,
    host: Option<String>,
    numbers: Gauges,
}

impl Row {
    fn namespace(&self) -> &str {
        self.source.metadata.namespace.as_deref().unwrap_or_default()
    }

    fn host_use(&self) -> Option<HostUse<'_>> {
        let reference = self.source.spec.provider_ref.as_ref();
        let created = self.source.metadata.creation_timestamp.as_ref();
        Some(HostUse {
            namespace: self.namespace(),
            host: self.host.as_deref()?,
            is_shared: reference.is_some_and(|one| one.kind == ProviderKind::ClusterTokenProvider),
            since: created.map_or(i64::MAX, |created| from_kubernetes(created).timestamp()),
        })
    }

    fn labels<'a>(&'a self, providers: &ProviderLabels<'_>) -> [(&'static str, &'a str); 3] {
        [
            ("namespace", self.namespace()),
            ("name", self.source.metadata.name.as_deref().unwrap_or_default()),
            ("provider", providers.label(self.host.as_deref())),
        ]
    }
}

impl Objects {
    pub(crate) fn new(views: Vec<(Arc<ClusterView>, HostOf)>, clock: fn() -> DateTime<Utc>) -> Self {
        Self { views, clock }
    }

    /// All TokenSources except those that are being deleted: they get no new token, and must not cause an alert.
    fn rows(&self) -> Vec<Row> {
        let now = (self.clock)();
        let row = |view: &ClusterView, host: &HostOf, source: Arc<TokenSource>| {
            let numbers = view.local.with_status(&source, |status| gauges(&source.spec, status, now));
            Row { host: host(&source), source, numbers }
        };
        self.views
            .iter()
            .flat_map(|(view, host)| {
                let present = Store::state(&view.sources).into_iter();
                present
                    .filter(|source| source.metadata.deletion_timestamp.is_none())
                    .map(|source| row(view, host, source))
            })
            .collect()
    }
}

impl Collector for Objects {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let rows = self.rows();
        let providers = ProviderLabels::choose(rows.iter().filter_map(Row::host_use));
        let seconds = Some(&Unit::Seconds);
        let mut family = |name: &str, help: &str, unit, value: fn(&Gauges) -> Option<i64>| {
            let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
            for row in &rows {
                let Some(value) = value(&row.numbers) else { continue };
                ConstGauge::new(value).encode(family.encode_family(&row.labels(&providers))?)?;
            }
            Ok(())
        };
        family(
            "tokensource_token_expiry_timestamp",
            "When the token expires, or did.",
            seconds,
            |numbers| numbers.expires_at.map(|expires_at| expires_at.timestamp()),
        )?;
        family(
            "tokensource_next_renewal_timestamp",
            "When the next token will be requested; absent while no request is planned.",
            seconds,
            |numbers| numbers.renews_at.map(|renews_at| renews_at.timestamp()),
        )?;
        family(
            "tokensource_ready",
            "1 while the condition Ready is True and the token has not expired.",
            None,
            |numbers| Some(i64::from(numbers.ready)),
        )?;
        family(
            "tokensource_consecutive_failures",
            "Consecutive attempts that failed; 0 after a success.",
            None,
            |numbers| Some(i64::from(numbers.failures)),
        )?;
        let mut family = encoder.encode_descriptor(
            "tokensource_failure_reason",
            "The reason why Renewed is False, as a label. The value is always 1; the series is absent after a success.",
            None,
            MetricType::Gauge,
        )?;
        for row in &rows {
            let Some(reason) = row.numbers.problem.map(Reason::as_str) else { continue };
            let [namespace, name, provider] = row.labels(&providers);
            let labels = [namespace, name, provider, ("reason", reason)];
            ConstGauge::new(1_i64).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("views", &self.views.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
