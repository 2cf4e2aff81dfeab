//! The headers for the collector, from the file of `--otlp-headers-file`: a line `name: value` for each. They are secrets: no
//! message quotes anything of the file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use reqwest::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

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

/// The headers in the file as it is now. Kubernetes replaces the file of a mounted Secret when the Secret changes.
pub(super) fn read(path: &Path) -> Result<HeaderMap, HeadersFault> {
    let unreadable = |_| HeadersFault::Unreadable;
    // A pipe would block.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(HeadersFault::Unreadable);
    }
    let mut content = Zeroizing::new(String::new());
    let file = File::open(path).map_err(unreadable)?;
    file.take(LONGEST + 1).read_to_string(&mut content).map_err(unreadable)?;
    if content.len() as u64 > LONGEST {
        return Err(HeadersFault::TooLong);
    }
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
