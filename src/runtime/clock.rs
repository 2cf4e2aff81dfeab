//! Reads the wall clock for the whole program.

use chrono::{DateTime, Utc};

/// The present instant.
#[allow(clippy::disallowed_methods)] // the only exception
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
