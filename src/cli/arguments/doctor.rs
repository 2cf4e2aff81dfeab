//! The flags of `tokensource doctor`. Must not know what is checked.

use clap::{Args, ValueEnum};

use super::{ClusterArguments, NetworkArguments};

/// `tokensource doctor`
#[derive(Debug, Args)]
pub struct DoctorArguments {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub cluster: ClusterArguments,

    /// Check the TokenSources of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,

    /// Check only TokenSources with these labels, e.g. team=payments,slice!=2.
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,

    /// Where the controller runs. Default: where a Deployment has the label app.kubernetes.io/name=tokensource, or else
    /// tokensource-system.
    #[arg(long, value_name = "NS")]
    pub controller_namespace: Option<String>,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub network: NetworkArguments,

    /// The output format.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: ReportOutput,
}

/// The output format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportOutput {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// Like json, but in YAML.
    Yaml,
}
