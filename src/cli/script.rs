//! Completion scripts and the manual, generated from the declared command line.

use clap_complete::Shell;

use super::output::print;
use super::{Error, ExitStatus};

/// The completion script for a shell.
pub(super) fn completion(shell: Shell, definition: &clap::Command) -> Result<ExitStatus, Error> {
    let name = definition.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definition.clone(), name, &mut script);
    written(&script)
}

/// The manual: one page for the program and one for each subcommand, in the order of declaration.
pub(super) fn manual(definition: &clap::Command) -> Result<ExitStatus, Error> {
    let mut pages = Vec::new();
    let mut definition = definition.clone().disable_help_subcommand(true);
    definition.build();
    let subcommands = definition.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    for command in std::iter::once(definition.clone()).chain(subcommands) {
        clap_mangen::Man::new(command).render(&mut pages).map_err(Error::Write)?;
    }
    written(&pages)
}

fn written(text: &[u8]) -> Result<ExitStatus, Error> {
    print(&String::from_utf8_lossy(text)).map(|()| ExitStatus::Success)
}
