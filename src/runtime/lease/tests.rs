//! The election against a simulated API server that has one lease and can refuse writes.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, Response, StatusCode};
use kube::client::Body as KubeBody;
use serde_json::{Value, json};

use super::*;

/// The simulated API server.
#[derive(Default)]
struct Server {
    /// The lease as it is stored.
    lease: Option<Value>,
    version: u64,
    /// Whether writes are refused, as with a full etcd.
    full: bool,
    /// Whether everything is refused.
    down: bool,
}

impl Server {
    fn answer(&mut self, method: &Method, body: &[u8]) -> (u16, Value) {
        let refusal = |code: u16, reason: &str| {
            (
                code,
                json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": reason}),
            )
        };
        if self.down {
            return refusal(503, "ServiceUnavailable");
        }
        if method == Method::GET {
            return self.lease.clone().map_or_else(|| refusal(404, "NotFound"), |lease| (200, lease));
        }
        if self.full {
            return refusal(500, "etcdserver: mvcc: database space exceeded");
        }
        let mut lease: Value = serde_json::from_slice(body).unwrap();
        let stored = self.lease.as_ref().map(|lease| lease["metadata"]["resourceVersion"].clone());
        let known = lease["metadata"].get("resourceVersion").cloned();
        if known != stored {
            return refusal(409, "Conflict");
        }
        self.version += 1;
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.lease = Some(lease.clone());
        (200, lease)
    }
}

fn client(server: &Arc<Mutex<Server>>) -> Client {
    let server = Arc::clone(server);
    let service = tower::service_fn(move |request: Request<KubeBody>| {
        let server = Arc::clone(&server);
        async move {
            let (head, body) = request.into_parts();
            let body: Bytes = body.collect_bytes().await.unwrap();
            let (code, answer) = server.lock().unwrap().answer(&head.method, &body);
            let response = Response::builder().status(StatusCode::from_u16(code).unwrap());
            Ok::<_, Infallible>(response.body(Body::from(answer.to_string())).unwrap())
        }
    });
    Client::new(service, "default")
}

fn election(server: &Arc<Mutex<Server>>, identity: &str) -> Election {
    let leadership = Leadership::contested();
    Election::new(&client(server), "default", "lease", identity.to_owned(), leadership, Heartbeat::new())
}

fn leads(election: &Election) -> bool {
    election.leadership.holds(clock::now())
}

#[tokio::test]
async fn leader_keeps_its_lease_through_an_outage_of_writes() {
    let server = Arc::<Mutex<Server>>::default();
    let mut me = election(&server, "me");
    assert_eq!(me.step().await.unwrap(), Some(RENEWAL));
    assert!(leads(&me));
    server.lock().unwrap().full = true;
    for _ in 0..30 {
        let failure = me.step().await.unwrap_err();
        assert_eq!(chain(&failure), "etcdserver: mvcc: database space exceeded");
        me.ours = None;
    }
    server.lock().unwrap().full = false;
    assert_eq!(me.step().await.unwrap(), Some(RENEWAL), "renewed");
    assert!(leads(&me));
}

#[tokio::test]
async fn announcement_changes_neither_holder_nor_record_and_goes_with_the_next_renewal() {
    let server = Arc::<Mutex<Server>>::default();
    let (mut me, mut other) = (election(&server, "me"), election(&server, "other"));
    me.step().await.unwrap();
    assert!(matches!(other.step().await.unwrap(), Some(wait) if wait <= RENEWAL));
    let before = server.lock().unwrap().lease.clone().unwrap();
    other.announce(serde_json::from_value(before.clone()).unwrap()).await.unwrap();
    let after = server.lock().unwrap().lease.clone().unwrap();
    assert_eq!(after["spec"], before["spec"]);
    assert_eq!(after["metadata"]["annotations"][CANDIDATE], "other");
    assert!(me.step().await.unwrap_err().is_conflict(), "the version is another");
    me.ours = None;
    me.step().await.unwrap();
    let renewed = server.lock().unwrap().lease.clone().unwrap();
    assert_eq!(renewed["metadata"]["annotations"].get(CANDIDATE), None);
    assert_eq!(renewed["spec"]["holderIdentity"], "me");
}

#[tokio::test]
async fn leader_that_finds_another_holder_is_lost_and_leads_no_more() {
    let server = Arc::<Mutex<Server>>::default();
    let mut me = election(&server, "me");
    me.step().await.unwrap();
    {
        let mut server = server.lock().unwrap();
        let lease = server.lease.as_mut().unwrap();
        lease["spec"]["holderIdentity"] = json!("other");
        lease["metadata"]["resourceVersion"] = json!("99");
    }
    // `run` retries after the conflict by which it notices the other holder.
    me.run().await;
    assert!(!leads(&me));
}

#[tokio::test]
async fn process_whose_reconciles_are_stuck_renews_nothing() {
    let server = Arc::<Mutex<Server>>::default();
    let mut me = election(&server, "me");
    me.heartbeat = Heartbeat::stuck();
    assert!(matches!(me.step().await, Err(Failure::Stalled(_))));
    assert_eq!(server.lock().unwrap().lease, None);
}

#[tokio::test]
async fn standby_reports_each_outage() {
    let server = Arc::<Mutex<Server>>::default();
    let (mut me, mut other) = (election(&server, "me"), election(&server, "other"));
    me.step().await.unwrap();
    for outage in 1..=2 {
        assert!(other.step().await.unwrap().is_some());
        assert!(!other.reported.failing, "outage {outage} would be logged at DEBUG only");
        server.lock().unwrap().down = true;
        let failure = other.step().await.unwrap_err();
        other.report_failure(&failure);
        server.lock().unwrap().down = false;
    }
}
