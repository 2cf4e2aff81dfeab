//! The flags of `tokensource doctor`. Must not know what is checked.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ipnet::IpNet;

use super::ClusterArguments;

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

    /// Permit connections to these addresses, even if a rule refuses them; as the controller's flag of this name.
    #[arg(long = "allow-network", value_name = "CIDR", value_delimiter = ',')]
    pub allow_networks: Vec<IpNet>,

    /// Refuse connections to these addresses; as the controller's flag of this name.
    #[arg(long = "deny-network", value_name = "CIDR", value_delimiter = ',')]
    pub deny_networks: Vec<IpNet>,

    /// Connect to providers through this HTTP proxy. Proxies in the environment are ignored.
    #[arg(long, value_name = "http[s]://HOST:PORT")]
    pub https_proxy: Option<String>,

    /// Contact these hosts, domains and networks without the proxy, e.g. internal.example,10.0.0.0/8; may be repeated.
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    pub no_proxy: Vec<String>,

    /// The file with user:password for the proxy.
    #[arg(long, value_name = "FILE")]
    pub proxy_credentials_file: Option<PathBuf>,

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
    /// The same as YAML.
    Yaml,
}
