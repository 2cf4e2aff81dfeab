//! `tokensource init`: writes manifests from the curl line of a provider's documentation.
//!
//! Knows the order of the steps, which have a file each: the words of the line, curl's options, the request, the manifests,
//! the text. Runs and sends nothing. The value of a parameter or header that `secrecy` takes for a secret reaches neither
//! the output nor an error, except the values of `client_id`, `scope`, `audience` and `resource`, which are public.

mod address;
mod error;
mod line;
mod manifest;
mod options;
mod request;
mod secrecy;
mod shell;
mod text;

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::path::Path;

use super::arguments::InitArguments;
use super::output::print;
use super::{Error, ExitStatus};
use crate::oauth::Secret;

pub use error::LineError;

/// Labels of hosts that do not name a provider.
const GENERIC: [&str; 8] = ["co", "com", "org", "net", "gov", "ac", "edu", "cloud"];

pub(super) fn run(arguments: &InitArguments) -> Result<ExitStatus, Error> {
    if !arguments.unquoted.is_empty() {
        return Err(LineError::new(
            "it is not in quotes: write --from-curl 'curl …', or --from-curl - and paste it",
        )
        .into());
    }
    let line = match arguments.from_curl.0.expose() {
        "-" => read_line()?,
        line => Secret::new(line.to_owned()),
    };
    let text = manifests_of(line.expose(), arguments.name.as_deref(), arguments.namespace.as_deref())?;
    match &arguments.output {
        None => print(&text)?,
        Some(path) => {
            write_new(path, &text).map_err(|source| Error::Create { path: path.clone(), source })?;
        }
    }
    Ok(ExitStatus::Success)
}

/// The manifests for a curl line, as YAML with comments. Without `name`, a part of the host is the name.
pub fn manifests_of(line: &str, name: Option<&str>, namespace: Option<&str>) -> Result<String, LineError> {
    for given in [name, namespace].into_iter().flatten() {
        if !is_object_name(given) {
            return Err(LineError::new(
                "--name and --namespace take the name of an object: small letters, digits and '-', at most 63",
            ));
        }
    }
    let request = request::read(line::read(shell::words(line)?)?)?;
    let derived = name_of(&request.host);
    let manifests = manifest::build(request, name.unwrap_or(&derived), namespace)?;
    text::render(&manifests)
}

/// Reads the line from the standard input, so that it is not kept in the history of the shell.
fn read_line() -> Result<Secret, Error> {
    let mut text = String::new();
    let bound = u64::try_from(shell::MAX_LENGTH).unwrap_or(u64::MAX).saturating_add(1);
    std::io::stdin()
        .take(bound)
        .read_to_string(&mut text)
        .map_err(|source| Error::Read { path: "-".into(), source })?;
    Ok(Secret::new(text))
}

/// Writes a file that does not exist yet. Only the owner may read the file, because the user will put secrets into it. (On
/// Windows, the permissions of the directory decide.)
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())
}

fn is_object_name(name: &str) -> bool {
    let ends_well = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    (1..=63).contains(&name.len())
        && ends_well(name.chars().next())
        && ends_well(name.chars().last())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
}

/// A name from the host: the label that its owner registered.
fn name_of(host: &str) -> String {
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let mut labels = host.split('.').rev().skip(usize::from(host.contains('.')));
    let label = labels.find(|label| !GENERIC.contains(label)).unwrap_or(host);
    let is_name = is_object_name(label) && label.contains(|letter: char| letter.is_ascii_lowercase());
    if is_name { label.to_owned() } else { "provider".to_owned() }
}

#[cfg(test)]
mod tests;
