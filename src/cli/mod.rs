//! The subcommands for people: status, renewal, the check of an installation, and the writing and the check of manifests.
//!
//! Knows the layers `api`, `oauth`, `decide` and `issue`. Must not know how the controller works or how the process runs;
//! clock and random numbers are passed in. A secret is shown as a mask of constant width, or as a placeholder.

mod arguments;
mod check;
mod cluster;
mod completion;
mod crd;
mod doctor;
mod error;
mod init;
mod list;
mod output;
mod proxy;
mod renew;
mod script;
mod spans;
mod status;
mod suspend;
mod table;
mod version;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use chrono::{DateTime, Utc};
use completion::{Offer, completions, is_completion_request};

pub use arguments::{CheckArguments, CheckOutput, Command, EXIT_CODES};
pub use check::checked;
pub use crd::print_definitions;
pub use error::Error;
pub use init::{LineError, manifests_of};

/// Prints completions if kubectl called the program for them. Returns whether it did.
pub async fn complete_for_kubectl(
    environment: &Environment,
    mut arguments: impl Iterator<Item = OsString>,
) -> Result<bool, Error> {
    if !is_completion_request(arguments.next().as_deref()) {
        return Ok(false);
    }
    let words: Vec<_> = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
    let text = match completions(&environment.definition, &words) {
        Offer::Text(text) => text,
        Offer::Names(kind, start, current) => {
            let before = words.split_last().map(|(_, before)| before).unwrap_or_default();
            completion::names::offered(kind, (&start, &current), before, environment).await
        }
    };
    output::print(&text).map(|()| true)
}

/// The clock, the environment variables and the command line of the process, which the commands use.
pub struct Environment {
    /// The present instant.
    pub now: fn() -> DateTime<Utc>,
    /// A unique text; None if the system has no random numbers.
    pub nonce: fn() -> Option<String>,
    /// The value of an environment variable.
    pub variable: fn(&str) -> Option<String>,
    /// The declaration of the whole command line.
    pub definition: clap::Command,
}

/// The exit status of a command that could be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// The result is good.
    Success,
    /// The result is bad, and the output says why.
    Failure,
}

/// Names the command line as the user called it: for the plugin `kubectl-tokensource`, `kubectl tokensource`.
pub fn named_as_called(definition: clap::Command, called: Option<&OsStr>) -> clap::Command {
    match called.and_then(|path| Path::new(path).file_stem()) {
        Some(name) if name == "kubectl-tokensource" => {
            definition.name("kubectl-tokensource").bin_name("kubectl tokensource")
        }
        _ => definition,
    }
}

/// Carries out a command.
pub async fn run(command: Command, environment: &Environment) -> Result<ExitStatus, Error> {
    let result = match command {
        Command::Status(arguments) => status::run(&arguments, environment).await,
        Command::Renew(arguments) => renew::run(&arguments, environment).await,
        Command::Suspend(arguments) => suspend::run(&arguments, true, environment).await,
        Command::Resume(arguments) => suspend::run(&arguments, false, environment).await,
        Command::Doctor(arguments) => doctor::run(&arguments, environment).await,
        Command::Version(arguments) => version::run(&arguments, environment).await,
        Command::Check(arguments) => check::run(&arguments, environment).await,
        Command::Init(arguments) => init::run(&arguments),
        Command::Crd => {
            print_definitions(anstream::stdout()).map_err(Error::Write).map(|()| ExitStatus::Success)
        }
        Command::Completion { shell } => script::completion(shell, &environment.definition),
        Command::Man => script::manual(&environment.definition),
    };
    match result {
        // A reader such as `head` may exit before the output is complete.
        Err(error) if error.is_broken_pipe() => Ok(ExitStatus::Success),
        other => other,
    }
}
