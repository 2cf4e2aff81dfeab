//! The command line of the controller: parsed once, and handed down as settings. Every flag is also a `TOKENSOURCE_…` variable.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};
use ipnet::IpNet;

/// How the controller is to run.
#[derive(Debug, Args)]
pub struct ControllerArguments {
    /// Serve this namespace only; may be given several times (or comma-separated). Default: all namespaces.
    #[arg(long = "namespace", value_name = "NS", env = "TOKENSOURCE_NAMESPACE", value_delimiter = ',')]
    pub namespaces: Vec<String>,

    /// Serve only TokenSources with these labels, e.g. team=payments,slice!=2.
    #[arg(long, value_name = "LABELS", env = "TOKENSOURCE_SELECTOR")]
    pub selector: Option<String>,

    /// Let token requests go to these addresses though a rule refuses them; may be given several times.
    #[arg(
        long = "allow-network",
        value_name = "CIDR",
        env = "TOKENSOURCE_ALLOW_NETWORK",
        value_delimiter = ','
    )]
    pub allow_networks: Vec<IpNet>,

    /// Let no token request go to these addresses, e.g. 10.0.0.0/8; may be given several times.
    #[arg(
        long = "deny-network",
        value_name = "CIDR",
        env = "TOKENSOURCE_DENY_NETWORK",
        value_delimiter = ','
    )]
    pub deny_networks: Vec<IpNet>,

    /// Take endpoints from ClusterTokenProviders only, so that administrators decide who is asked.
    #[arg(long, env = "TOKENSOURCE_ONLY_CLUSTER_PROVIDERS")]
    pub only_cluster_providers: bool,

    /// Where /livez, /readyz and /metrics are served. The default takes IPv4 as well; without IPv6 it is 0.0.0.0:8080.
    #[arg(long, value_name = "ADDR:PORT", env = "TOKENSOURCE_HTTP_ADDRESS", default_value = "[::]:8080")]
    pub http_address: SocketAddr,

    /// Leave out of /metrics the series that each TokenSource has for itself.
    #[arg(long, env = "TOKENSOURCE_NO_OBJECT_METRICS")]
    pub no_object_metrics: bool,

    /// Run as one of several: only the one that holds the lease asks for tokens, the others stand by.
    #[arg(long, env = "TOKENSOURCE_LEADER_ELECT")]
    pub leader_elect: bool,

    /// Where the lease is kept, and the key for the hash of credentials. Default: the namespace this runs in.
    #[arg(long, value_name = "NS", env = "TOKENSOURCE_LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// The lease's name; the Secret with the key is called NAME-key. Controllers that share their work, each with a --selector or --namespace of its own, need one
    /// each.
    #[arg(long, value_name = "NAME", env = "TOKENSOURCE_LEASE_NAME", default_value = "tokensource")]
    pub lease_name: String,

    /// What people read in the lease: the pod's name.
    #[arg(long, env = "HOSTNAME", default_value = "tokensource", hide = true)]
    pub host: String,

    /// How many TokenSources may be worked on at once.
    #[arg(long, value_name = "N", env = "TOKENSOURCE_CONCURRENCY", default_value_t = 16,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,

    /// How log lines are written. What is logged is set by RUST_LOG; default: info.
    #[arg(long, value_name = "FORMAT", env = "TOKENSOURCE_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
