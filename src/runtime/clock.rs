//! Reads the wall clock for the whole program. Only `lease` reads the wall clock itself, for the times that it writes.

use chrono::{DateTime, Utc};

/// The present instant.
#[allow(clippy::disallowed_methods)] // the only exception
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
