//! Files that the operator's flags name and that contain a secret, such as a mounted Secret. Such a file is read again for each
//! use, because Kubernetes replaces the file when the Secret changes. Must not know what a file contains.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use zeroize::Zeroizing;

/// Why a file was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFault {
    /// The file is missing, is no regular file, or may not be read.
    Unreadable,
    /// The file is longer than the caller allows.
    TooLong,
}

/// The content of the file, of at most `longest` bytes.
pub fn read_secret_file(path: &Path, longest: u64) -> Result<Zeroizing<Vec<u8>>, FileFault> {
    let unreadable = |_| FileFault::Unreadable;
    // A pipe would block.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(FileFault::Unreadable);
    }
    let mut content = Zeroizing::new(Vec::new());
    let file = File::open(path).map_err(unreadable)?;
    file.take(longest + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > longest {
        return Err(FileFault::TooLong);
    }
    Ok(content)
}
