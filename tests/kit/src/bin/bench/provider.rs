//! A token endpoint that is too fast to affect the measurements: TLS, HTTP/1.1 with kept connections, one kind of answer.
//! Counts the granted requests of each client and those that arrive too early, and can limit requests per second.
//!
//! Runs on threads of its own, so that its CPU time is measured separately. Must not know Kubernetes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use tokensource_kit::authority::{Authority, Identity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// The name of the provider's threads; the kernel keeps 15 characters.
pub(crate) const THREADS: &str = "bench-provider";
/// The length of a typical access token that is a JWT.
const TOKEN: usize = 900;

pub(crate) struct Provider {
    port: u16,
    identity: Identity,
    shared: Arc<Shared>,
    /// None after the drop.
    runtime: Option<Runtime>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        // The runtime is not dropped, because a drop waits and is not allowed on a thread of another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Default)]
struct Shared {
    asked: Mutex<HashMap<String, Client>>,
    requests: AtomicU64,
    /// Requests in the first third of the lifetime of the previous token: these requests should not have been sent.
    twice: AtomicU64,
    refused: AtomicU64,
    handshakes: AtomicU64,
    lives: Mutex<Lives>,
    limit: AtomicUsize,
    recent: Mutex<(u64, usize)>,
}

struct Client {
    requests: u64,
    last: Instant,
    life: Duration,
}

/// The lifetimes of tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lives {
    /// The same lifetime for all.
    Same(Duration),
    /// The lifetime of a client's first token is chosen so that the first renewals are evenly distributed over half of a
    /// lifetime, the first after `pause`, as in a fleet that has run for long.
    Spread { pause: Duration, life: Duration },
}

impl Default for Lives {
    fn default() -> Self {
        Self::Same(Duration::from_secs(3600))
    }
}

/// The counts so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) twice: u64,
    pub(crate) refused: u64,
    pub(crate) handshakes: u64,
}

impl Provider {
    pub(crate) fn start() -> Self {
        let identity = Authority::new("The benchmark's authority").issue(&["localhost", "127.0.0.1"]);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(THREADS)
            .enable_all()
            .build()
            .expect("a runtime for the provider");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        listener.set_nonblocking(true).expect("a socket in non-blocking mode");
        let shared = Arc::new(Shared::default());
        let acceptor = TlsAcceptor::from(identity.server_config());
        runtime.spawn(serve(listener, acceptor, Arc::clone(&shared)));
        Self { port, identity, shared, runtime: Some(runtime) }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}/token", self.port)
    }

    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub(crate) fn ca_pem(&self) -> &str {
        &self.identity.authority_pem
    }

    pub(crate) fn set_lives(&self, lives: Lives) {
        *lock(&self.shared.lives) = lives;
    }

    /// Limits the granted requests in any second of the clock; 0 removes the limit.
    pub(crate) fn limit(&self, per_second: usize) {
        self.shared.limit.store(per_second, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            requests: read(&self.shared.requests),
            twice: read(&self.shared.twice),
            refused: read(&self.shared.refused),
            handshakes: read(&self.shared.handshakes),
        }
    }
}

impl Counts {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            twice: self.twice - before.twice,
            refused: self.refused - before.refused,
            handshakes: self.handshakes - before.handshakes,
        }
    }
}

async fn serve(listener: std::net::TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("a listener in non-blocking mode");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        // Errors of a connection are reported by the client.
        tokio::spawn(async move { converse(stream, acceptor, shared).await.ok() });
    }
}

async fn converse(stream: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = acceptor.accept(stream).await?;
    shared.handshakes.fetch_add(1, Ordering::Relaxed);
    let mut received = Vec::with_capacity(4096);
    loop {
        let Some((client, end)) = parse(&received) else {
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
            continue;
        };
        received.drain(..end);
        let answer = shared.answer(&client);
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
    }
}

/// The client of a complete request, and the offset of the end of the request; None if the request is incomplete.
fn parse(received: &[u8]) -> Option<(String, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(head)) = request.parse(received) else { return None };
    let find = |name: &str| {
        let found = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let body: usize = find("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
    (received.len() >= head + body).then(|| (client(find("authorization")), head + body))
}

fn client(authorization: Option<&str>) -> String {
    let encoded = authorization.and_then(|value| value.strip_prefix("Basic ")).unwrap_or_default();
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_default();
    let decoded = String::from_utf8_lossy(&decoded);
    decoded.split(':').next().unwrap_or_default().to_owned()
}

impl Shared {
    fn answer(&self, client: &str) -> String {
        if self.is_over_limit() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
                .to_owned();
        }
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let life = self.note(client);
        let seconds = life.as_secs();
        let token = format!("{client}.{number}.{}", "x".repeat(TOKEN));
        let body = format!(
            r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{seconds},"scope":"read"}}"#
        );
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Records that this client got a token, and returns the lifetime.
    fn note(&self, client: &str) -> Duration {
        let lives = *lock(&self.lives);
        let mut asked = lock(&self.asked);
        let number = asked.len();
        let now = Instant::now();
        if let Some(known) = asked.get_mut(client) {
            let life = match lives {
                Lives::Same(life) | Lives::Spread { life, .. } => life,
            };
            if known.last.elapsed() < known.life / 3 {
                self.twice.fetch_add(1, Ordering::Relaxed);
            }
            *known = Client { requests: known.requests + 1, last: now, life };
            return life;
        }
        let life = match lives {
            Lives::Same(life) => life,
            Lives::Spread { pause, life } => first_life(pause, life, number),
        };
        asked.insert(client.to_owned(), Client { requests: 1, last: now, life });
        life
    }

    fn is_over_limit(&self) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == 0 {
            return false;
        }
        let second = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let second = second.map(|since| since.as_secs()).unwrap_or_default();
        let mut recent = lock(&self.recent);
        if recent.0 != second {
            *recent = (second, 0);
        }
        recent.1 += 1;
        recent.1 > limit
    }
}

/// A lifetime that leads to a renewal `pause` and an even share of half a `life` from now. The product renews at half of a
/// lifetime up to six minutes, and 180 s before the end of a lifetime up to twelve minutes.
fn first_life(pause: Duration, life: Duration, number: usize) -> Duration {
    // The multiples of the golden ratio are evenly distributed for any number of clients.
    let share = (f64::from(u32::try_from(number).unwrap_or_default()) * 0.618_034).fract();
    let due = pause + life.mul_f64(share / 2.0);
    let margin = Duration::from_secs(180);
    if due < margin { due * 2 } else { due + margin }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
