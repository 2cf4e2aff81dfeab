//! The exchange against real TLS servers that misbehave.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use super::{Exchanger, Transport};
use crate::api::reason::Reason;
use crate::oauth::egress::{AddressPolicy, GuardedResolver};
use crate::oauth::endpoint::Endpoint;
use crate::oauth::error::{Error, NetworkFault};
use crate::oauth::request::WireRequest;
use crate::oauth::response::{Answer, MAX_BODY};
use server::{Authority, Script, Server};

mod certificates;
mod documents;
mod server;

fn ok() -> Script {
    Script::answer("200 OK", "", "{}")
}

fn provider_installed() {
    // Another test may have been first.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
}

/// One authority and the servers and clients that trust it.
struct World {
    authority: Authority,
    transport: Transport,
}

impl World {
    /// A world whose policy permits the loopback network.
    fn new() -> Self {
        provider_installed();
        let authority = Authority::new("test");
        let addresses = AddressPolicy { allow: vec!["127.0.0.0/8".parse().unwrap()], deny: Vec::new() };
        let transport = Transport {
            addresses: Arc::new(addresses),
            resolver: None,
            ca_bundle: Some(authority.pem()),
            identity: None,
            timeout: Duration::from_secs(5),
        };
        Self { authority, transport }
    }

    async fn server(&self, script: Script) -> Server {
        Server::start(self.authority.identity(), script).await
    }

    async fn send(&self, host: &str, port: u16) -> Result<Answer, Error> {
        let exchanger = Exchanger::new(&self.transport).unwrap();
        checked(exchanger.send(request(host, port)).await)
    }

    /// Sends to `provider.test`, which resolves to this answer.
    async fn send_resolving(&self, answer: Lookup, port: u16) -> Result<Answer, Error> {
        let resolver = GuardedResolver::new(Arc::clone(&self.transport.addresses), Arc::new(answer));
        let exchanger = Exchanger::with_resolver(&self.transport, resolver).unwrap();
        checked(exchanger.send(request("provider.test", port)).await)
    }
}

/// A request full of secrets.
fn request(host: &str, port: u16) -> WireRequest {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("Basic canary"));
    headers.insert("user-agent", HeaderValue::from_static("tokensource/0.0.0"));
    headers.insert("accept", HeaderValue::from_static("application/json"));
    WireRequest {
        endpoint: Endpoint::parse(&format!("https://{host}:{port}/canary?key=canary")).unwrap(),
        headers,
        body: Zeroizing::new(b"client_secret=canary".to_vec()),
        signed: Vec::new(),
    }
}

/// No error says more of the request than its host.
fn checked(result: Result<Answer, Error>) -> Result<Answer, Error> {
    if let Err(error) = &result {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary") && !shown.contains("https"), "{shown}");
    }
    result
}

fn error(result: Result<Answer, Error>) -> Error {
    match result {
        Ok(answer) => panic!("answered {}", answer.status),
        Err(error) => error,
    }
}

fn unreachable(host: &str, fault: NetworkFault) -> Error {
    Error::unreachable(host, fault)
}

/// A name server that says what it likes; None = it fails.
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
async fn an_answer_is_handed_on_as_it_came() {
    let world = World::new();
    let server = world.server(Script::answer("201 Created", "x-request-id: r1\r\n", "{\"a\":1}")).await;
    let answer = world.send("127.0.0.1", server.port).await.unwrap();
    assert_eq!(answer.status, 201);
    assert_eq!(answer.headers["x-request-id"], "r1");
    assert_eq!(&answer.body[..], b"{\"a\":1}");
}

#[tokio::test]
async fn the_request_is_sent_as_it_is_and_nothing_is_added() {
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
async fn an_empty_body_has_a_length() {
    let world = World::new();
    let server = world.server(ok()).await;
    let request = WireRequest { body: Zeroizing::default(), ..request("localhost", server.port) };
    Exchanger::new(&world.transport).unwrap().send(request).await.unwrap();
    assert!(server.requests()[0].contains("\r\ncontent-length: 0\r\n"));
}

#[tokio::test]
async fn cookies_are_not_kept() {
    let world = World::new();
    let server = world.server(Script::answer("200 OK", "set-cookie: a=b\r\n", "{}")).await;
    let exchanger = Exchanger::new(&world.transport).unwrap();
    for _ in 0..2 {
        exchanger.send(request("localhost", server.port)).await.unwrap();
    }
    assert_eq!(server.requests().len(), 2);
    assert!(!server.requests()[1].contains("cookie"));
}

#[tokio::test]
async fn tenants_share_no_connection() {
    let world = World::new();
    let server = world.server(ok()).await;
    for _ in 0..2 {
        world.send("localhost", server.port).await.unwrap();
    }
    assert_eq!(server.connections(), 2);
}

/// R14: the second host sees neither a request nor a connection.
#[tokio::test]
async fn redirects_are_answers() {
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

/// R15, with a declared length and without.
#[tokio::test]
async fn bodies_over_the_limit_are_refused() {
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

/// R16: the deadline holds over the body, too.
#[tokio::test]
async fn the_deadline_covers_the_whole_exchange() {
    let mut world = World::new();
    world.transport.timeout = Duration::from_millis(300);
    // A good answer has begun: it may have cost a token.
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
async fn connections_that_fail() {
    let world = World::new();
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let refused = NetworkFault::Connection(ErrorKind::ConnectionRefused);
    assert_eq!(error(world.send("127.0.0.1", closed).await), unreachable("127.0.0.1", refused));

    let nonsense = Script::Answer(b"canary\r\n\r\n".to_vec());
    let interrupted = || unreachable("localhost", NetworkFault::Interrupted);
    let cases = [
        (Script::HangUp, interrupted()),
        (nonsense, interrupted()),
        // A good answer has begun: it may have cost a token.
        (Script::CutShort, Error::cut_off("localhost", 200, false)),
    ];
    for (script, expected) in cases {
        let server = world.server(script).await;
        let error = error(world.send("localhost", server.port).await);
        assert_eq!(error, expected);
        assert_eq!(server.requests().len(), 1, "nothing is sent twice");
    }
}

/// R17: nobody asked for it, but the token in it may have cost something.
#[tokio::test]
async fn an_encoded_body_is_handed_on_plain() {
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
async fn names_that_do_not_resolve() {
    let world = World::new();
    for answer in [None, Some(&[][..])] {
        let error = error(world.send_resolving(Lookup(answer), 443).await);
        assert_eq!(error, unreachable("provider.test", NetworkFault::NameResolution));
    }
}

#[tokio::test]
async fn forbidden_addresses_see_no_connection() {
    let mut world = World::new();
    let server = world.server(ok()).await;
    assert!(world.send_resolving(Lookup(Some(&["127.0.0.1"])), server.port).await.is_ok());
    let before = server.connections();

    world.transport.addresses = Arc::default();
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

/// Of several addresses only the permitted ones are connected to.
#[tokio::test]
async fn forbidden_addresses_are_skipped() {
    let mut world = World::new();
    world.transport.addresses =
        Arc::new(AddressPolicy { allow: vec!["127.0.0.1/32".parse().unwrap()], deny: Vec::new() });
    let server = world.server(ok()).await;
    let answer = Lookup(Some(&["127.0.0.2", "169.254.169.254", "127.0.0.1"]));
    assert!(world.send_resolving(answer, server.port).await.is_ok());
    assert_eq!(server.connections(), 1);
}

/// e.3: another test of this file is run in a process whose environment names a proxy.
#[tokio::test]
async fn proxies_of_the_environment_are_ignored() {
    let proxy = Server::start_plain(Script::HangUp).await;
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];
    let environment: Vec<_> = names.map(|name| (name, url.as_ref())).into_iter().collect();
    pass_elsewhere("an_answer_is_handed_on_as_it_came", &environment).await;
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
