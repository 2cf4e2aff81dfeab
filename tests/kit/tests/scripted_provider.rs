//! The scripted provider, driven over real TLS connections by the HTTP client that the product uses.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokensource_kit::authority::{Authority, https_client};
use tokensource_kit::scripted_provider::{Answer, ScriptedProvider};

fn provider() -> (ScriptedProvider, reqwest::Client) {
    let authority = Authority::new("a test authority");
    (ScriptedProvider::start(&authority), https_client(authority.pem()))
}

async fn post(client: &reqwest::Client, url: &str) -> Result<reqwest::Response, reqwest::Error> {
    client.post(url).header("X-Mixed-CASE", "1").body("grant_type=client_credentials").send().await
}

async fn json(response: reqwest::Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn queued_answers_come_first_then_the_standing_one() {
    let (provider, client) = provider();
    let url = provider.url("/token");
    provider.answers(
        "/token",
        [Answer::error(400, "invalid_scope"), Answer::redirect(307, "https://x.example/")],
    );
    provider.respond("/token", |_, n| Answer::token(60).header("X-Number", &n.to_string()));

    assert_eq!(json(post(&client, &url).await.unwrap()).await["error"], "invalid_scope");
    assert_eq!(post(&client, &url).await.unwrap().headers()["location"], "https://x.example/");
    let third = post(&client, &url).await.unwrap();
    assert_eq!(third.headers()["x-number"], "3");
    let token = json(third).await;
    assert_eq!(provider.issued(), [token["access_token"].as_str().unwrap()]);

    assert_eq!((provider.count("/token"), provider.count("/other")), (3, 0));
    assert_eq!(post(&client, &provider.url("/other")).await.unwrap().status(), 404);
    assert_eq!((provider.connections(), provider.handshakes()), (1, 1), "connections are kept alive");
}

#[test]
fn requests_are_recorded_byte_for_byte() {
    let authority = Authority::new("a test authority");
    let provider = ScriptedProvider::start(&authority);
    provider.always("/t", Answer::status(204));
    let wire =
        b"POST /t?q=1 HTTP/1.1\r\nhOsT: localhost\r\nX-CaSe: a\r\nX-CaSe: b\r\nContent-Length: 4\r\n\r\na=%0";
    let mut received = vec![0; 4096];
    let mut tls = connect(&authority, provider.host().trim_start_matches("localhost:").parse().unwrap());
    tls.write_all(wire).unwrap();
    let length = tls.read(&mut received).unwrap();
    assert!(received[..length].starts_with(b"HTTP/1.1 204 "));

    let requests = provider.requests("/t");
    assert_eq!([requests[0].head.as_slice(), &requests[0].body].concat(), wire);
    assert_eq!(requests[0].header_values("x-case"), ["a", "b"]);
    assert_eq!(requests[0].headers[0].0, "hOsT");
    assert_eq!(requests[0].connection, 1);
}

fn connect(
    authority: &Authority,
    port: u16,
) -> rustls::StreamOwned<rustls::ClientConnection, std::net::TcpStream> {
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(rustls::pki_types::CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap())
        .unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connection =
        rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    rustls::StreamOwned::new(connection, std::net::TcpStream::connect(("127.0.0.1", port)).unwrap())
}

#[tokio::test]
async fn faults_of_answers_reach_the_client() {
    let (provider, client) = provider();
    let url = provider.url("/token");
    let patience = Duration::from_millis(500);
    for (name, answer) in [
        ("reset", Answer::reset()),
        ("close", Answer::close()),
        ("endless headers", Answer::endless_headers()),
    ] {
        provider.answer("/token", answer);
        assert!(post(&client, &url).await.is_err(), "{name} must not look like an answer");
    }
    provider.answer("/token", Answer::token(60).truncated());
    assert!(post(&client, &url).await.unwrap().bytes().await.is_err(), "half a body is an error");
    assert!(provider.issued().is_empty(), "half a token is none");

    provider.answer("/token", Answer::hang());
    assert!(tokio::time::timeout(patience, post(&client, &url)).await.is_err());
    provider.answer("/token", Answer::endless_drip(Duration::from_millis(20)));
    let dripping = post(&client, &url).await.unwrap();
    assert!(tokio::time::timeout(patience, dripping.bytes()).await.is_err());
}

#[tokio::test]
async fn odd_answers_arrive_whole() {
    let (provider, client) = provider();
    let url = provider.url("/token");
    provider.answer("/token", Answer::of_size(300 * 1024));
    assert_eq!(post(&client, &url).await.unwrap().bytes().await.unwrap().len(), 300 * 1024);

    provider.answer("/token", Answer::gzip());
    let gzip = post(&client, &url).await.unwrap();
    assert_eq!(gzip.headers()["content-encoding"], "gzip");
    assert_eq!(gzip.bytes().await.unwrap()[..2], [0x1f, 0x8b]);

    let start = Instant::now();
    provider.answer("/token", Answer::token(1).after(Duration::from_millis(200)));
    assert_eq!(post(&client, &url).await.unwrap().status(), 200);
    assert!(start.elapsed() > Duration::from_millis(200));
}

#[tokio::test]
async fn outages_cut_connections_and_end() {
    let (provider, client) = provider();
    let url = provider.url("/token");
    provider.always("/token", Answer::token(60));
    assert_eq!(post(&client, &url).await.unwrap().status(), 200);
    provider.go_down();
    assert!(post(&client, &url).await.is_err(), "the pooled connection is cut, too");
    assert!(post(&client, &url).await.unwrap_err().is_connect());
    provider.come_back();
    assert_eq!(post(&client, &url).await.unwrap().status(), 200);
    assert_eq!(provider.count("/token"), 2);
}

#[tokio::test]
async fn certificates_can_be_wrong_and_clients_can_show_theirs() {
    let authority = Authority::new("a test authority");
    let client = https_client(authority.pem());
    let stranger = Authority::new("a test authority");
    for wrong in [
        authority.issue_expired(&["localhost"]),
        authority.issue(&["elsewhere.example"]),
        stranger.issue(&["localhost"]),
    ] {
        let provider = ScriptedProvider::start_with(wrong);
        assert!(post(&client, &provider.url("/token")).await.unwrap_err().is_connect());
        assert_eq!((provider.connections() > 0, provider.count("/token")), (true, 0));
    }

    let provider = ScriptedProvider::start(&authority);
    provider.always("/token", Answer::token(60));
    let identity = authority.issue_client("a client");
    let pem = format!("{}{}", identity.certificate_pem, identity.key_pem);
    let mutual = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap()])
        .identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap())
        .build()
        .unwrap();
    post(&client, &provider.url("/token")).await.unwrap();
    post(&mutual, &provider.url("/token")).await.unwrap();
    let shown: Vec<bool> =
        provider.requests("/token").iter().map(|request| request.client_certificate.is_some()).collect();
    assert_eq!(shown, [false, true]);
}
