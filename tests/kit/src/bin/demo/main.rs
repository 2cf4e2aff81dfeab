//! `make demo`: the documentation's manifests, an API server, six look-alike providers over TLS, and our own binary.
//!
//! Prints a tour. Each step is checked, and the demo fails if a step does not happen. On a terminal, a live table follows
//! until Ctrl-C.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a program for people
#![allow(clippy::disallowed_methods)] // the table counts down in real time

mod failure;
mod shown;
mod table;
mod tour;
mod volume;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use kube::api::DynamicObject;
use tokensource_kit::authority::{Authority, https_client, install_crypto};
use tokensource_kit::control_plane::{ControlPlane, Shape};
use tokensource_kit::controller::ControllerProcess;
use tokensource_kit::lookalikes::Lookalike;
use tokensource_kit::shipped::{definitions, repository};
use tokensource_kit::{assets, manifest};

use crate::volume::Volume;

/// The namespace of the demo.
const NAMESPACE: &str = "demo";
/// The lifetime of the look-alikes' tokens: short enough to watch renewals, long enough to read the table.
const LIFETIME: Duration = Duration::from_secs(30);
/// The pause between two updates of the table.
const REFRESH: Duration = Duration::from_secs(1);
const EXAMPLES: [&str; 5] = ["ocrolus", "prisjakt", "pliant", "v2", "apiax"];
/// The example that is shown in full: README shows it too, and deploy/examples/pod.yaml mounts its Secret.
const HERO: &str = "ocrolus";

/// All running parts; dropping this value ends them.
struct Demo {
    started: Instant,
    plane: ControlPlane,
    authority: Authority,
    providers: Vec<Lookalike>,
    controller: ControllerProcess,
    /// The objects of the example that is shown, as they were applied.
    hero: Vec<DynamicObject>,
}

fn main() -> ExitCode {
    install_crypto();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        tokio::select! {
            code = run() => code,
            _ = tokio::signal::ctrl_c() => {
                println!("\nEnding: API server, providers and controller end with this process.");
                ExitCode::SUCCESS
            }
        }
    })
}

async fn run() -> ExitCode {
    let demo = Demo::start().await;
    match tour::run(&demo).await {
        Ok(volume) if std::io::stdout().is_terminal() => demo.show_for_ever(&volume).await,
        Ok(_) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

impl Demo {
    async fn start() -> Self {
        let started = Instant::now();
        step(started, "etcd and kube-apiserver");
        let shape = Shape { uncontrolled: true, ..Shape::default() };
        let plane = ControlPlane::start_as(&definitions(), shape).await;
        step(
            started,
            "six look-alike providers over TLS, which answer as documented, with tokens that live 30 s",
        );
        let authority = Authority::new("The demo's authority");
        let providers = Lookalike::all(&authority);
        for provider in &providers {
            provider.set_lifetime(LIFETIME);
        }
        step(started, "tokensource controller");
        let arguments = ["--namespace", NAMESPACE, "--allow-network", "127.0.0.0/8"];
        plane.apply(&format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}}}\n")).await;
        let kubeconfig = plane.kubeconfig_for("admin");
        let controller = ControllerProcess::start(&binary(), &kubeconfig, &arguments, &[]).await;
        step(started, "deploy/examples/, endpoints redirected to the look-alikes");
        let mut hero = Vec::new();
        for example in EXAMPLES {
            let mut objects = manifest::load(repository().join(format!("deploy/examples/{example}.yaml")));
            for provider in &providers {
                provider.stand_in(&mut objects);
            }
            manifest::into_namespace(&mut objects, NAMESPACE);
            plane.apply_objects(&objects).await;
            if example == HERO {
                hero = objects;
            }
        }
        Self { started, plane, authority, providers, controller, hero }
    }

    fn provider(&self, name: &str) -> &Lookalike {
        self.providers.iter().find(|provider| provider.name() == name).expect("a look-alike of this name")
    }

    /// Acts as a workload: reads the token from its file, calls the provider's API with it, and looks at the answer.
    async fn fetch(&self, volume: &Volume) -> Result<u16, String> {
        let request = https_client(self.authority.pem()).get(self.provider(HERO).api_url());
        let response = request.bearer_auth(volume.token()).send().await;
        let status = response.map_err(|error| format!("calling the provider's API: {error}"))?.status();
        if status.is_success() {
            Ok(status.as_u16())
        } else {
            Err(format!("the provider's API answers {status}"))
        }
    }

    async fn show_for_ever(&self, volume: &Volume) -> ExitCode {
        if std::io::stdin().is_terminal() {
            println!("\nEnter shows the table as it changes, Ctrl-C ends everything.");
            // A separate thread reads the line: reading blocks, and the runtime would wait for the line after Ctrl-C.
            let (sender, line) = tokio::sync::oneshot::channel();
            std::thread::spawn(move || sender.send(std::io::stdin().read_line(&mut String::new())));
            let _ = line.await;
        }
        loop {
            // An error, such as 404 after a user has deleted the Secret, is ignored: the next round reads the Secret again.
            let _ = volume.refresh().await;
            let table = table::draw(self).await;
            // Moves the cursor to the upper left corner and clears the screen.
            print!("\x1b[H\x1b[2J{table}\n{}", self.commands(volume));
            let _ = std::io::stdout().flush();
            tokio::time::sleep(REFRESH).await;
        }
    }

    /// Commands to try in another terminal.
    fn commands(&self, volume: &Volume) -> String {
        let (kubeconfig, file) = (self.plane.kubeconfig_for("admin"), volume.path());
        let (kubeconfig, file, binary) = (kubeconfig.display(), file.display(), binary());
        let tokensource = binary.display();
        let mut text = format!(
            "In another terminal:\n  \
             export KUBECONFIG={kubeconfig}\n  \
             {tokensource} status {HERO} -n {NAMESPACE}\n  \
             {tokensource} renew v2 -n {NAMESPACE}\n  \
             sha256sum {file}        # as a pod sees it\n"
        );
        text += &kubectl().map_or_else(
            || "More can be tried with kubectl, which is not on this machine's PATH.\n".to_owned(),
            |kubectl| {
                let kubectl = kubectl.display();
                format!(
                    "  {kubectl} get secret prisjakt-token -n {NAMESPACE} -o yaml\n  \
                     {kubectl} delete secret prisjakt-token -n {NAMESPACE}        # is created again immediately\n  \
                     {kubectl} annotate secret v2-client -n {NAMESPACE} --overwrite tokensource.dev/allowed-hosts=elsewhere.example\n  \
                     {kubectl} describe toksrc v2 -n {NAMESPACE}        # conditions and Events\n"
                )
            },
        );
        text + "Ctrl-C ends everything.\n"
    }
}

fn step(started: Instant, what: &str) {
    println!("starting: {what} [{:.0} s]", started.elapsed().as_secs_f64());
}

/// The path of `tokensource`, in the directory of this binary.
fn binary() -> PathBuf {
    let binary = std::env::current_exe().expect("this program's own path").with_file_name("tokensource");
    assert!(binary.exists(), "{} does not exist: run `make demo`, which builds it first", binary.display());
    binary
}

/// A kubectl that exists already: the kubectl of the tests or of this machine. The demo neither builds nor needs a kubectl.
fn kubectl() -> Option<PathBuf> {
    let built = assets::server().join("kubectl");
    if built.exists() {
        return Some(built);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .any(|directory| directory.join("kubectl").exists())
        .then(|| Path::new("kubectl").to_owned())
}
