//! A cache that is filled by many namespaces, with a limit for each of them and for all.
//!
//! A namespace over its share evicts its own least recently used entries. While all entries together exceed the total, the
//! namespace that uses most evicts its own. Must not know the values.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The limits in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The maximum size of the entries of one namespace.
    pub(crate) share: usize,
    /// The maximum size of the entries of all namespaces together.
    pub(crate) total: usize,
}

/// The cache. Sizes are estimates that the callers make.
pub(crate) struct TenantCache<K, V> {
    limits: Limits,
    state: Mutex<State<K, V>>,
}

struct State<K, V> {
    tenants: HashMap<String, Tenant<K, V>>,
    size: usize,
    /// Counts uses, so that the least recently used entry is the one with the lowest number.
    uses: u64,
}

struct Tenant<K, V> {
    entries: HashMap<K, Entry<V>>,
    size: usize,
}

struct Entry<V> {
    value: V,
    size: usize,
    used: u64,
}

impl<K: Eq + Hash + Clone, V: Clone> TenantCache<K, V> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::new(State { tenants: HashMap::new(), size: 0, uses: 0 }) }
    }

    /// The value of this key. This counts as a use.
    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&self, namespace: &str, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let mut state = self.lock();
        state.uses += 1;
        let uses = state.uses;
        let entry = state.tenants.get_mut(namespace)?.entries.get_mut(key)?;
        entry.used = uses;
        Some(entry.value.clone())
    }

    /// Keeps a value of this approximate size and evicts older entries to meet the limits. The new value is kept whatever
    /// its size.
    pub(crate) fn insert(&self, namespace: &str, key: K, value: V, size: usize) {
        let mut state = self.lock();
        state.remove(namespace, &key);
        state.uses += 1;
        let entry = Entry { value, size, used: state.uses };
        state.size += size;
        let tenant = state
            .tenants
            .entry(namespace.to_owned())
            .or_insert_with(|| Tenant { entries: HashMap::new(), size: 0 });
        tenant.size += size;
        tenant.entries.insert(key, entry);
        while state.size_of(namespace) > self.limits.share && state.evict(namespace) {}
        while state.size > self.limits.total {
            let largest = state.tenants.iter().max_by_key(|(_, tenant)| tenant.size);
            let Some(largest) = largest.map(|(namespace, _)| namespace.clone()) else { break };
            if !state.evict(&largest) {
                break;
            }
        }
    }

    /// Drops the value of this key.
    pub(crate) fn remove(&self, namespace: &str, key: &K) {
        self.lock().remove(namespace, key);
    }

    /// Drops the values for which `keep` is false.
    pub(crate) fn retain(&self, mut keep: impl FnMut(&V) -> bool) {
        let mut state = self.lock();
        for tenant in state.tenants.values_mut() {
            tenant.entries.retain(|_, entry| keep(&entry.value));
            tenant.size = tenant.entries.values().map(|entry| entry.size).sum();
        }
        state.tenants.retain(|_, tenant| !tenant.entries.is_empty());
        state.size = state.tenants.values().map(|tenant| tenant.size).sum();
    }

    /// The approximate size in bytes.
    pub(crate) fn size(&self) -> usize {
        self.lock().size
    }

    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone, V> State<K, V> {
    fn size_of(&self, namespace: &str) -> usize {
        self.tenants.get(namespace).map_or(0, |tenant| tenant.size)
    }

    /// Drops the least recently used entry of the namespace, unless that is the newest entry of all.
    fn evict(&mut self, namespace: &str) -> bool {
        let Some(tenant) = self.tenants.get(namespace) else { return false };
        let oldest = tenant.entries.iter().min_by_key(|(_, entry)| entry.used);
        match oldest.map(|(key, entry)| (key.clone(), entry.used)) {
            Some((key, used)) if used != self.uses => {
                self.remove(namespace, &key);
                true
            }
            _ => false,
        }
    }

    fn remove(&mut self, namespace: &str, key: &K) {
        let Some(tenant) = self.tenants.get_mut(namespace) else { return };
        if let Some(entry) = tenant.entries.remove(key) {
            tenant.size -= entry.size;
            self.size -= entry.size;
        }
        if tenant.entries.is_empty() {
            self.tenants.remove(namespace);
        }
    }
}

#[cfg(test)]
mod tests;
