//! The headers for the collector, from the file of `--otlp-headers-file`: a line `name: value` for each. The headers are
//! secrets: no message quotes anything of the file.

use std::path::Path;

use reqwest::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::oauth::{FileFault, read_secret_file};

/// The longest file, in bytes.
const LONGEST: u64 = 16 << 10;

/// Why the file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeadersFault {
    #[error("it cannot be read")]
    Unreadable,
    #[error("it has more than 16 KiB")]
    TooLong,
    #[error("each line must be `name: value`")]
    Format,
    #[error("it names a header that the controller sets itself")]
    Reserved,
}

/// The headers in the file as it is now.
pub(super) fn read(path: &Path) -> Result<HeaderMap, HeadersFault> {
    let content = read_secret_file(path, LONGEST).map_err(|fault| match fault {
        FileFault::Unreadable => HeadersFault::Unreadable,
        FileFault::TooLong => HeadersFault::TooLong,
    })?;
    let content = std::str::from_utf8(&content).map_err(|_| HeadersFault::Unreadable)?;
    content.lines().filter(|line| !line.trim().is_empty()).map(header).collect()
}

fn header(line: &str) -> Result<(HeaderName, HeaderValue), HeadersFault> {
    let (name, value) = line.split_once(':').ok_or(HeadersFault::Format)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| HeadersFault::Format)?;
    if [CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING].contains(&name) {
        return Err(HeadersFault::Reserved);
    }
    let mut value = HeaderValue::from_str(value.trim()).map_err(|_| HeadersFault::Format)?;
    value.set_sensitive(true);
    Ok((name, value))
}
