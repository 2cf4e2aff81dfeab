//! Why a curl line cannot become a manifest. Knows texts only. A text may name an option, a parameter or a header of the
//! line, and never contains a value of it, because the value may be a secret.

/// A curl line cannot become a manifest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LineError(String);

impl LineError {
    /// An error with this text, which must not contain a value of the line.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}
