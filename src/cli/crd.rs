//! `tokensource crd`: the CustomResourceDefinitions as YAML.

use std::io::{self, Write};

use crate::api::definitions;

/// Writes the three CRDs as a stream of YAML documents.
pub fn print_definitions(mut out: impl Write) -> io::Result<()> {
    for definition in definitions() {
        let yaml = serde_saphyr::to_string(&definition).map_err(io::Error::other)?;
        write!(out, "---\n{yaml}")?;
    }
    Ok(())
}
