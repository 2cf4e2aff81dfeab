//! Durations as Kubernetes users write them: `15m`, `1h30m`, `500ms`.
//!
//! Knows kube's parser of Go durations and the schema that keeps negative and unbounded ones out.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A non-negative span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(kube::core::Duration);

impl Duration {
    /// Whole seconds, as a Kubernetes duration.
    pub fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds).into())
    }

    /// The standard library's duration; the schema admits no negative one, and one that came past it counts as 0.
    pub fn get(self) -> std::time::Duration {
        if self.0.is_negative() { std::time::Duration::ZERO } else { self.0.into() }
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 32,
            "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$",
        })
    }
}
