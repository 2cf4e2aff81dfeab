//! End to end: a node on this machine, the image from the Dockerfile, README's install commands, a Keycloak, and pods that
//! use the token (`make e2e`, as root). Knows the role of this program in each run: the program outside, the test inside the
//! enclosure, or a program in a pod.
//!
//! The pods' image contains this program, so that nothing else needs to be built for it.

#![allow(clippy::disallowed_methods)] // the test runs in real time
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a failure ends the test
#![allow(clippy::print_stdout, clippy::print_stderr)] // what was seen is the result

mod cluster;
mod commands;
mod pods;
mod scene;
mod story;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use tokensource_kit::enclosure::{self, Enclosure};
use tokensource_kit::{assets, node};

fn main() -> ExitCode {
    tokensource_kit::authority::install_crypto();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["pause"] => run(pods::pause()),
        ["resource-server", issuer, audience, authority] => {
            run(pods::serve_books(issuer, audience, Path::new(authority)));
        }
        ["client", url, token] => run(pods::call(url, Path::new(token))),
        ["inside", directory, cgroup] => return inside(directory, cgroup),
        _ => return outside(),
    }
    ExitCode::SUCCESS
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// Builds missing parts while there is a network, and starts the test in the enclosure.
fn outside() -> ExitCode {
    let user = Command::new("id").arg("-u").output().expect("id");
    if user.stdout.trim_ascii() != b"0" {
        eprintln!("Not run: a node needs root. `make e2e` names the programs that it needs.");
        return ExitCode::FAILURE;
    }
    for build in [assets::kubernetes, assets::node, assets::helm, assets::keycloak] {
        build();
    }
    // The runtime uses this thread, as `enclosure::run` requires.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(enclosure::run(&["inside"]))
}

fn inside(directory: &str, cgroup: &str) -> ExitCode {
    let enclosure = Enclosure::furnish(directory, cgroup, node::ADDRESS);
    let logs = Logs::of(&enclosure);
    match catch_unwind(AssertUnwindSafe(|| run(story::tell(&enclosure, &logs)))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => {
            logs.keep();
            eprintln!("The logs of all programs and pods are in {}", logs.place.display());
            ExitCode::FAILURE
        }
    }
}

/// The logs of all programs, which would be deleted with the enclosure.
pub(crate) struct Logs {
    directory: PathBuf,
    place: PathBuf,
}

impl Logs {
    fn of(enclosure: &Enclosure) -> Self {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e");
        let _ = std::fs::remove_dir_all(&place);
        std::fs::create_dir_all(&place).expect("a directory for the logs");
        Self { directory: enclosure.directory().to_owned(), place }
    }

    /// Copies the logs. A later call copies the new lines.
    pub(crate) fn keep(&self) {
        let script =
            r#"cd "$1" && cp -r node/*.log plane-*/*.log keycloak-*/keycloak.log /var/log/pods "$2"/"#;
        let mut copy = Command::new("bash");
        copy.args(["-c", script, "bash"]).args([&self.directory, &self.place]).stderr(Stdio::null());
        let _ = copy.status();
    }
}
