//! The subcommands for people: what stands where, what to do about it, and whether a manifest would work.
//!
//! Knows the contract, the decisions and the protocol, and asks all three. Must not know how the controller works or
//! how the process is run: clock and random numbers are lent to it. Shows no secret: what may be one is a mask of one
//! width.

mod arguments;
mod check;
mod cluster;
mod completion;
mod crd;
mod error;
mod list;
mod output;
mod proxy;
mod renew;
mod script;
mod spans;
mod status;
mod table;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use chrono::{DateTime, Utc};
use completion::{completions, is_asked_for_completions};

pub use arguments::{CheckArguments, CheckOutput, Command, EXIT_CODES};
pub use check::checked;
pub use crd::print_definitions;
pub use error::Error;

/// Prints what may come next on the command line, where it was kubectl that asked for that; whether it was.
pub fn complete_for_kubectl(
    definition: &clap::Command,
    mut arguments: impl Iterator<Item = OsString>,
) -> Result<bool, Error> {
    if !is_asked_for_completions(arguments.next().as_deref()) {
        return Ok(false);
    }
    let words: Vec<_> = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
    output::print(&completions(definition, &words)).map(|()| true)
}

/// What the process lends.
pub struct Surroundings {
    /// The present instant.
    pub now: fn() -> DateTime<Utc>,
    /// A text never used before, where the system has random numbers.
    pub nonce: fn() -> Option<String>,
    /// A variable of the environment.
    pub environment: fn(&str) -> Option<String>,
    /// The whole command line as it is declared.
    pub definition: clap::Command,
}

/// How a command ended that could be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    Done,
    /// Something is wrong, and has been said.
    Failed,
}

/// The command line under the name it was called by: kubectl finds `kubectl-tokensource` and people type two words.
pub fn named_as_called(definition: clap::Command, called: Option<&OsStr>) -> clap::Command {
    match called.and_then(|path| Path::new(path).file_stem()) {
        Some(name) if name == "kubectl-tokensource" => {
            definition.name("kubectl-tokensource").bin_name("kubectl tokensource")
        }
        _ => definition,
    }
}

/// Carries a command out.
pub async fn run(command: Command, surroundings: &Surroundings) -> Result<Ending, Error> {
    let ended = match command {
        Command::Status(arguments) => status::run(&arguments, surroundings).await,
        Command::Renew(arguments) => renew::run(&arguments, surroundings).await,
        Command::Check(arguments) => check::run(&arguments, surroundings).await,
        Command::Crd => print_definitions(anstream::stdout()).map_err(Error::Write).map(|()| Ending::Done),
        Command::Completion { shell } => script::completion(shell, &surroundings.definition),
        Command::Man => script::manual(&surroundings.definition),
    };
    match ended {
        // A reader that has seen enough is no failure.
        Err(error) if error.is_broken_pipe() => Ok(Ending::Done),
        other => other,
    }
}
