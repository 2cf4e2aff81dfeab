//! The program: parses arguments, installs the crypto provider, and runs the subcommand.

use std::fmt::Display;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tokensource::api::text::escaped;
use tokensource::api_calls::chain;
use tokensource::cli::{self, Environment, ExitStatus};
use tokensource::panics;
use tokensource::runtime::{self, ControllerArguments};

/// Keeps a fresh OAuth 2.0 access token in a Secret for every TokenSource of a Kubernetes cluster.
#[derive(Debug, Parser)]
#[command(name = "tokensource", version, propagate_version = true, after_help = cli::EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant)] // only one value exists
enum Command {
    /// Run the controller.
    Controller(Box<ControllerArguments>),
    #[command(flatten)]
    People(cli::Command),
}

fn main() -> ExitCode {
    panics::abort_unless_contained();
    // Must precede every client, because kube, reqwest and rustls must use the same provider.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return failed(&"a second TLS provider was installed: this is a bug");
    }
    // Reconciles and commands run on one thread: with several, a third of the CPU time was spent on waking other threads,
    // and one thread can do more than the API server can (docs/performance.md).
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let environment = Environment {
        now: runtime::now,
        nonce: runtime::nonce,
        variable: runtime::environment,
        definition: cli::named_as_called(Arguments::command(), std::env::args_os().next().as_deref()),
    };
    match runtime.block_on(cli::complete_for_kubectl(&environment, std::env::args_os())) {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        Err(error) => return failed(&chain(&error)),
    }
    let matches = environment.definition.clone().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match arguments.command {
        Command::Controller(arguments) => match runtime.block_on(runtime::run(*arguments)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE, // the error has been logged
        },
        Command::People(command) => match runtime.block_on(cli::run(command, &environment)) {
            Ok(ExitStatus::Success) => ExitCode::SUCCESS,
            Ok(ExitStatus::Failure) => ExitCode::FAILURE,
            Err(error) => failed(&chain(&error)),
        },
    }
}

#[allow(clippy::print_stderr)] // logging may not have started
fn failed(why: &dyn Display) -> ExitCode {
    eprintln!("tokensource: {}", escaped(&why.to_string()));
    ExitCode::FAILURE
}
