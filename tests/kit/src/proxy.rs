//! An HTTPS proxy between a controller and the API server that withholds, delays, refuses or loses the calls a test
//! chooses, so that a crash or a fault falls exactly between two of them.
//!
//! Knows HTTP/1.1 with one call for each connection, and passes bytes on unchanged except for `Connection: close`. Must not
//! know why a call is chosen.

mod connection;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::authority::{Authority, Identity, client_config};
use crate::scripted_provider::{SERVERS, bind_somewhere};

/// A call of the controller to the API server.
#[derive(Clone, Debug)]
pub struct Call {
    /// `GET`, `POST`, `PATCH`, `DELETE`.
    pub method: String,
    /// Path and query.
    pub target: String,
}

impl Call {
    /// The path without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Whether the call is a watch, whose answer has no end.
    pub fn is_watch(&self) -> bool {
        self.target.contains("watch=true")
    }

    /// Whether the call writes a Secret other than the controller's own key, which a controller without a lease keeps in
    /// namespace `default`.
    pub fn writes_secret(&self) -> bool {
        let path = self.path();
        self.method != "GET" && path.contains("/secrets") && !path.contains("/namespaces/default/")
    }

    /// Whether the call writes the status of a `TokenSource`.
    pub fn writes_status(&self) -> bool {
        self.method == "PATCH" && self.path().ends_with("/status")
    }
}

/// A fault that is injected into a call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The call reaches the API server only when it is released, unless the client has disconnected by then.
    Hold,
    /// The call reaches the API server, but the proxy keeps the answer until it is released.
    HoldAnswer,
    /// The call reaches the API server late.
    Delay(Duration),
    /// The proxy answers with this status and this `Retry-After`.
    Answer(u16, Option<u32>),
    /// A watch gets the API server's answer for a version that is too old: the client has to list again.
    Expire,
}

type Choice = Arc<dyn Fn(&Call) -> bool + Send + Sync>;

/// A fault for the selected calls.
#[derive(Clone)]
pub struct Injection {
    choice: Choice,
    fault: Fault,
    left: Arc<AtomicUsize>,
    met: Arc<watch::Sender<usize>>,
    held: Arc<watch::Sender<bool>>,
}

impl Injection {
    /// The number of calls that the fault has affected so far. A withheld or delayed call counts as soon as it waits.
    pub fn count(&self) -> usize {
        *self.met.borrow()
    }

    /// Waits until this number of calls is affected.
    pub async fn met(&self, times: usize) {
        let wait = self.met.subscribe().wait_for(|met| *met >= times).await.map(drop);
        wait.expect("the injection itself owns the sender");
    }

    fn meet(&self) {
        self.met.send_modify(|met| *met += 1);
    }
}

/// The proxy. Dropping it closes the port and all connections.
pub struct Proxy {
    port: u16,
    identity: Identity,
    shared: Arc<Shared>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    upstream: SocketAddr,
    trust: TlsConnector,
    injections: Mutex<Vec<Injection>>,
    calls: Mutex<Vec<Call>>,
    /// Counts how often the watches were cut.
    cuts: watch::Sender<usize>,
    /// The end of the paths of watches whose events are withheld.
    silent: watch::Sender<Option<&'static str>>,
}

impl Proxy {
    /// Listens on a free port in front of the API server at `server` (`https://127.0.0.1:PORT`).
    pub fn start(authority: &Authority, server: &str, server_ca_pem: &str) -> Self {
        let listener = bind_somewhere();
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let upstream = server.trim_start_matches("https://").parse().expect("the API server's address");
        let shared = Arc::new(Shared {
            upstream,
            trust: TlsConnector::from(client_config(server_ca_pem)),
            injections: Mutex::default(),
            calls: Mutex::default(),
            cuts: watch::Sender::new(0),
            silent: watch::Sender::new(None),
        });
        let identity = authority.issue(&["127.0.0.1"]);
        let proxy = Self { port, identity, shared, listening: Mutex::default() };
        proxy.listen(listener);
        proxy
    }

    /// `https://127.0.0.1:PORT`
    pub fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The authority that issued the proxy's certificate, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.identity.authority_pem
    }

    /// Injects the fault into the next `times` calls that `choice` selects. If several injections select a call, the oldest
    /// is used.
    pub fn inject(
        &self,
        times: usize,
        fault: Fault,
        choice: impl Fn(&Call) -> bool + Send + Sync + 'static,
    ) -> Injection {
        let injection = Injection {
            choice: Arc::new(choice),
            fault,
            left: Arc::new(AtomicUsize::new(times)),
            met: Arc::new(watch::Sender::new(0)),
            held: Arc::new(watch::Sender::new(true)),
        };
        lock(&self.shared.injections).push(injection.clone());
        injection
    }

    /// Ends all injections and releases withheld calls.
    pub fn clear(&self) {
        for injection in lock(&self.shared.injections).drain(..) {
            injection.held.send_replace(false);
        }
    }

    /// All calls so far, in order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.shared.calls).clone()
    }

    /// Cuts every watch once; the controller can begin new watches.
    pub fn cut_watches(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Withholds the events of watches whose path ends with `of`, with their connections open. `/` means all watches, and
    /// None releases the events.
    pub fn silence_watches(&self, of: Option<&'static str>) {
        self.shared.silent.send_replace(of);
    }

    /// Closes the port and cuts all connections.
    pub fn sever(&self) {
        if let Some(listening) = lock(&self.listening).take() {
            listening.abort();
            while !listening.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Listens again on the same port.
    pub fn mend(&self) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listener = TcpListener::bind(address);
        self.listen(listener.unwrap_or_else(|error| panic!("listening again on {address}: {error}")));
    }

    fn listen(&self, listener: TcpListener) {
        listener.set_nonblocking(true).expect("a socket in non-blocking mode");
        let acceptor = TlsAcceptor::from(self.identity.server_config());
        *lock(&self.listening) =
            Some(SERVERS.spawn(connection::serve(listener, acceptor, self.shared.clone())));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.sever();
    }
}

impl Shared {
    fn injection_for(&self, call: &Call) -> Option<Injection> {
        let injections = lock(&self.injections);
        let takes = |injection: &&Injection| {
            let take = |left: usize| left.checked_sub(1);
            (injection.choice)(call)
                && injection.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
        };
        injections.iter().find(takes).cloned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
