//! The gauges of watches, by kind of object. Must not know how an undecodable object is handled.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::budget::Budget;
use super::faults::Faults;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

/// The gauges of all watches.
#[derive(Default)]
pub(crate) struct WatchMetrics {
    undecodable: Family<Kind, Gauge>,
    large: Family<Kind, Gauge>,
}

impl WatchMetrics {
    /// Registers the gauges under `tokensource_`.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "tokensource_undecodable_objects",
            "Objects that this version cannot read, or cannot read in full, by kind",
            self.undecodable.clone(),
        );
        registry.register_with_unit(
            "tokensource_large_objects",
            "Memory that objects larger than a few KiB take, by kind; each namespace has a share",
            Unit::Bytes,
            self.large.clone(),
        );
    }

    /// The gauges of one watch.
    pub(super) fn of(&self, kind: &'static str, light: usize) -> (Faults, Budget) {
        let faults = Faults::new(kind, self.undecodable.get_or_create_owned(&Kind { kind }));
        (faults, Budget::new(light, self.large.get_or_create_owned(&Kind { kind })))
    }
}
