//! The one place that reads the wall clock.

use chrono::{DateTime, Utc};

/// The present instant.
#[allow(clippy::disallowed_methods)] // here and nowhere else
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
