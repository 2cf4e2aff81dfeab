//! The token client with real TLS servers that misbehave.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use super::{ClientSettings, TokenClient, USER_AGENT};
use crate::api::RequestMethod;
use crate::api::reason::Reason;
use crate::oauth::egress::{AddressPolicy, GuardedResolver};
use crate::oauth::endpoint::Endpoint;
use crate::oauth::error::{Error, NetworkFault};
use crate::oauth::request::HttpRequest;
use crate::oauth::response::{HttpResponse, MAX_BODY};
use server::{Authority, Script, Server};

mod certificates;
mod documents;
mod proxied;
mod server;

fn ok() -> Script {
    Script::answer("200 OK", "", "{}")
}

fn provider_installed() {
    // Another test may have installed it.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
}

/// A certificate authority, and servers and clients that use it.
struct World {
    authority: Authority,
    settings: ClientSettings,
}

impl World {
    /// A world whose address policy permits the loopback network.
    fn new() -> Self {
        provider_installed();
        let authority = Authority::new("test");
        let addresses = AddressPolicy { allow: vec!["127.0.0.0/8".parse().unwrap()], deny: Vec::new() };
        let settings = ClientSettings {
            addresses: Arc::new(addresses),
            resolver: None,
            proxy: None,
            ca_bundle: Some(authority.pem()),
            identity: None,
            timeout: Duration::from_secs(5),
        };
        Self { authority, settings }
    }

    async fn server(&self, script: Script) -> Server {
        Server::start(self.authority.identity(), script).await
    }

    async fn send(&self, host: &str, port: u16) -> Result<HttpResponse, Error> {
        let client = TokenClient::new(&self.settings).unwrap();
        checked(client.send(request(host, port)).await)
    }

    /// Sends to `provider.test`, for which the resolver returns this result.
    async fn send_resolving(&self, answer: Lookup, port: u16) -> Result<HttpResponse, Error> {
        let resolver = GuardedResolver::new(Arc::clone(&self.settings.addresses), Arc::new(answer));
        let client = TokenClient::with_resolver(&self.settings, resolver, |builder| builder).unwrap();
        checked(client.send(request("provider.test", port)).await)
    }
}

/// A request with secrets in every part.
fn request(host: &str, port: u16) -> HttpRequest {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("Basic canary"));
    headers.insert("user-agent", HeaderValue::from_static("tokensource/0.0.0"));
    headers.insert("accept", HeaderValue::from_static("application/json"));
    HttpRequest {
        method: RequestMethod::Post,
        endpoint: Endpoint::parse(&format!("https://{host}:{port}/canary?key=canary")).unwrap(),
        headers,
        body: Zeroizing::new(b"client_secret=canary".to_vec()),
        signed: Vec::new(),
    }
}

/// Checks that an error shows no part of the request except its host.
fn checked(result: Result<HttpResponse, Error>) -> Result<HttpResponse, Error> {
    if let Err(error) = &result {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary") && !shown.contains("https:"), "{shown}");
    }
    result
}

fn error(result: Result<HttpResponse, Error>) -> Error {
    match result {
        Ok(answer) => panic!("answered {}", answer.status),
        Err(error) => error,
    }
}

fn unreachable(host: &str, fault: NetworkFault) -> Error {
    Error::unreachable(host, fault)
}

/// A resolver with a fixed result; None fails.
struct Lookup(Option<&'static [&'static str]>);

impl Resolve for Lookup {
    fn resolve(&self, _: Name) -> Resolving {
        let answer = self.0.map(|addresses| {
            addresses.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect::<Vec<_>>()
        });
        Box::pin(async move {
            let addresses = answer.ok_or("canary: no such name")?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[tokio::test]
async fn response_is_returned_unchanged() {
    let world = World::new();
    let server = world.server(Script::answer("201 Created", "x-request-id: r1\r\n", "{\"a\":1}")).await;
    let answer = world.send("127.0.0.1", server.port).await.unwrap();
    assert_eq!(answer.status, 201);
    assert_eq!(answer.headers["x-request-id"], "r1");
    assert_eq!(&answer.body[..], b"{\"a\":1}");
}

#[tokio::test]
async fn request_is_sent_without_additional_headers() {
    let world = World::new();
    let server = world.server(ok()).await;
    world.send("localhost", server.port).await.unwrap();
    let expected = format!(
        "POST /canary?key=canary HTTP/1.1\r\nauthorization: Basic canary\r\nuser-agent: tokensource/0.0.0\r\n\
         accept: application/json\r\ncontent-length: 20\r\nhost: localhost:{}\r\n\r\nclient_secret=canary",
        server.port
    );
    assert_eq!(server.requests(), [expected]);
}

#[tokio::test]
async fn empty_body_has_a_content_length() {
    let world = World::new();
    let server = world.server(ok()).await;
    let request = HttpRequest { body: Zeroizing::default(), ..request("localhost", server.port) };
    TokenClient::new(&world.settings).unwrap().send(request).await.unwrap();
    assert!(server.requests()[0].contains("\r\ncontent-length: 0\r\n"));
}

#[tokio::test]
async fn cookies_are_not_stored() {
    let world = World::new();
    let server = world.server(Script::answer("200 OK", "set-cookie: a=b\r\n", "{}")).await;
    let client = TokenClient::new(&world.settings).unwrap();
    for _ in 0..2 {
        client.send(request("localhost", server.port)).await.unwrap();
    }
    assert_eq!(server.requests().len(), 2);
    assert!(!server.requests()[1].contains("cookie"));
}

#[tokio::test]
async fn separate_clients_share_no_connection() {
    let world = World::new();
    let server = world.server(ok()).await;
    for _ in 0..2 {
        world.send("localhost", server.port).await.unwrap();
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn endpoint_is_reached_without_a_request() {
    let mut world = World::new();
    let server = world.server(ok()).await;
    let endpoint = |port: u16| Endpoint::parse(&format!("https://localhost:{port}/token")).unwrap();
    let reason = |found: Result<(), Error>| found.map_err(|error| error.reason());
    assert_eq!(reason(TokenClient::reach(&world.settings, &endpoint(server.port)).await), Ok(()));
    assert_eq!(
        reason(TokenClient::reach(&world.settings, &endpoint(1)).await),
        Err(Reason::EndpointUnreachable)
    );
    let foreign = Authority::new("foreign").issue(&["localhost"], (2020, 2120));
    let foreign = Server::start(foreign, ok()).await;
    let untrusted = TokenClient::reach(&world.settings, &endpoint(foreign.port)).await;
    assert_eq!(reason(untrusted), Err(Reason::TLSVerificationFailed));
    assert_eq!((server.connections(), server.requests().len(), foreign.requests().len()), (1, 0, 0));
    world.settings.addresses = Arc::new(AddressPolicy::default());
    let refused = TokenClient::reach(&world.settings, &endpoint(server.port)).await;
    assert_eq!(reason(refused), Err(Reason::EndpointNotAllowed));
    assert_eq!(server.connections(), 1, "an address that a rule refuses is not contacted");
}

/// The target of the redirect receives neither a request nor a connection.
#[tokio::test]
async fn redirect_is_not_followed() {
    let world = World::new();
    let target = world.server(ok()).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: https://localhost:{}/\r\n", target.port);
        let server = world.server(Script::answer(&format!("{status} Elsewhere"), &location, "")).await;
        let answer = world.send("localhost", server.port).await.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(server.requests().len(), 1);
    }
    assert_eq!(target.connections(), 0);
}

/// The body is refused with a declared length and without.
#[tokio::test]
async fn body_over_the_limit_is_refused() {
    let world = World::new();
    let full = "x".repeat(MAX_BODY);
    let server = world.server(Script::answer("200 OK", "", &full)).await;
    assert_eq!(world.send("localhost", server.port).await.unwrap().body.len(), MAX_BODY);

    let surplus = Script::answer("200 OK", "", &format!("{full}x"));
    let large = "x".repeat(300 * 1024);
    let declared = Script::answer("400 Bad Request", "", &large);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );
    for script in [surplus, declared, Script::Answer(chunked.into_bytes())] {
        let server = world.server(script).await;
        let error = error(world.send("localhost", server.port).await);
        assert_eq!(error, Error::too_large("localhost"));
    }
}

#[tokio::test]
async fn deadline_includes_the_body() {
    let mut world = World::new();
    world.settings.timeout = Duration::from_millis(300);
    // A 2xx response has begun, so a token may have been issued.
    let begun = Error::cut_off("localhost", 200, true);
    let silent = unreachable("localhost", NetworkFault::Deadline);
    for (script, expected) in [(Script::Drip, begun), (Script::Silence, silent)] {
        let server = world.server(script).await;
        let bound = tokio::time::timeout(Duration::from_secs(3), world.send("localhost", server.port));
        let error = error(bound.await.expect("no deadline"));
        assert_eq!(error, expected);
        assert_eq!(server.requests().len(), 1, "nothing is sent twice");
    }
}

#[tokio::test]
async fn failed_connection_has_its_fault() {
    let world = World::new();
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let refused = NetworkFault::Connection(ErrorKind::ConnectionRefused);
    assert_eq!(error(world.send("127.0.0.1", closed).await), unreachable("127.0.0.1", refused));

    let nonsense = Script::Answer(b"canary\r\n\r\n".to_vec());
    let interrupted = || unreachable("localhost", NetworkFault::Interrupted);
    let cases = [
        (Script::HangUp, interrupted()),
        (nonsense, interrupted()),
        // A 2xx response has begun, so a token may have been issued.
        (Script::CutShort, Error::cut_off("localhost", 200, false)),
    ];
    for (script, expected) in cases {
        let server = world.server(script).await;
        let error = error(world.send("localhost", server.port).await);
        assert_eq!(error, expected);
        assert_eq!(server.requests().len(), 1, "nothing is sent twice");
    }
}

/// The request accepts no encoding, but the token in the response may have cost something.
#[tokio::test]
async fn compressed_body_is_decoded() {
    use std::io::Write as _;
    let gzip = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let answer = |body: Vec<u8>| {
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len());
        Script::Answer([head.into_bytes(), body].concat())
    };
    let world = World::new();
    let server = world.server(answer(gzip(b"{\"a\":1}"))).await;
    let plain = world.send("localhost", server.port).await.unwrap();
    assert_eq!(&plain.body[..], b"{\"a\":1}");
    assert!(!plain.headers.contains_key("content-encoding"));
    let server = world.server(answer(gzip(&vec![b'x'; MAX_BODY + 1]))).await;
    assert_eq!(error(world.send("localhost", server.port).await), Error::too_large("localhost"));
}

#[tokio::test]
async fn unresolved_name_has_its_fault() {
    let world = World::new();
    for answer in [None, Some(&[][..])] {
        let error = error(world.send_resolving(Lookup(answer), 443).await);
        assert_eq!(error, unreachable("provider.test", NetworkFault::NameResolution));
    }
}

#[tokio::test]
async fn forbidden_address_receives_no_connection() {
    let mut world = World::new();
    let server = world.server(ok()).await;
    assert!(world.send_resolving(Lookup(Some(&["127.0.0.1"])), server.port).await.is_ok());
    let before = server.connections();

    world.settings.addresses = Arc::default();
    for host in
        ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "localhost"]
    {
        let error = error(world.send(host, server.port).await);
        assert_eq!(error.reason(), Reason::EndpointNotAllowed, "{host}: {error}");
    }
    for answer in [&["127.0.0.1"][..], &["::ffff:127.0.0.1", "169.254.169.254"], &["fd00:ec2::254"]] {
        let error = error(world.send_resolving(Lookup(Some(answer)), server.port).await);
        assert_eq!(error.reason(), Reason::EndpointNotAllowed, "{answer:?}: {error}");
        assert!(!error.to_string().contains("127"), "{error}");
    }
    assert_eq!(server.connections(), before);
}

#[tokio::test]
async fn only_permitted_addresses_of_a_name_are_connected_to() {
    let mut world = World::new();
    world.settings.addresses =
        Arc::new(AddressPolicy { allow: vec!["127.0.0.1/32".parse().unwrap()], deny: Vec::new() });
    let server = world.server(ok()).await;
    let answer = Lookup(Some(&["127.0.0.2", "169.254.169.254", "127.0.0.1"]));
    assert!(world.send_resolving(answer, server.port).await.is_ok());
    assert_eq!(server.connections(), 1);
}

/// Runs another test of this file in a process whose environment names a proxy.
#[tokio::test]
async fn proxy_of_the_environment_is_ignored() {
    let proxy = Server::start_plain(Script::HangUp).await;
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];
    let environment: Vec<_> = names.map(|name| (name, url.as_ref())).into_iter().collect();
    pass_elsewhere("response_is_returned_unchanged", &environment).await;
    assert_eq!(proxy.connections(), 0);
}

/// Runs one test of this file in a process with these variables: a test must not change its own environment.
async fn pass_elsewhere(test: &str, environment: &[(&str, &OsStr)]) {
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", &format!("{module}::{test}")]).envs(environment.iter().copied());
    let output = child.env_remove("NO_PROXY").env_remove("no_proxy").output().await.unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("1 passed"), "{shown}");
}
