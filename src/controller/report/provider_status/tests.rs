//! The order and the number of writes of one sweep.

use std::collections::BTreeMap;

use super::*;
use crate::api::{ClusterTokenProviderSpec, TokenProviderSpec};

fn due(namespace: &str, name: &str, written: Option<Instant>) -> Due {
    let provider = if namespace.is_empty() {
        Provider::Cluster(Arc::new(ClusterTokenProvider::new(name, ClusterTokenProviderSpec::default())))
    } else {
        let mut provider = TokenProvider::new(name, TokenProviderSpec::default());
        provider.metadata.namespace = Some(namespace.to_owned());
        Provider::Namespaced(Arc::new(provider))
    };
    Due { provider, uid: name.to_owned(), status: TokenProviderStatus::default(), written }
}

#[tokio::test]
async fn longest_unwritten_statuses_go_first_and_no_namespace_takes_all() {
    let now = Instant::now();
    let ago = |seconds| now.checked_sub(Duration::from_secs(seconds));
    let written = in_turn(vec![
        due("a", "just", ago(1)),
        due("a", "long ago", ago(600)),
        due("a", "never", None),
        due("", "shared, recently", ago(60)),
        due("", "shared, before", ago(90)),
        due("", "shared, never", None),
        due("b", "before", ago(300)),
    ]);
    let names: Vec<_> = written.iter().map(|due| due.provider.name()).collect();
    let expected = [
        ("a", "never"),
        ("", "shared, never"),
        ("a", "long ago"),
        ("b", "before"),
        ("", "shared, before"),
        ("", "shared, recently"),
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_sweep_has_a_hundred_writes_at_most() {
    let all = (0..5).flat_map(|one| (0..60).map(move |namespace| (namespace, one)));
    let all = all.map(|(namespace, one)| due(&format!("n{namespace}"), &one.to_string(), None)).collect();
    let mut of_namespaces: BTreeMap<String, usize> = BTreeMap::new();
    for due in in_turn(all) {
        *of_namespaces.entry(due.provider.name().0.to_owned()).or_default() += 1;
    }
    assert_eq!(of_namespaces.values().sum::<usize>(), 100);
    assert!(of_namespaces.len() == 60 && of_namespaces.values().all(|writes| *writes <= 2));
}
