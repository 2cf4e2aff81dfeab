//! The program: arguments, crypto provider, and the subcommand. Nothing else.

use std::io;
use std::process::ExitCode;

use clap::Parser;
use tokensource::cli;
use tokensource::controller::chain;
use tokensource::runtime::arguments::Command;
use tokensource::runtime::{self, Arguments};

fn main() -> ExitCode {
    // First of all: kube, reqwest and rustls must agree on one provider before any of them makes a client.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return failed(&"a second TLS provider has been installed: this is a bug");
    }
    match Arguments::parse().command {
        Command::Crd => match cli::print_definitions(io::stdout().lock()) {
            // A reader that has seen enough is no failure.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => failed(&error),
            _ => ExitCode::SUCCESS,
        },
        Command::Controller(arguments) => {
            let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return failed(&error),
            };
            match runtime.block_on(runtime::run(*arguments)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failed(&chain(&error)),
            }
        }
    }
}

#[allow(clippy::print_stderr)] // logging may not have been started
fn failed(why: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("tokensource: {why}");
    ExitCode::FAILURE
}
