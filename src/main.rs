//! The program: arguments, crypto provider, and the subcommand. Nothing else.

use std::fmt::Display;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tokensource::api::text::escaped;
use tokensource::cli::{self, Ending, Surroundings};
use tokensource::controller::chain;
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
enum Command {
    /// Run the controller.
    Controller(Box<ControllerArguments>),
    #[command(flatten)]
    People(cli::Command),
}

fn main() -> ExitCode {
    panics::abort_unless_contained();
    // Before any client is made: kube, reqwest and rustls must agree on one provider.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return failed(&"a second TLS provider has been installed: this is a bug");
    }
    match cli::complete_for_kubectl(&Arguments::command(), std::env::args_os()) {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        Err(error) => return failed(&chain(&error)),
    }
    let definition = cli::named_as_called(Arguments::command(), std::env::args_os().next().as_deref());
    let matches = definition.clone().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    // One thread: with several, most of each renewal's time goes into waking one another, and one is enough for more than
    // the API server can take (docs/performance.md).
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match arguments.command {
        Command::Controller(arguments) => match runtime.block_on(runtime::run(*arguments)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE, // it has been logged
        },
        Command::People(command) => {
            let surroundings = Surroundings {
                now: runtime::now,
                nonce: runtime::nonce,
                environment: runtime::environment,
                definition,
            };
            match runtime.block_on(cli::run(command, &surroundings)) {
                Ok(Ending::Done) => ExitCode::SUCCESS,
                Ok(Ending::Failed) => ExitCode::FAILURE,
                Err(error) => failed(&chain(&error)),
            }
        }
    }
}

#[allow(clippy::print_stderr)] // logging may not have been started
fn failed(why: &dyn Display) -> ExitCode {
    eprintln!("tokensource: {}", escaped(&why.to_string()));
    ExitCode::FAILURE
}
