//! The controller under test, as the operating system sees it: a process with arguments, a log and an HTTP
//! address.
//!
//! Knows how `tokensource controller` is started and stopped, and the paths and formats of its HTTP address. Must not know
//! how the controller works inside. The caller passes the path of the binary (`env!("CARGO_BIN_EXE_tokensource")`), so that
//! the kit does not depend on the product.

use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{Process, Program};
use crate::unique;

/// The deadline for `/readyz`; the API server may be busy with other stories.
const PATIENCE: Duration = Duration::from_secs(30);
/// The deadline after SIGTERM: the controller waits up to 20 s for requests in flight.
const FAREWELL: Duration = Duration::from_secs(25);

/// The allocator's settings in the image, so that memory use is the same.
pub const AS_IN_THE_IMAGE: [(&str, &str); 2] =
    [("MALLOC_ARENA_MAX", "2"), ("MALLOC_TRIM_THRESHOLD_", "131072")];

/// A running `tokensource controller`. Dropping this value ends the process immediately.
pub struct ControllerProcess {
    process: Process,
    address: String,
    http: reqwest::Client,
    // Last, because the log's directory must outlive the process.
    _directory: TempDir,
}

impl ControllerProcess {
    /// Starts the controller and waits until it is ready. `arguments` follow `controller --http-address
    /// …`; `environment` is added to the test's own environment and to `KUBECONFIG`.
    pub async fn start(
        binary: &Path,
        kubeconfig: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        for _ in 0..3 {
            let controller = Self::spawn(binary, kubeconfig, arguments, environment);
            match controller.await_ready().await {
                Ok(()) => return controller,
                // Another program took the port after it was chosen.
                Err(problem) if problem.to_lowercase().contains("address already in use") => {}
                Err(problem) => panic!("{problem}"),
            }
        }
        panic!("three times in a row somebody else took the port chosen for the controller");
    }

    /// Starts the controller without waiting, for tests in which it must fail.
    pub fn spawn(binary: &Path, kubeconfig: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let directory =
            tempfile::Builder::new().prefix("controller-").tempdir().expect("a temporary directory");
        let address = format!("127.0.0.1:{}", unique::port());
        let fixed = ["controller", "--http-address", &address];
        let kubeconfig = kubeconfig.display().to_string();
        let variables = [("KUBECONFIG", kubeconfig.as_str())];
        let arguments = fixed.iter().chain(arguments).map(ToString::to_string).collect();
        let process = Process::start(Program {
            environment: variables
                .iter()
                .chain(environment)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Program::new(directory.path(), "tokensource", binary, arguments)
        });
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build();
        Self { process, address, http: http.expect("an HTTP client"), _directory: directory }
    }

    /// Waits until `/readyz` reports readiness; panics with the end of the log otherwise.
    pub async fn ready(&self) {
        self.await_ready().await.unwrap_or_else(|problem| panic!("{problem}"));
    }

    /// The text of `/metrics`.
    pub async fn metrics(&self) -> String {
        self.get("/metrics").await.unwrap_or_else(|problem| panic!("/metrics: {problem}"))
    }

    /// The sum of all samples of this name that carry (at least) these labels; `None` if there is no such
    /// sample.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        sum(&self.metrics().await, name, labels)
    }

    /// The body of a GET, or why there is none.
    pub async fn get(&self, path: &str) -> Result<String, String> {
        let url = format!("http://{}{path}", self.address);
        let response = self.http.get(&url).send().await.map_err(|error| format!("{error:?}"))?;
        let (status, body) = (response.status(), response.text().await.unwrap_or_default());
        if status.is_success() { Ok(body) } else { Err(format!("{status}: {body}")) }
    }

    /// Ends the process as a crash would.
    pub fn kill9(&self) {
        self.process.kill9();
    }

    /// Sends SIGTERM, waits, and returns how the process ended.
    pub async fn terminate(&self) -> ExitStatus {
        self.process.terminate(FAREWELL).await
    }

    /// Starts the process again, after `kill9` or `terminate` or in place of the running process, and waits until
    /// the new process is ready. Address, arguments and log stay the same.
    pub async fn restart(&self) {
        self.process.kill9();
        self.process.start_again();
        self.ready().await;
    }

    /// Everything that the process has written to stdout and stderr so far, including earlier runs.
    pub fn logs(&self) -> String {
        self.process.logs()
    }

    /// The process itself: signals, exit status, pid.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// `127.0.0.1:PORT`, where `/livez`, `/readyz` and `/metrics` are.
    pub fn address(&self) -> &str {
        &self.address
    }

    async fn await_ready(&self) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let Err(last) = self.get("/readyz").await else { return Ok(()) };
            if !self.process.is_running() || start.elapsed() > PATIENCE {
                return Err(format!(
                    "the controller is not ready after {:.1?} (exit status: {:?}); its last answer: {last}. \
                     Its log ends:\n{}",
                    start.elapsed(),
                    self.process.exit_status(),
                    self.process.tail(30)
                ));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Reads the part of Prometheus' text format that the controller writes: no label value has a brace or a comma.
fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    text.lines()
        .filter_map(|line| line.rsplit_once(' '))
        .filter(|(series, _)| {
            let (found, rest) = series.split_once('{').unwrap_or((series, ""));
            let pairs: Vec<&str> = rest.trim_end_matches('}').split(',').collect();
            found == name
                && labels.iter().all(|(key, value)| pairs.contains(&format!("{key}=\"{value}\"").as_str()))
        })
        .filter_map(|(_, value)| value.parse::<f64>().ok())
        .reduce(|left, right| left + right)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const METRICS: &str = r#"# HELP r Help.
r_total{result="ok",reason="A"} 2
r_total{result="ok",reason="B"} 3
r_total{result="failed",reason="A"} 1
up 1
# EOF
"#;

    #[test]
    fn samples_are_summed_by_label() {
        assert_eq!(sum(METRICS, "r_total", &[("result", "ok")]), Some(5.0));
        assert_eq!(sum(METRICS, "r_total", &[("reason", "B"), ("result", "ok")]), Some(3.0));
        assert_eq!(sum(METRICS, "r_total", &[]), Some(6.0));
        assert_eq!(sum(METRICS, "up", &[]), Some(1.0));
        assert_eq!(sum(METRICS, "r_total", &[("result", "o")]), None);
    }

    /// A stand-in for the product that records how it was started. The test serves its HTTP address.
    fn stand_in(directory: &TempDir) -> std::path::PathBuf {
        let path = directory.path().join("tokensource");
        let script = r#"#!/bin/sh
echo "$@" "$KUBECONFIG" "$RUST_LOG"
trap 'exit 0' TERM
while :; do sleep 0.05; done
"#;
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn serve(address: &str) {
        let listener = TcpListener::bind(address).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 2048]);
                let head = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    METRICS.len()
                );
                let _ = stream.write_all((head + METRICS).as_bytes());
            }
        });
    }

    #[tokio::test]
    async fn it_is_started_asked_killed_restarted_and_terminated() {
        let directory = tempfile::tempdir().unwrap();
        let (binary, kubeconfig) = (stand_in(&directory), Path::new("/a/kubeconfig"));
        let controller =
            ControllerProcess::spawn(&binary, kubeconfig, &["--leader-elect"], &[("RUST_LOG", "trace")]);
        serve(controller.address());
        controller.ready().await;
        assert_eq!(controller.metric("r_total", &[("result", "failed")]).await, Some(1.0));

        controller.kill9();
        assert!(!controller.process().is_running());
        controller.restart().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(controller.terminate().await.code(), Some(0));
        let line = format!(
            "controller --http-address {} --leader-elect /a/kubeconfig trace\n",
            controller.address()
        );
        assert_eq!(controller.logs(), line.repeat(2));
    }
}
