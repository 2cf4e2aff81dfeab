//! The text that a scrape gets, from caches filled by hand.

use kube::runtime::reflector::store;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::Event;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::json;

use super::*;
use crate::api::TokenSourceStatus;
use crate::decide::provider_host;

/// 2026-01-01T00:10:00Z.
fn ten_past() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_226_200, 0).unwrap()
}

fn view() -> (Arc<ClusterView>, Writer<TokenSource>) {
    let (sources, writer) = store();
    let (providers, _) = store();
    (Arc::new(ClusterView::new(sources, providers)), writer)
}

fn status(failures: i32, expires_at: &str) -> TokenSourceStatus {
    serde_json::from_value(json!({
        "expiresAt": expires_at,
        "renewAt": "2026-01-01T00:45:00Z",
        "failures": failures,
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "TokenIssued", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"},
            {"type": "Renewed", "status": if failures == 0 { "True" } else { "False" },
                "reason": if failures == 0 { "TokenRenewed" } else { "RateLimited" }, "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"},
        ],
    }))
    .unwrap()
}

fn source(namespace: &str, name: &str, version: &str, status: Option<&TokenSourceStatus>) -> TokenSource {
    serde_json::from_value(json!({
        "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource",
        "metadata": {"namespace": namespace, "name": name, "uid": name, "resourceVersion": version},
        "spec": {"provider": {"tokenEndpoint": "https://auth.example.com/token"}},
        "status": status,
    }))
    .unwrap()
}

fn host_of() -> HostOf {
    Box::new(|source| provider_host(source.spec.provider.as_deref()?))
}

/// The samples, without comments.
fn scrape(views: &[&Arc<ClusterView>]) -> Vec<String> {
    let mut registry = Registry::default();
    let views = views.iter().map(|view| (Arc::clone(view), host_of())).collect();
    registry.register_collector(Box::new(Objects::new(views, ten_past)));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(ToOwned::to_owned).collect()
}

#[test]
fn scrapes_have_the_exposition_format() {
    let (view, mut writer) = view();
    writer.apply_watcher_event(&Event::Apply(source(
        "a",
        "one",
        "1",
        Some(&status(0, "2026-01-01T01:00:00Z")),
    )));
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Objects::new(vec![(view, host_of())], ten_past)));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let expected = r#"# HELP tokensource_token_expiry_timestamp_seconds When the token expires, or did.
# TYPE tokensource_token_expiry_timestamp_seconds gauge
# UNIT tokensource_token_expiry_timestamp_seconds seconds
tokensource_token_expiry_timestamp_seconds{namespace="a",name="one",provider="auth.example.com"} 1767229200
# HELP tokensource_next_renewal_timestamp_seconds When the next token will be requested; absent while no request is planned.
# TYPE tokensource_next_renewal_timestamp_seconds gauge
# UNIT tokensource_next_renewal_timestamp_seconds seconds
tokensource_next_renewal_timestamp_seconds{namespace="a",name="one",provider="auth.example.com"} 1767228300
# HELP tokensource_ready 1 while the condition Ready is True and the token has not expired.
# TYPE tokensource_ready gauge
tokensource_ready{namespace="a",name="one",provider="auth.example.com"} 1
# HELP tokensource_consecutive_failures Consecutive attempts that failed; 0 after a success.
# TYPE tokensource_consecutive_failures gauge
tokensource_consecutive_failures{namespace="a",name="one",provider="auth.example.com"} 0
# HELP tokensource_failure_reason The reason why Renewed is False, as a label. The value is always 1; the series is absent after a success.
# TYPE tokensource_failure_reason gauge
# EOF
"#;
    assert_eq!(text, expected);
}

#[test]
fn every_scope_is_shown_and_unknown_fields_are_left_out() {
    let ((one, mut of_one), (two, mut of_two)) = (view(), view());
    of_one.apply_watcher_event(&Event::Apply(source("a", "new", "1", None)));
    of_two.apply_watcher_event(&Event::Apply(source(
        "b",
        "ill",
        "1",
        Some(&status(3, "2026-01-01T00:10:00Z")),
    )));
    assert_eq!(
        scrape(&[&one, &two]),
        [
            r#"tokensource_token_expiry_timestamp_seconds{namespace="b",name="ill",provider="auth.example.com"} 1767226200"#,
            r#"tokensource_next_renewal_timestamp_seconds{namespace="b",name="ill",provider="auth.example.com"} 1767228300"#,
            r#"tokensource_ready{namespace="a",name="new",provider="auth.example.com"} 0"#,
            r#"tokensource_ready{namespace="b",name="ill",provider="auth.example.com"} 0"#,
            r#"tokensource_consecutive_failures{namespace="a",name="new",provider="auth.example.com"} 0"#,
            r#"tokensource_consecutive_failures{namespace="b",name="ill",provider="auth.example.com"} 3"#,
            r#"tokensource_failure_reason{namespace="b",name="ill",provider="auth.example.com",reason="RateLimited"} 1"#,
        ]
    );
}

#[test]
fn deleted_objects_leave_no_series() {
    let (view, mut writer) = view();
    let good = status(0, "2026-01-01T01:00:00Z");
    let gone = source("a", "gone", "1", Some(&good));
    writer.apply_watcher_event(&Event::Apply(gone.clone()));
    let mut going = source("a", "going", "1", Some(&good));
    going.metadata.deletion_timestamp = Some(crate::api::to_kubernetes(ten_past()));
    writer.apply_watcher_event(&Event::Apply(going));
    assert_eq!(scrape(&[&view]).len(), 4, "of the one that is not being deleted");
    writer.apply_watcher_event(&Event::Delete(gone));
    assert_eq!(scrape(&[&view]), Vec::<String>::new());
}

#[test]
fn our_own_writes_show_before_the_cache_has_them_and_a_scrape_drops_none() {
    let (view, mut writer) = view();
    let [early, later] = ["2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z"].map(|time| status(0, time));
    let cached = source("a", "one", "1", Some(&early));
    writer.apply_watcher_event(&Event::Apply(cached.clone()));
    let expiry = || scrape(&[&view]).remove(0).rsplit(' ').next().unwrap().to_owned();
    assert_eq!(expiry(), "1767229200");
    view.local.status_written(source("a", "one", "2", Some(&later)));
    assert_eq!(expiry(), "1767232800");
    // A reconcile that began before the cache caught up must still find the write, although a scrape came between.
    writer.apply_watcher_event(&Event::Apply(source("a", "one", "2", Some(&later))));
    assert_eq!(expiry(), "1767232800");
    let (current, _) = view.local.current(Arc::new(cached));
    assert_eq!(current.metadata.resource_version.as_deref(), Some("2"));
    // An unwritten status counts, too.
    view.local.keep_unwritten_status("one", early);
    assert_eq!(expiry(), "1767229200");
}
