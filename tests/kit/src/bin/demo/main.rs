//! `make demo`: the documentation's manifests, a control plane, six look-alike providers over TLS, and the release
//! binary, with a live table of what it does.
//!
//! On a terminal it runs until Ctrl-C; without one it shows a bounded round, and fails if a token is missing.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a program for people
#![allow(clippy::disallowed_methods)] // which counts down in real time

mod round;
mod table;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokensource_kit::authority::{Authority, install_crypto};
use tokensource_kit::control_plane::ControlPlane;
use tokensource_kit::controller::ControllerProcess;
use tokensource_kit::lookalikes::Lookalike;
use tokensource_kit::manifest;
use tokensource_kit::shipped::{definitions, repository};

/// Where everything of the demo lives.
const NAMESPACE: &str = "demo";
/// How long the look-alikes' tokens live: short enough to watch renewals, long enough to read the table.
const LIFETIME: Duration = Duration::from_secs(60);
/// Between two looks at the table.
const REFRESH: Duration = Duration::from_secs(1);
const EXAMPLES: [&str; 5] = ["prisjakt", "pliant", "v2", "apiax", "ocrolus"];

/// Everything that runs; dropping it ends it all.
struct Demo {
    plane: ControlPlane,
    providers: Vec<Lookalike>,
    controller: ControllerProcess,
}

fn main() -> ExitCode {
    install_crypto();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        tokio::select! {
            code = run() => code,
            _ = tokio::signal::ctrl_c() => {
                println!("\nEnding: control plane, providers and controller go with this process.");
                ExitCode::SUCCESS
            }
        }
    })
}

async fn run() -> ExitCode {
    let demo = Demo::start().await;
    if std::io::stdout().is_terminal() { demo.show_for_ever().await } else { round::run(&demo).await }
}

impl Demo {
    async fn start() -> Self {
        step("control plane (etcd, kube-apiserver, kube-controller-manager)");
        let plane = ControlPlane::start_with(&definitions()).await;
        step("six look-alike providers over TLS: what their documents say, and tokens that live 60 s");
        let authority = Authority::new("The demo's authority");
        let providers = Lookalike::all(&authority);
        for provider in &providers {
            provider.set_lifetime(LIFETIME);
        }
        step("tokensource controller (the release binary)");
        let arguments = ["--namespace", NAMESPACE, "--allow-network", "127.0.0.0/8"];
        plane.apply(&format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}}}\n")).await;
        let kubeconfig = plane.kubeconfig_for("admin");
        let controller = ControllerProcess::start(&binary(), &kubeconfig, &arguments, &[]).await;
        step("deploy/examples/, endpoints redirected to the look-alikes");
        for example in EXAMPLES {
            let mut objects = manifest::load(repository().join(format!("deploy/examples/{example}.yaml")));
            for provider in &providers {
                provider.stand_in(&mut objects);
            }
            manifest::into_namespace(&mut objects, NAMESPACE);
            plane.apply_objects(&objects).await;
        }
        Self { plane, providers, controller }
    }

    async fn show_for_ever(&self) -> ExitCode {
        loop {
            let table = table::draw(self).await;
            // Home, the table with each line's rest cleared, then whatever was below it.
            print!("\x1b[H\x1b[2J{table}\n{}", self.commands());
            let _ = std::io::stdout().flush();
            tokio::time::sleep(REFRESH).await;
        }
    }

    /// What to try in another terminal.
    fn commands(&self) -> String {
        let kubectl = self.plane.kubectl();
        let kubectl = kubectl.display();
        format!(
            "In another terminal:\n  \
             export KUBECONFIG={}\n  \
             {kubectl} get toksrc -n {NAMESPACE} -w\n  \
             {kubectl} get secret prisjakt-token -n {NAMESPACE} -o yaml\n  \
             {kubectl} delete secret prisjakt-token -n {NAMESPACE}                      # comes back at once\n  \
             {kubectl} annotate toksrc v2 -n {NAMESPACE} --overwrite tokensource.dev/renew-requested-at=now\n  \
             {kubectl} annotate secret v2-client -n {NAMESPACE} --overwrite tokensource.dev/allowed-hosts=elsewhere.example\n  \
             {kubectl} describe toksrc apiax -n {NAMESPACE}                             # conditions and Events\n\
             Ctrl-C ends everything.\n",
            self.plane.kubeconfig_for("admin").display()
        )
    }
}

fn step(what: &str) {
    println!("starting: {what}");
}

/// The release binary lies beside this one.
fn binary() -> PathBuf {
    let binary = std::env::current_exe().expect("this program's own path").with_file_name("tokensource");
    assert!(binary.exists(), "{} does not exist: run `make demo`, which builds it first", binary.display());
    binary
}
