//! An HTTPS server in this process that gives scripted answers and records requests byte for byte.
//!
//! Knows the part of HTTP/1.1 that a token endpoint needs, answers with tokens and errors, and many faults. Must not check
//! requests: the test or a look-alike does. The servers run on a runtime of their own, so that a story that blocks or ends
//! affects no other story.

mod answer;
mod confidential;
mod connection;
mod request;

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

pub use self::answer::Answer;
pub use self::request::RecordedRequest;
use crate::authority::{Authority, Identity};
use crate::{canaries, unique};

/// A server at `https://localhost:PORT` under a test's control. Dropping it closes the port and all
/// connections.
pub struct ScriptedProvider {
    port: u16,
    identity: Identity,
    shared: Arc<Shared>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

/// The state that the connections share.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    connections: AtomicUsize,
    handshakes: AtomicUsize,
}

#[derive(Default)]
struct State {
    scripts: HashMap<String, Script>,
    requests: Vec<RecordedRequest>,
    issued: Vec<String>,
}

type Standing = Arc<dyn Fn(&RecordedRequest, usize) -> Answer + Send + Sync>;

/// The answers of one path: first the queued answers, then the permanent answer.
#[derive(Default)]
struct Script {
    queue: VecDeque<Answer>,
    standing: Option<Standing>,
    seen: usize,
}

/// The runtime of all servers of the kit.
pub(crate) static SERVERS: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("scripted-provider")
        .enable_all()
        .build()
        .expect("a runtime for the scripted providers")
});

impl ScriptedProvider {
    /// Listens on a free port with a good certificate for `localhost` and `127.0.0.1`.
    pub fn start(authority: &Authority) -> Self {
        Self::start_with(authority.issue(&["localhost", "127.0.0.1"]))
    }

    /// Listens with this certificate, which may be expired, made for another name, or issued by an untrusted authority.
    pub fn start_with(identity: Identity) -> Self {
        let listener = bind_somewhere();
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let provider = Self { port, identity, shared: Arc::default(), listening: Mutex::default() };
        provider.listen(listener);
        provider
    }

    /// `https://localhost:PORT` followed by `path`, which starts with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.host())
    }

    /// `localhost:PORT`, as in `allowed-hosts`.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The authority to trust, as PEM, as in `caBundle`.
    pub fn ca_pem(&self) -> &str {
        &self.identity.authority_pem
    }

    /// Queues one answer for the next request to `path`.
    pub fn answer(&self, path: &str, answer: Answer) {
        self.state().script(path).queue.push_back(answer);
    }

    /// Queues answers for the next requests to `path`, in order.
    pub fn answers(&self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        self.state().script(path).queue.extend(answers);
    }

    /// Sets the answer of `path` when none is queued.
    pub fn always(&self, path: &str, answer: Answer) {
        self.respond(path, move |_, _| answer.clone());
    }

    /// Sets a closure for the answers of `path` when none is queued. The number counts the requests to this path from 1,
    /// including those with queued answers.
    pub fn respond(
        &self,
        path: &str,
        standing: impl Fn(&RecordedRequest, usize) -> Answer + Send + Sync + 'static,
    ) {
        self.state().script(path).standing = Some(Arc::new(standing));
    }

    /// The requests to `path` so far, in order of arrival.
    pub fn requests(&self, path: &str) -> Vec<RecordedRequest> {
        self.state().requests.iter().filter(|request| request.path() == path).cloned().collect()
    }

    /// How many requests `path` has had.
    pub fn count(&self, path: &str) -> usize {
        self.requests(path).len()
    }

    /// The access tokens of all successful JSON answers so far, oldest first.
    pub fn issued(&self) -> Vec<String> {
        self.state().issued.clone()
    }

    /// How many TCP connections were accepted, whether or not TLS succeeded on them.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How many TLS handshakes succeeded.
    pub fn handshakes(&self) -> usize {
        self.shared.handshakes.load(Ordering::Relaxed)
    }

    /// Closes the port and cuts all connections: an outage. Scripts and records stay.
    pub fn go_down(&self) {
        if let Some(listening) = self.lock_listening().take() {
            listening.abort();
            while !listening.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Listens again on the same port.
    pub fn come_back(&self) {
        self.listen(self.bind_again());
    }

    /// Listens again on the same port, with another certificate.
    pub fn come_back_as(&mut self, identity: Identity) {
        self.identity = identity;
        self.come_back();
    }

    /// Listens again on the same port without TLS: the first bytes of a client are answered with these bytes, and the
    /// connection is closed.
    pub fn come_back_without_tls(&self, reply: &[u8]) {
        let serve = connection::serve_without_tls(self.bind_again(), reply.to_vec(), self.shared.clone());
        *self.lock_listening() = Some(SERVERS.spawn(serve));
    }

    fn bind_again(&self) -> TcpListener {
        assert!(self.lock_listening().is_none(), "the provider is not down");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        TcpListener::bind(address).unwrap_or_else(|error| panic!("listening again on {address}: {error}"))
    }

    fn listen(&self, listener: TcpListener) {
        // The key of a server should never be printed, and the search for it costs nothing.
        canaries::register("a provider's TLS key", &self.identity.key_pem);
        let serve = connection::serve(listener, self.identity.server_config(), self.shared.clone());
        *self.lock_listening() = Some(SERVERS.spawn(serve));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    fn lock_listening(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.listening.lock().expect("no holder of this lock panics")
    }
}

impl Drop for ScriptedProvider {
    fn drop(&mut self) {
        self.go_down();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// Records a request and chooses the answer to it.
    fn receive(&self, request: &RecordedRequest) -> Answer {
        let mut state = self.state();
        state.requests.push(request.clone());
        let script = state.script(request.path());
        script.seen += 1;
        let (seen, queued, standing) = (script.seen, script.queue.pop_front(), script.standing.clone());
        // The lock is released, because the closure of the test may use this provider.
        drop(state);
        queued.or_else(|| standing.map(|standing| standing(request, seen))).unwrap_or_else(|| {
            Answer::text(404, "text/plain", &format!("no answer is scripted for {}", request.path()))
        })
    }
}

impl State {
    fn script(&mut self, path: &str) -> &mut Script {
        self.scripts.entry(path.to_owned()).or_default()
    }
}

/// The port is not an ephemeral port (port 0), because another program could take that port while the provider is down.
pub(crate) fn bind_somewhere() -> TcpListener {
    let mut attempts = (0..20).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, unique::port())));
    attempts.find_map(Result::ok).expect("one of 20 free ports on 127.0.0.1 is still free")
}
