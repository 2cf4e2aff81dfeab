//! The token client behind proxies that work, refuse, hang, or answer in the provider's place.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::server::{Authority, Identity, Server};
use super::{World, error, ok, pass_elsewhere, provider_installed};
use crate::api::reason::Reason;
use crate::oauth::egress::AddressPolicy;
use crate::oauth::error::{Error, ProxyFault, Retry, TlsFault};
use crate::oauth::proxy::OutboundProxy;

/// How the proxy answers a CONNECT.
#[derive(Clone, Copy)]
enum Manner {
    /// Connects to this port of 127.0.0.1, for any requested name.
    Tunnel(u16),
    Answer(&'static [u8]),
    /// Opens a tunnel, reads, and answers without TLS.
    PlainText,
    /// Opens a tunnel, and closes it.
    Close,
    Hang,
    HangUp,
}

/// A CONNECT proxy on a free port of 127.0.0.1, with the bytes that clients have sent to it.
struct Proxy {
    port: u16,
    /// The CONNECT requests.
    heads: Arc<Mutex<Vec<String>>>,
    /// The first bytes from clients after the CONNECT requests.
    carried: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    async fn start(manner: Manner) -> Self {
        Self::start_with(None, manner).await
    }

    /// A proxy with TLS, if an acceptor is given.
    async fn start_with(acceptor: Option<TlsAcceptor>, manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            heads: Arc::default(),
            carried: Arc::default(),
        };
        let (heads, carried) = (Arc::clone(&proxy.heads), Arc::clone(&proxy.carried));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (heads, carried) = (Arc::clone(&heads), Arc::clone(&carried));
                match acceptor.clone() {
                    None => drop(tokio::spawn(serve(stream, manner, heads, carried))),
                    Some(acceptor) => drop(tokio::spawn(async move {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, manner, heads, carried).await;
                        }
                    })),
                }
            }
        });
        proxy
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn serve(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    manner: Manner,
    heads: Arc<Mutex<Vec<String>>>,
    carried: Arc<Mutex<Vec<u8>>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    heads.lock().unwrap().push(String::from_utf8(head).unwrap());
    match manner {
        Manner::HangUp => {}
        Manner::Close => client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap(),
        Manner::Hang => tokio::time::sleep(Duration::from_secs(60)).await,
        Manner::Answer(bytes) => {
            client.write_all(bytes).await.ok();
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).await.ok();
            carried.lock().unwrap().extend(rest);
        }
        Manner::PlainText => {
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut first = vec![0; 4096];
            let length = client.read(&mut first).await.unwrap();
            carried.lock().unwrap().extend_from_slice(&first[..length]);
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n{}").await.unwrap();
        }
        Manner::Tunnel(port) => {
            let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            // The first record, in which a client without TLS would send its request.
            let mut first = vec![0; 4096];
            let length = client.read(&mut first).await.unwrap();
            carried.lock().unwrap().extend_from_slice(&first[..length]);
            server.write_all(&first[..length]).await.unwrap();
            copy_bidirectional(&mut client, &mut server).await.ok();
        }
    }
}

/// A world whose policy refuses loopback addresses, as for tenants, and whose clients use the proxy.
fn behind(port: u16, no_proxy: &str, credentials: Option<PathBuf>) -> World {
    let mut world = World::new();
    world.settings.addresses = Arc::new(AddressPolicy::default());
    let url = format!("http://localhost:{port}");
    let proxy = OutboundProxy::of_flags(Some(&url), &[no_proxy.to_owned()], credentials).unwrap().unwrap();
    world.settings.proxy = Some(Arc::new(proxy));
    world
}

async fn fault(manner: Manner) -> (ProxyFault, Error) {
    let proxy = Proxy::start(manner).await;
    let found = error(behind(proxy.port, "", None).send("provider.test", 443).await);
    assert!(found.to_string().contains(&format!("the proxy localhost:{}", proxy.port)), "{found}");
    assert_eq!(found.reason(), Reason::ProxyError);
    match &found {
        Error::Proxy { fault, .. } => (*fault, found),
        other => panic!("{other}"),
    }
}

/// The proxy resolves the name; its own address is a loopback address, which the policy refuses for endpoints.
#[tokio::test]
async fn requests_go_through_the_proxy_which_sees_host_and_port_only() {
    let server = World::new();
    let server = (server.server(ok()).await, server);
    let proxy = Proxy::start(Manner::Tunnel(server.0.port)).await;
    let mut world = behind(proxy.port, "", None);
    world.settings.ca_bundle = Some(server.1.authority.pem());
    assert_eq!(world.send("provider.test", 8443).await.unwrap().status, 200);
    let expected = "CONNECT provider.test:8443 HTTP/1.1\r\nHost: provider.test:8443\r\n\r\n";
    assert_eq!(proxy.heads(), [expected]);
    let carried = proxy.carried.lock().unwrap().clone();
    assert!(!carried.is_empty() && !String::from_utf8_lossy(&carried).contains("canary"));
    assert!(server.0.requests()[0].contains("client_secret=canary"));
}

#[tokio::test]
async fn endpoint_behind_the_proxy_is_reached_without_a_request() {
    let server = World::new();
    let (server, authority) = (server.server(ok()).await, server.authority.pem());
    let proxy = Proxy::start(Manner::Tunnel(server.port)).await;
    let mut world = behind(proxy.port, "", None);
    world.settings.ca_bundle = Some(authority);
    let endpoint = super::request("provider.test", 8443).endpoint;
    super::TokenClient::reach(&world.settings, &endpoint).await.unwrap();
    assert_eq!((proxy.heads().len(), server.connections(), server.requests().len()), (1, 1, 0));
    let refusing = Proxy::start(Manner::Answer(b"HTTP/1.1 407 No\r\n\r\n")).await;
    let world = behind(refusing.port, "", None);
    let found = super::TokenClient::reach(&world.settings, &endpoint).await.unwrap_err();
    assert_eq!(found.reason(), Reason::ProxyError);
}

#[tokio::test]
async fn changed_credentials_are_presented_to_the_proxy() {
    let path = std::env::temp_dir().join(format!("tokensource-proxied-{}", std::process::id()));
    let server = World::new();
    let (server, authority) = (server.server(ok()).await, server.authority.pem());
    let proxy = Proxy::start(Manner::Tunnel(server.port)).await;
    let mut world = behind(proxy.port, "", Some(path.clone()));
    world.settings.ca_bundle = Some(authority);
    let client = super::TokenClient::new(&world.settings).unwrap();
    for (port, content) in [(8001, "u:canary1\n"), (8002, "u:canary2")] {
        fs::write(&path, content).unwrap();
        client.send(super::request("provider.test", port)).await.unwrap();
    }
    let heads = proxy.heads();
    assert!(heads[0].contains("Proxy-Authorization: Basic dTpjYW5hcnkx\r\n"), "{heads:?}");
    assert!(heads[1].contains("Proxy-Authorization: Basic dTpjYW5hcnky\r\n"), "{heads:?}");
    assert!(!server.requests()[0].to_lowercase().contains("proxy-authorization"));
    fs::remove_file(&path).unwrap();
    let found = error(world.send("provider.test", 8003).await);
    assert!(matches!(found, Error::Proxy { fault: ProxyFault::Credentials(_), .. }), "{found}");
    assert_eq!(proxy.heads().len(), 2, "nothing is sent without the credentials");
}

#[tokio::test]
async fn proxy_that_gives_no_tunnel_is_named() {
    let long: &'static str =
        Box::leak(format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(9000)).into_boxed_str());
    for (manner, expected) in [
        (Manner::Answer(b"HTTP/1.1 407 No\r\n\r\ncanary"), ProxyFault::Authentication),
        (Manner::Answer(b"HTTP/1.1 502 Bad\r\n\r\ncanary"), ProxyFault::Refused),
        (Manner::Answer(b"HTTP/1.1 503 Bad\r\n\r\ncanary"), ProxyFault::Refused),
        (Manner::Answer(b"HTTP/1.1 403 Canary\r\n\r\ncanary"), ProxyFault::Refused),
        (Manner::Answer(b"canary canary\r\n\r\n"), ProxyFault::Refused),
        (Manner::Answer(long.as_bytes()), ProxyFault::Refused),
        (Manner::HangUp, ProxyFault::Interrupted),
        (Manner::Close, ProxyFault::Interrupted),
    ] {
        let (found, error) = fault(manner).await;
        assert_eq!(found, expected);
        let is_manual = matches!(error.retry(), Retry::Transient { floor } if !floor.is_zero());
        assert_eq!(is_manual, expected == ProxyFault::Authentication, "{error}");
        assert_eq!(error.withheld().reason(), Reason::EndpointUnreachable);
    }
}

#[tokio::test]
async fn proxy_that_hangs_is_left_at_the_deadline_for_connecting() {
    let began = Instant::now();
    let proxy = Proxy::start(Manner::Hang).await;
    let mut world = behind(proxy.port, "", None);
    world.settings.timeout = Duration::from_secs(15);
    let found = error(world.send("provider.test", 443).await);
    assert!(matches!(found, Error::Proxy { fault: ProxyFault::Timeout, .. }), "{found}");
    assert!(began.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn proxy_that_is_not_there_is_named() {
    let port = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port();
    let found = error(behind(port, "", None).send("provider.test", 443).await);
    let refused = ProxyFault::Unreachable(ErrorKind::ConnectionRefused);
    assert!(matches!(found, Error::Proxy { fault, .. } if fault == refused), "{found}");
    let mut world = World::new();
    let proxy = OutboundProxy::of_flags(Some("http://proxy.invalid"), &[], None).unwrap().unwrap();
    world.settings.proxy = Some(Arc::new(proxy));
    let found = error(world.send("provider.test", 443).await);
    assert!(matches!(found, Error::Proxy { fault: ProxyFault::NameResolution, .. }), "{found}");
}

/// Text instead of TLS, and a certificate of the proxy's own authority.
#[tokio::test]
async fn proxy_that_plays_the_provider_gets_no_secret() {
    let proxy = Proxy::start(Manner::PlainText).await;
    let found = error(behind(proxy.port, "", None).send("provider.test", 443).await);
    assert!(matches!(found, Error::Tls { fault: TlsFault::Handshake, .. }), "{found}");
    let carried = proxy.carried.lock().unwrap().clone();
    assert!(!carried.is_empty() && !String::from_utf8_lossy(&carried).contains("canary"));

    let forged = Server::start(Authority::new("proxy").identity(), ok()).await;
    let proxy = Proxy::start(Manner::Tunnel(forged.port)).await;
    let found = error(behind(proxy.port, "", None).send("provider.test", 443).await);
    assert!(matches!(found, Error::Tls { fault: TlsFault::UnknownIssuer, .. }), "{found}");
    assert!(forged.requests().is_empty());
}

/// The rules apply even if the endpoint has the name of the proxy, whose address no rule restricts.
#[tokio::test]
async fn address_rules_hold_for_literals_and_for_hosts_without_proxy() {
    let proxy = Proxy::start(Manner::HangUp).await;
    for (host, no_proxy) in [
        ("127.0.0.1", ""),
        ("[::1]", ""),
        ("169.254.169.254", ""),
        // The proxy would contact its own machine.
        ("localhost", ""),
        ("a.localhost", ""),
        ("localhost", "localhost"),
        ("localhost", "*"),
    ] {
        let found = error(behind(proxy.port, no_proxy, None).send(host, proxy.port).await);
        assert!(matches!(found, Error::EndpointNotAllowed { .. }), "{host} {no_proxy}: {found}");
    }
    assert!(proxy.heads().is_empty());
}

/// The file that takes the place of the system's authorities in the test below.
const SYSTEM: &str = "tokensource-test-proxy-authorities.pem";

/// The authorities in the provider's bundle have not issued the proxy's certificate, and the system's authorities have not
/// issued the provider's. The test needs a process whose environment names the system's authorities, so it runs itself again.
#[tokio::test]
async fn proxy_with_tls_is_trusted_by_the_authorities_of_the_system() {
    let Some(system) = std::env::var_os("SSL_CERT_FILE").filter(|path| Path::new(path).ends_with(SYSTEM))
    else {
        let directory = std::env::temp_dir().join(format!("tokensource-proxy-tls-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join(SYSTEM);
        let test = "proxied::proxy_with_tls_is_trusted_by_the_authorities_of_the_system";
        pass_elsewhere(test, &[("SSL_CERT_FILE", path.as_os_str())]).await;
        return fs::remove_dir_all(directory).unwrap();
    };
    provider_installed();
    let authority = Authority::new("system");
    fs::write(system, authority.pem()).unwrap();
    let mut world = World::new();
    let server = world.server(ok()).await;
    let mut reached = async |identity: Identity, port: u16| {
        let proxy = Proxy::start_with(Some(identity.acceptor()), Manner::Tunnel(port)).await;
        let url = format!("https://localhost:{}", proxy.port);
        world.settings.proxy = OutboundProxy::of_flags(Some(&url), &[], None).unwrap().map(Arc::new);
        (world.send("provider.test", 443).await, proxy.heads().len())
    };
    let (result, _) = reached(authority.identity(), server.port).await;
    assert_eq!(result.unwrap().status, 200);

    let forged = Server::start(authority.identity(), ok()).await;
    let (result, _) = reached(authority.identity(), forged.port).await;
    assert_eq!(error(result), Error::tls("provider.test", TlsFault::UnknownIssuer));

    // The client library does not say which of two hosts of the same name a certificate is from.
    let named = || authority.issue(&["proxy.test"], (2020, 2120));
    let forged = Server::start(named(), ok()).await;
    let proxy = Proxy::start_with(Some(named().acceptor()), Manner::Tunnel(forged.port)).await;
    let url = format!("https://proxy.test:{}", proxy.port);
    world.settings.proxy = OutboundProxy::of_flags(Some(&url), &[], None).unwrap().map(Arc::new);
    let here = |builder: reqwest::ClientBuilder| builder.resolve("proxy.test", ([127, 0, 0, 1], 0).into());
    let client = super::TokenClient::made(&world.settings, here).unwrap();
    let found = error(client.send(super::request("Proxy.Test", 8443)).await);
    assert!(matches!(found, Error::Proxy { fault: ProxyFault::SameHost, .. }), "{found}");
    assert!(proxy.heads().is_empty() && forged.requests().is_empty());
    world.settings.ca_bundle = None;
    let client = super::TokenClient::made(&world.settings, here).unwrap();
    assert_eq!(client.send(super::request("Proxy.Test", 8443)).await.unwrap().status, 200);

    let of_bundle = World::new();
    world.settings.ca_bundle = Some(of_bundle.authority.pem());
    let identity = of_bundle.authority.identity();
    let proxy = Proxy::start_with(Some(identity.acceptor()), Manner::Tunnel(server.port)).await;
    let url = format!("https://localhost:{}", proxy.port);
    world.settings.proxy = OutboundProxy::of_flags(Some(&url), &[], None).unwrap().map(Arc::new);
    let found = error(world.send("provider.test", 443).await);
    let untrusted = ProxyFault::Tls(TlsFault::UnknownIssuer);
    assert!(matches!(found, Error::Proxy { fault, .. } if fault == untrusted), "{found}");
    assert!(proxy.heads().is_empty(), "nothing is sent to it");
}
