//! A TLS server that answers as a script says and records the requests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A certificate authority for one test.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names, valid between the first days of these years.
    pub(super) fn issue(&self, names: &[&str], years: (i32, i32)) -> Identity {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity { certificate: certificate.der().clone(), key: key.serialize_der().try_into().unwrap() }
    }

    /// A certificate for localhost, 127.0.0.1 and provider.test, valid today.
    pub(super) fn identity(&self) -> Identity {
        self.issue(&["localhost", "127.0.0.1", "provider.test"], (2020, 2120))
    }
}

pub(super) struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    pub(super) fn acceptor(self) -> TlsAcceptor {
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate], self.key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// The server's action after it has read a request.
#[derive(Clone)]
pub(super) enum Script {
    /// Sends these bytes.
    Answer(Vec<u8>),
    /// The metadata of an issuer at this server's root, with this token endpoint.
    Metadata(&'static str),
    /// Begins a response and sends its body byte by byte, without end.
    Drip,
    /// Sends nothing.
    Silence,
    /// Closes the connection in the middle of a response.
    CutShort,
    /// Closes the connection.
    HangUp,
}

impl Script {
    /// A complete response with a body.
    pub(super) fn answer(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::Answer(
            format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes(),
        )
    }
}

/// A server on a free port of 127.0.0.1, for as long as the test's runtime lives.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) async fn start(identity: Identity, script: Script) -> Self {
        let (listener, server) = Self::bind().await;
        let acceptor = identity.acceptor();
        let handle = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                handle.connections.fetch_add(1, Ordering::SeqCst);
                let (acceptor, handle, script) = (acceptor.clone(), handle.clone(), script.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        handle.serve(stream, script).await;
                    }
                });
            }
        });
        server
    }

    /// A server without TLS.
    pub(super) async fn start_plain(script: Script) -> Self {
        let (listener, server) = Self::bind().await;
        let handle = server.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                handle.connections.fetch_add(1, Ordering::SeqCst);
                if let Script::Answer(bytes) = &script {
                    stream.write_all(bytes).await.unwrap();
                }
            }
        });
        server
    }

    async fn bind() -> (TcpListener, Self) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, Self { port, connections: Arc::default(), requests: Arc::default() })
    }

    /// How many connections were opened, whether or not a request followed.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Each request, with head and body.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, script: Script) {
        while let Some(request) = read_request(&mut stream).await {
            self.requests.lock().unwrap().push(request);
            match &script {
                Script::Answer(bytes) => {
                    // A client closes the connection when it has read enough.
                    if stream.write_all(bytes).await.is_err() {
                        return;
                    }
                    stream.flush().await.ok();
                }
                Script::Metadata(endpoint) => {
                    let issuer = format!("https://localhost:{}", self.port);
                    let document = format!(r#"{{"issuer": "{issuer}", "token_endpoint": "{endpoint}"}}"#);
                    if let Script::Answer(bytes) = Script::answer("200 OK", "", &document) {
                        stream.write_all(&bytes).await.ok();
                        stream.flush().await.ok();
                    }
                }
                Script::Drip => {
                    let mut next = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n".as_bytes();
                    while stream.write_all(next).await.is_ok() && stream.flush().await.is_ok() {
                        next = b"x";
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    return;
                }
                Script::Silence => std::future::pending().await,
                Script::CutShort => {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{").await.ok();
                    stream.flush().await.ok();
                    return;
                }
                Script::HangUp => return,
            }
        }
    }
}

/// One request, or None at the end of the connection.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let byte = stream.read_u8().await.ok()?;
        bytes.push(byte);
        if bytes.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(head + std::str::from_utf8(&body).unwrap())
}
