//! Which entries of which namespace are evicted.

use super::*;

const LIMITS: Limits = Limits { share: 100, total: 250 };

fn kept(cache: &TenantCache<u32, u32>, namespace: &str, keys: impl IntoIterator<Item = u32>) -> Vec<u32> {
    keys.into_iter().filter(|key| cache.get(namespace, key).is_some()).collect()
}

#[test]
fn a_namespace_over_its_share_evicts_its_own() {
    let cache = TenantCache::new(LIMITS);
    cache.insert("quiet", 1, 1, 20);
    for key in 0..1000 {
        cache.insert("loud", key, key, 20);
    }
    assert_eq!(cache.size(), 120);
    assert_eq!(kept(&cache, "loud", 0..1000), [995, 996, 997, 998, 999]);
    assert_eq!(kept(&cache, "quiet", [1]), [1]);
}

#[test]
fn the_largest_namespace_evicts_its_least_recently_used_entries() {
    let cache = TenantCache::new(LIMITS);
    for namespace in ["a", "b"] {
        for key in 0..5 {
            cache.insert(namespace, key, key, 20);
        }
    }
    cache.insert("small", 1, 1, 40);
    assert_eq!(kept(&cache, "b", [0]), [0], "used again");
    cache.insert("b", 5, 5, 20);
    cache.insert("c", 1, 1, 20);
    assert!(cache.size() <= 250, "{}", cache.size());
    assert_eq!(kept(&cache, "small", [1]), [1]);
    assert_eq!(kept(&cache, "c", [1]), [1]);
    assert_eq!(kept(&cache, "b", [0, 1, 5]), [0, 5], "the least recently used went");
}

#[test]
fn a_value_larger_than_the_share_is_kept_alone() {
    let cache = TenantCache::new(LIMITS);
    cache.insert("a", 1, 1, 20);
    cache.insert("a", 2, 2, 1000);
    assert_eq!(kept(&cache, "a", [1, 2]), [2]);
    cache.insert("a", 2, 2, 10);
    assert_eq!(cache.size(), 10, "the former value is replaced");
}

#[test]
fn removed_values_leave_no_trace() {
    let cache = TenantCache::new(LIMITS);
    cache.insert("a", 1, 1, 20);
    cache.insert("b", 2, 2, 30);
    cache.retain(|value| *value == 2);
    assert_eq!(cache.size(), 30);
    cache.retain(|_| false);
    assert_eq!((cache.size(), cache.lock().tenants.len()), (0, 0));
}
