//! `tokensource version`: the versions of this program, of the API server, and of the controllers.
//! Must not know how a controller's version is found.

use std::collections::BTreeSet;

use serde::Serialize;

use super::arguments::{ReportOutput, VersionArguments};
use super::cluster::Cluster;
use super::doctor::installed;
use super::output::{json, print, yaml};
use super::{Environment, Error, ExitStatus};

/// The versions, for a program. Unknown versions are absent.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names)] // kubectl's names
struct Versions {
    client_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_version: Option<String>,
    /// Several, if several controllers divide the TokenSources; empty if no version is known; None if nothing was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    controller_versions: Option<BTreeSet<String>>,
}

/// Prints what is known even if the API server does not answer, as kubectl does. A missing answer is an error.
pub(super) async fn run(
    arguments: &VersionArguments,
    environment: &Environment,
) -> Result<ExitStatus, Error> {
    let mut versions = Versions { client_version: env!("CARGO_PKG_VERSION"), ..Versions::default() };
    let mut failed = None;
    if !arguments.client {
        match of_cluster(arguments, environment).await {
            Ok((server, controllers)) => {
                versions.server_version = Some(server);
                versions.controller_versions = Some(controllers);
            }
            Err(error) => failed = Some(error),
        }
    }
    print(&match arguments.output {
        ReportOutput::Text => text(&versions),
        ReportOutput::Json => json(&versions),
        ReportOutput::Yaml => yaml(&versions),
    })?;
    failed.map_or(Ok(ExitStatus::Success), Err)
}

async fn of_cluster(
    arguments: &VersionArguments,
    environment: &Environment,
) -> Result<(String, BTreeSet<String>), Error> {
    let cluster = Cluster::connect(&arguments.cluster, environment.variable).await?;
    installed(&cluster, environment).await
}

fn text(versions: &Versions) -> String {
    let client = format!("Client Version: {}\n", versions.client_version);
    let server = versions.server_version.as_ref().map(|server| format!("Server Version: {server}\n"));
    let controllers = versions.controller_versions.as_ref().map(|controllers| {
        let known = controllers.iter().cloned().collect::<Vec<_>>().join(", ");
        format!("Controller Version: {}\n", if known.is_empty() { "unknown" } else { &known })
    });
    client + &server.unwrap_or_default() + &controllers.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_versions_are_absent_or_named_unknown() {
        let mut versions = Versions { client_version: "1.2.3", ..Versions::default() };
        assert_eq!(text(&versions), "Client Version: 1.2.3\n");
        assert_eq!(serde_json::json!(versions), serde_json::json!({"clientVersion": "1.2.3"}));
        versions.server_version = Some("v1.36.0".to_owned());
        versions.controller_versions = Some(BTreeSet::new());
        assert_eq!(
            text(&versions),
            "Client Version: 1.2.3\nServer Version: v1.36.0\nController Version: unknown\n"
        );
        versions.controller_versions = Some(["1.2.3".to_owned(), "1.2.4".to_owned()].into());
        assert!(text(&versions).ends_with("Controller Version: 1.2.3, 1.2.4\n"));
    }
}
