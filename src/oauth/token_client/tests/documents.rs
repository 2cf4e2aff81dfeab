//! GET requests: the metadata of an issuer, and the URL of a probe.

use super::{Script, Server, TokenClient, USER_AGENT, World};
use crate::api::reason::Reason;
use crate::oauth::endpoint::Endpoint;
use crate::oauth::metadata::Issuer;
use crate::oauth::response::MAX_BODY;
use crate::oauth::secret::Secret;

async fn discover(world: &World, issuer: &str) -> Result<String, Reason> {
    let client = TokenClient::new(&world.settings).unwrap();
    let issuer = Issuer::parse(issuer).unwrap();
    let found = issuer.discover(&client, false).await;
    found.map(|metadata| metadata.token_endpoint).map_err(|error| {
        assert!(!error.to_string().contains("canary"), "{error}");
        error.reason()
    })
}

/// Runs discovery with a server that answers every request alike. Returns the server and the reason of the error.
async fn answered(world: &World, script: Script) -> (Server, Reason) {
    let server = world.server(script).await;
    let reason = discover(world, &format!("https://localhost:{}/r", server.port)).await.unwrap_err();
    (server, reason)
}

#[tokio::test]
async fn metadata_is_requested_at_two_urls() {
    let world = World::new();
    let (server, reason) = answered(&world, Script::answer("404 Not Found", "", "canary")).await;
    assert_eq!(reason, Reason::DiscoveryFailed);
    let expected = ["/.well-known/oauth-authorization-server/r", "/r/.well-known/openid-configuration"].map(|path| {
        format!(
            "GET {path} HTTP/1.1\r\naccept: application/json\r\nuser-agent: {USER_AGENT}\r\nhost: localhost:{}\r\n\r\n",
            server.port
        )
    });
    assert_eq!(server.requests(), expected);
}

#[tokio::test]
async fn unusable_metadata_has_its_reason() {
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
async fn endpoint_from_metadata_is_checked_like_one_in_a_spec() {
    let world = World::new();
    let cases = [
        ("http://localhost/token", Err(Reason::EndpointNotAllowed)),
        ("https://u:canary@localhost/token", Err(Reason::EndpointNotAllowed)),
        ("token", Err(Reason::DiscoveryFailed)),
        ("https://login.example/token", Ok("https://login.example/token".to_owned())),
    ];
    for (found, expected) in cases {
        // The port is unknown before the server runs, so the server itself puts it into the metadata.
        let server = world.server(Script::Metadata(found)).await;
        assert_eq!(
            discover(&world, &format!("https://localhost:{}", server.port)).await,
            expected,
            "{found}"
        );
    }
}

#[tokio::test]
async fn metadata_is_not_requested_from_forbidden_addresses() {
    let mut world = World::new();
    world.settings.addresses = std::sync::Arc::default();
    let server = world.server(Script::answer("200 OK", "", "{}")).await;
    for host in ["localhost", "127.0.0.1", "2130706433", "[::ffff:127.0.0.1]"] {
        let refused = discover(&world, &format!("https://{host}:{}", server.port)).await;
        assert_eq!(refused.unwrap_err(), Reason::EndpointNotAllowed, "{host}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn probe_sends_the_token_as_bearer_and_reads_no_body() {
    let world = World::new();
    let server = world.server(Script::Drip).await;
    let url = Endpoint::parse(&format!("https://localhost:{}/echo", server.port)).unwrap();
    let client = TokenClient::new(&world.settings).unwrap();
    let token = Secret::new("a.token".to_owned());
    let status = client.probe(&url, &token).await.unwrap();
    assert_eq!(status, 200, "returned before the end of the body");
    let request = &server.requests()[0];
    assert!(request.starts_with("GET /echo HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nauthorization: Bearer a.token\r\n"), "{request}");
}

#[tokio::test]
async fn probe_follows_no_redirect() {
    let world = World::new();
    let target = world.server(Script::answer("200 OK", "", "")).await;
    let location = format!("location: https://localhost:{}/\r\n", target.port);
    let server = world.server(Script::answer("302 Found", &location, "")).await;
    let url = Endpoint::parse(&format!("https://localhost:{}/echo", server.port)).unwrap();
    let client = TokenClient::new(&world.settings).unwrap();
    let token = Secret::new("a.token".to_owned());
    assert_eq!(client.probe(&url, &token).await, Ok(302));
    assert_eq!(target.connections(), 0);
}
