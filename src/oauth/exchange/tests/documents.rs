//! What is asked for with GET: an issuer's metadata, and a resource that a token is shown to.

use super::{Exchanger, Script, Server, World};
use crate::api::reason::Reason;
use crate::oauth::endpoint::Endpoint;
use crate::oauth::metadata::Issuer;
use crate::oauth::response::MAX_BODY;
use crate::oauth::secret::Secret;

async fn discover(world: &World, issuer: &str) -> Result<String, Reason> {
    let exchanger = Exchanger::new(&world.transport).unwrap();
    let issuer = Issuer::parse(issuer).unwrap();
    let found = issuer.discover(&exchanger, "tokensource/0.0.0", false).await;
    found.map(|metadata| metadata.token_endpoint).map_err(|error| {
        assert!(!error.to_string().contains("canary"), "{error}");
        error.reason()
    })
}

/// A server that says the same whatever it is asked, and the reason that comes of it.
async fn answered(world: &World, script: Script) -> (Server, Reason) {
    let server = world.server(script).await;
    let reason = discover(world, &format!("https://localhost:{}/r", server.port)).await.unwrap_err();
    (server, reason)
}

#[tokio::test]
async fn metadata_is_asked_for_in_two_places_and_nothing_else_is_sent() {
    let world = World::new();
    let (server, reason) = answered(&world, Script::answer("404 Not Found", "", "canary")).await;
    assert_eq!(reason, Reason::DiscoveryFailed);
    let expected = ["/.well-known/oauth-authorization-server/r", "/r/.well-known/openid-configuration"].map(|path| {
        format!(
            "GET {path} HTTP/1.1\r\naccept: application/json\r\nuser-agent: tokensource/0.0.0\r\nhost: localhost:{}\r\n\r\n",
            server.port
        )
    });
    assert_eq!(server.requests(), expected);
}

#[tokio::test]
async fn metadata_that_cannot_be_read_has_its_reason() {
    let world = World::new();
    let cases = [
        ("a page", Script::answer("200 OK", "", "<html>canary"), Reason::DiscoveryFailed),
        ("another issuer", Script::answer("200 OK", "", r#"{"issuer": "canary"}"#), Reason::IssuerMismatch),
        ("too much", Script::answer("200 OK", "", &" ".repeat(MAX_BODY + 1)), Reason::DiscoveryFailed),
        ("cut short", Script::CutShort, Reason::DiscoveryFailed),
    ];
    for (name, script, expected) in cases {
        assert_eq!(answered(&world, script).await.1, expected, "{name}");
    }
    let other = World::new();
    let server = other.server(Script::answer("200 OK", "", "{}")).await;
    let distrusted = discover(&world, &format!("https://localhost:{}", server.port)).await;
    assert_eq!(distrusted.unwrap_err(), Reason::TLSVerificationFailed);
}

#[tokio::test]
async fn an_endpoint_found_is_judged_like_one_that_was_written() {
    let world = World::new();
    let cases = [
        ("http://localhost/token", Err(Reason::EndpointNotAllowed)),
        ("https://u:canary@localhost/token", Err(Reason::EndpointNotAllowed)),
        ("token", Err(Reason::DiscoveryFailed)),
        ("https://login.example/token", Ok("https://login.example/token".to_owned())),
    ];
    for (found, expected) in cases {
        // The port is not known before the server runs: its answer names the issuer by any that is asked for.
        let server = world.server(Script::Metadata(found)).await;
        assert_eq!(
            discover(&world, &format!("https://localhost:{}", server.port)).await,
            expected,
            "{found}"
        );
    }
}

#[tokio::test]
async fn metadata_is_held_to_the_same_addresses() {
    let mut world = World::new();
    world.transport.addresses = std::sync::Arc::default();
    let server = world.server(Script::answer("200 OK", "", "{}")).await;
    for host in ["localhost", "127.0.0.1", "2130706433", "[::ffff:127.0.0.1]"] {
        let refused = discover(&world, &format!("https://{host}:{}", server.port)).await;
        assert_eq!(refused.unwrap_err(), Reason::EndpointNotAllowed, "{host}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_token_is_shown_as_bearer_and_the_body_left_unread() {
    let world = World::new();
    let server = world.server(Script::Drip).await;
    let url = Endpoint::parse(&format!("https://localhost:{}/echo", server.port)).unwrap();
    let exchanger = Exchanger::new(&world.transport).unwrap();
    let token = Secret::new("a.token".to_owned());
    let status = exchanger.probe(&url, "tokensource/0.0.0", &token).await.unwrap();
    assert_eq!(status, 200, "known long before the body ends");
    let request = &server.requests()[0];
    assert!(request.starts_with("GET /echo HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nauthorization: Bearer a.token\r\n"), "{request}");
}

#[tokio::test]
async fn a_probe_follows_no_redirect() {
    let world = World::new();
    let target = world.server(Script::answer("200 OK", "", "")).await;
    let location = format!("location: https://localhost:{}/\r\n", target.port);
    let server = world.server(Script::answer("302 Found", &location, "")).await;
    let url = Endpoint::parse(&format!("https://localhost:{}/echo", server.port)).unwrap();
    let exchanger = Exchanger::new(&world.transport).unwrap();
    let token = Secret::new("a.token".to_owned());
    assert_eq!(exchanger.probe(&url, "x", &token).await, Ok(302));
    assert_eq!(target.connections(), 0);
}
