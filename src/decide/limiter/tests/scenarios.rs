//! One tenant fails beside a healthy one at the same limiter: none of the healthy tenant's tokens expires.

use super::simulation::{Endpoint, Source, World};
use super::*;

/// TokenSources of a namespace, with one client for all or one for each. With a lifetime, they have tokens of this lifetime
/// and of different ages. Without a lifetime, they have no tokens yet.
fn fleet(
    namespace: &str,
    count: usize,
    client: Option<&str>,
    endpoint: Endpoint,
    life: Option<i64>,
) -> Vec<Source> {
    let one = |number: usize| {
        let mut request = first(namespace, &format!("{number} {endpoint:?}"));
        request.credentials = client.map_or(request.credentials, Into::into);
        let number = i64::try_from(number).unwrap();
        Source::new(request, endpoint, life.unwrap_or(3600), life.map(|life| number * 7 % (life / 2)))
    };
    (0..count).map(one).collect()
}

/// Simulates ten minutes. Returns how many tokens of TokenSources with this kind of answer expired, and how many were
/// issued.
fn play(sources: Vec<Source>, is_shared: bool, endpoint: Endpoint) -> (usize, usize) {
    let mut world = World::new(sources, is_shared);
    world.run(600);
    let of = || world.sources.iter().filter(|source| source.endpoint == endpoint);
    (of().map(|source| source.expired).sum(), of().map(|source| source.issued).sum())
}

/// Checks that no token of the healthy TokenSources expires beside the others, and that they get at least three quarters of
/// the tokens that they get alone.
fn beside(healthy: impl Fn() -> Vec<Source>, others: Vec<Source>, is_shared: bool, case: &str) {
    let (_, alone) = play(healthy(), is_shared, Endpoint::Healthy);
    let (expired, issued) = play(others.into_iter().chain(healthy()).collect(), is_shared, Endpoint::Healthy);
    assert_eq!(expired, 0, "{case}: expired");
    assert!(issued * 4 >= alone * 3, "{case}: {issued} tokens, {alone} without the others");
}

const TROUBLED: Endpoint = Endpoint::Fails(Reason::ProviderUnavailable);

#[test]
fn sources_that_forgot_their_authorities_expire_no_healthy_token() {
    let healthy = || fleet("ns", 5, Some("healthy"), Endpoint::Healthy, Some(60));
    let untrusting = Endpoint::Fails(Reason::TLSVerificationFailed);
    for client in [None, Some("the same")] {
        beside(healthy, fleet("ns", 40, client, untrusting, None), false, "forty without caBundle");
    }
}

#[test]
fn an_audience_that_gets_an_internal_error_expires_no_healthy_token() {
    for life in [60, 70, 150, 300] {
        let healthy = || fleet("ns", 5, Some("healthy"), Endpoint::Healthy, Some(life));
        for client in [None, Some("the same"), Some("healthy")] {
            for had_a_token in [None, Some(life)] {
                let audience = fleet("ns", 12, client, TROUBLED, had_a_token);
                beside(healthy, audience, false, &format!("twelve of {client:?}, {had_a_token:?}, {life} s"));
            }
        }
    }
}

#[test]
fn a_failing_client_of_one_namespace_expires_no_token_of_another() {
    let healthy = || fleet("healthy", 10, Some("client"), Endpoint::Healthy, Some(60));
    for had_a_token in [None, Some(60)] {
        beside(healthy, fleet("failing", 400, Some("client"), TROUBLED, had_a_token), true, "four hundred");
    }
    let two = fleet("failing", 200, None, TROUBLED, Some(60)).into_iter();
    beside(healthy, two.chain(fleet("too", 200, None, TROUBLED, None)).collect(), true, "of two namespaces");
}

#[test]
fn a_limited_client_delays_no_request_of_another_namespace() {
    let healthy = || fleet("healthy", 10, Some("client"), Endpoint::Healthy, Some(60));
    for (count, rate) in [(500, 1.0), (1500, 1.0), (1500, 5.0)] {
        let limited = fleet("limited", count, Some("client"), Endpoint::Limits(rate), None);
        beside(healthy, limited, true, &format!("{count} limited to {rate}"));
    }
}

#[test]
fn a_limited_client_uses_most_of_its_limit() {
    let limited = fleet("limited", 1500, Some("client"), Endpoint::Limits(5.0), None);
    let (_, issued) = play(limited, true, Endpoint::Limits(5.0));
    assert!(issued >= 1200, "{issued} tokens, 3,000 would be possible");
}
