//! A workload as README describes it: it reads the mounted file for each call and knows nothing about OAuth. Counts its
//! calls and serves a report. Knows a file and a URL; must not know when tokens are renewed.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The port of the report.
pub(crate) const REPORT_PORT: u16 = 9000;
const PAUSE: Duration = Duration::from_millis(100);

/// The report so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Calls that were answered.
    pub(crate) calls: u64,
    /// Answers by their status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Calls without an answer, after the first answer.
    pub(crate) failures: u64,
    /// The last answer that was not 200, or why there was no answer.
    pub(crate) complaint: Option<String>,
    /// The hashes of the tokens that the client has presented, in order.
    pub(crate) tokens: Vec<String>,
    /// The longest time between two answers, in milliseconds.
    pub(crate) longest_gap: u128,
}

/// Calls this URL with the token in this file, up to ten times a second, until SIGTERM.
pub(crate) async fn call(url: &str, token: &Path) {
    let report: Arc<Mutex<Report>> = Arc::default();
    let shown = report.clone();
    let tell = move || {
        let report = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        std::future::ready(serde_json::to_string(&report).unwrap_or_default())
    };
    let router = Router::new().route("/report", get(tell));
    let listener =
        tokio::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, REPORT_PORT)).await.expect("a free port");
    tokio::select! {
        served = axum::serve(listener, router) => served.expect("serving"),
        () = go_on_calling(url, token, &report) => {}
        () = super::ended() => {}
    }
}

async fn go_on_calling(url: &str, token: &Path, report: &Mutex<Report>) {
    // A connection for each call, so that each uses the Service. The image has no authorities and needs none.
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).tls_certs_only([]);
    let http = http.timeout(Duration::from_secs(5)).build().expect("an HTTP client");
    let mut last = Instant::now();
    loop {
        let token = std::fs::read_to_string(token).expect("the file with the token");
        let answer = http.get(url).bearer_auth(&token).send().await;
        report.lock().unwrap_or_else(PoisonError::into_inner).count(&token, answer, &mut last);
        tokio::time::sleep(PAUSE).await;
    }
}

impl Report {
    fn count(&mut self, token: &str, answer: reqwest::Result<reqwest::Response>, last: &mut Instant) {
        match answer {
            Ok(answer) => {
                let status = answer.status().as_u16();
                self.calls += 1;
                *self.statuses.entry(status).or_default() += 1;
                if status != 200 {
                    self.complaint = Some(format!("{status} to token {}", self.tokens.len()));
                }
                if self.calls > 1 {
                    self.longest_gap = self.longest_gap.max(last.elapsed().as_millis());
                }
                *last = Instant::now();
            }
            Err(error) if self.calls > 0 => {
                self.failures += 1;
                self.complaint = Some(format!("{error:?}"));
            }
            // The Service may not be known to the node yet.
            Err(_) => {}
        }
        let hash = STANDARD.encode(Sha256::digest(token));
        if self.tokens.last() != Some(&hash) {
            self.tokens.push(hash);
        }
    }
}
