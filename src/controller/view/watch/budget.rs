//! Limits the memory that the large objects of one namespace may take in each watch.
//! Knows weights and names; must not know how a weight is computed.

use std::collections::{HashMap, HashSet};

use compact_str::CompactString;
use prometheus_client::metrics::gauge::Gauge;

use super::scanner::Captured;

/// The most bytes of all objects of one namespace that are not light.
const NAMESPACE: usize = 8 * 1024 * 1024;

type Key = (CompactString, CompactString);

/// The weights of large objects, by namespace.
pub(super) struct Budget {
    /// Objects up to this weight are not counted. There may be thousands of them, which quotas limit.
    light: usize,
    gauge: Gauge,
    weights: HashMap<Key, usize>,
    totals: HashMap<CompactString, usize>,
    listed: Option<HashSet<Key>>,
}

impl Budget {
    /// The gauge is shared by all watches of the kind.
    pub(super) fn new(light: usize, gauge: Gauge) -> Self {
        Self { light, gauge, weights: HashMap::new(), totals: HashMap::new(), listed: None }
    }

    pub(super) fn begin_list(&mut self) {
        self.listed = Some(HashSet::new());
    }

    /// Drops the objects that were not in the list.
    pub(super) fn end_list(&mut self) {
        let listed = self.listed.take().unwrap_or_default();
        let gone: Vec<_> = self.weights.keys().filter(|key| !listed.contains(*key)).cloned().collect();
        for key in &gone {
            self.release(key);
        }
    }

    /// Whether an object of this weight may be kept. This weight replaces the former weight of the object.
    pub(super) fn admits(&mut self, object: &Captured, weight: usize) -> bool {
        if weight <= self.light && self.weights.is_empty() {
            return true;
        }
        let key = key(object);
        self.release(&key);
        if weight <= self.light {
            return true;
        }
        let total = self.totals.entry(key.0.clone()).or_default();
        let admitted = total.saturating_add(weight) <= NAMESPACE;
        if admitted {
            *total += weight;
            self.gauge.inc_by(i64::try_from(weight).unwrap_or_default());
            if let Some(listed) = &mut self.listed {
                listed.insert(key.clone());
            }
            self.weights.insert(key, weight);
        } else if *total == 0 {
            self.totals.remove(&key.0);
        }
        admitted
    }

    pub(super) fn gone(&mut self, object: &Captured) {
        if !self.weights.is_empty() {
            self.release(&key(object));
        }
    }

    fn release(&mut self, key: &Key) {
        let Some(weight) = self.weights.remove(key) else { return };
        self.gauge.dec_by(i64::try_from(weight).unwrap_or_default());
        if let Some(total) = self.totals.get_mut(&key.0) {
            *total = total.saturating_sub(weight);
            if *total == 0 {
                self.totals.remove(&key.0);
            }
        }
    }
}

fn key(object: &Captured) -> Key {
    (CompactString::from(&object.namespace), CompactString::from(&object.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIGHT: usize = 1024;

    fn object(namespace: &str, name: usize) -> Captured {
        Captured { namespace: namespace.to_owned(), name: name.to_string(), ..Captured::default() }
    }

    #[test]
    fn each_namespace_has_a_share_and_light_objects_take_none() {
        let gauge = Gauge::default();
        let mut budget = Budget::new(LIGHT, gauge.clone());
        let heavy = NAMESPACE / 4;
        let admitted: Vec<_> = (0..6).map(|name| budget.admits(&object("a", name), heavy)).collect();
        assert_eq!(admitted, [true, true, true, true, false, false]);
        assert!(
            budget.admits(&object("b", 0), heavy)
                && (10..2000).all(|name| budget.admits(&object("a", name), LIGHT))
        );
        assert_eq!(gauge.get(), 5 * i64::try_from(heavy).unwrap());
        // An object that becomes lighter, is deleted, or is missing in a list makes room.
        assert!(budget.admits(&object("a", 0), heavy) && budget.admits(&object("a", 1), 10));
        budget.gone(&object("a", 2));
        budget.begin_list();
        assert!(budget.admits(&object("a", 3), heavy));
        budget.end_list();
        assert_eq!(gauge.get(), i64::try_from(heavy).unwrap());
        assert!((4..7).all(|name| budget.admits(&object("a", name), heavy)));
        assert!(!budget.admits(&object("a", 8), heavy));
    }
}
