//! The locks and timers of limiters: which TokenSources are resumed, and that permits are returned. Knows no reconcile.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::{sleep, timeout};

use super::*;
use crate::api::{
    ProviderKind, ProviderReference, Tls, TokenProviderSpec, TokenSource, TokenSourceSpec, TokenSourceStatus,
};

fn clock() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

fn source(namespace: &str, name: &str) -> TokenSource {
    let mut source = TokenSource::new(name, TokenSourceSpec::default());
    source.metadata.namespace = Some(namespace.to_owned());
    source
}

fn provider(ca_bundle: Option<&str>) -> TokenProviderSpec {
    TokenProviderSpec {
        token_endpoint: Some("https://auth.example.com/token".to_owned()),
        tls: Tls { ca_bundle: ca_bundle.map(str::to_owned), ..Tls::default() },
        ..TokenProviderSpec::default()
    }
}

fn key_of(source: &TokenSource, provider: &TokenProviderSpec) -> LimiterKey {
    LimiterKey::of(source.metadata.namespace.as_deref().unwrap(), &source.spec, provider, Purpose::Token)
}

/// None if the request has to wait.
fn acquire(limiters: &Arc<Limiters>, source: &TokenSource) -> Option<Permit> {
    acquire_at(limiters, source, &provider(None))
}

fn acquire_at(
    limiters: &Arc<Limiters>,
    source: &TokenSource,
    provider: &TokenProviderSpec,
) -> Option<Permit> {
    enter(source, provider, |observed| limiters.acquire(provider, observed))
}

fn revoke(limiters: &Arc<Limiters>, source: &TokenSource) -> Option<Permit> {
    let provider = provider(None);
    enter(source, &provider, |observed| limiters.acquire_for_revocation(&provider, observed))
}

fn enter(
    source: &TokenSource,
    provider: &TokenProviderSpec,
    acquire: impl FnOnce(&Observed<'_>) -> Result<Permit, Deferral>,
) -> Option<Permit> {
    let status = TokenSourceStatus::default();
    let observed = Observed {
        namespace: source.metadata.namespace.as_deref().unwrap(),
        name: source.metadata.name.as_deref().unwrap(),
        uid: "uid",
        ..Observed::new(&source.spec, &status, Ok(provider), clock())
    };
    acquire(&observed).ok()
}

#[tokio::test(start_paused = true)]
async fn revocations_hold_no_permit_that_renewals_need() {
    let limiters = Limiters::new(1, clock);
    let (one, two) = (source("a", "one"), source("a", "two"));
    let _hanging = revoke(&limiters, &one).unwrap();
    assert!(revoke(&limiters, &two).is_none(), "revocations wait for each other");
    assert!(acquire(&limiters, &two).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_dropped_resumes_the_next_waiter_in_every_workqueue() {
    let limiters = Limiters::new(1, clock);
    let mut workqueues = [limiters.resumptions().boxed(), limiters.resumptions().boxed()];
    let permit = acquire(&limiters, &source("a", "one")).unwrap();
    assert!(acquire(&limiters, &source("a", "two")).is_none());
    assert_eq!(limiters.load(), Load { waiting: 1, in_flight: 1, open: 0 });
    drop(permit);
    for workqueue in &mut workqueues {
        assert_eq!(workqueue.next().await, Some(("a".into(), "two".into())));
    }
    let permit = acquire(&limiters, &source("a", "two"));
    assert!(permit.is_some() && limiters.lock().waiting.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_leaves_is_not_resumed() {
    let limiters = Limiters::new(1, clock);
    let mut resumed = limiters.resumptions().boxed();
    let permit = acquire(&limiters, &source("a", "one")).unwrap();
    for name in ["gone", "next"] {
        assert!(acquire(&limiters, &source("a", name)).is_none());
    }
    limiters.leave(&("a".into(), "gone".into()));
    permit.release(Answer::Succeeded);
    assert_eq!(resumed.next().await, Some(("a".into(), "next".into())));
}

#[tokio::test(start_paused = true)]
async fn the_timer_wakes_a_waiter_that_nothing_else_would_wake() {
    let limiters = Limiters::new(4, clock);
    let mut resumed = limiters.resumptions().boxed();
    acquire(&limiters, &source("a", "limited")).unwrap().release(Answer::Limited);
    assert!(acquire(&limiters, &source("a", "waits")).is_none());
    assert!(timeout(Duration::from_millis(100), resumed.next()).await.is_err());
    let name = timeout(Duration::from_secs(5), resumed.next()).await.unwrap();
    assert_eq!(name, Some(("a".into(), "waits".into())));
    assert!(acquire(&limiters, &source("a", "waits")).is_some());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(limiters.load(), Load::default());
}

#[test]
fn provider_blocks_with_other_connection_settings_have_a_limiter_of_their_own() {
    let of_cluster = |namespace: &str, name: &str| {
        let mut source = source(namespace, "source");
        let kind = ProviderKind::ClusterTokenProvider;
        source.spec.provider_ref = Some(ProviderReference { kind, name: name.to_owned() });
        source
    };
    let one = || source("a", "one");
    let slow = TokenProviderSpec { timeout: "3s".parse().ok(), ..provider(None) };
    let elsewhere = TokenProviderSpec {
        token_endpoint: Some("https://auth.example.com/other/path".to_owned()),
        ..provider(None)
    };
    for (case, left, right, same) in [
        (
            "another TokenSource",
            key_of(&one(), &provider(None)),
            key_of(&source("a", "two"), &provider(None)),
            true,
        ),
        ("another path", key_of(&one(), &provider(None)), key_of(&one(), &elsewhere), true),
        (
            "another namespace",
            key_of(&one(), &provider(None)),
            key_of(&source("b", "one"), &provider(None)),
            false,
        ),
        ("other authorities", key_of(&one(), &provider(None)), key_of(&one(), &provider(Some("PEM"))), false),
        ("another timeout", key_of(&one(), &provider(None)), key_of(&one(), &slow), false),
        (
            "the same ClusterTokenProvider",
            key_of(&of_cluster("a", "shared"), &provider(None)),
            key_of(&of_cluster("b", "shared"), &provider(None)),
            true,
        ),
        (
            "another ClusterTokenProvider",
            key_of(&of_cluster("a", "shared"), &provider(None)),
            key_of(&of_cluster("a", "other"), &provider(None)),
            false,
        ),
    ] {
        assert_eq!(left == right, same, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_namespace_keeps_few_limiters_that_it_does_not_use() {
    let limiters = Limiters::new(1, clock);
    for timeout in 1..=200_u64 {
        let provider =
            TokenProviderSpec { timeout: Some(crate::api::Duration::from_secs(timeout)), ..provider(None) };
        drop(acquire_at(&limiters, &source("a", "one"), &provider));
    }
    drop(acquire(&limiters, &source("b", "other")));
    tokio::time::advance(Duration::from_secs(61)).await;
    drop(acquire(&limiters, &source("b", "other")));
    assert_eq!(limiters.lock().limiters.len(), UNUSED + 1);
}
