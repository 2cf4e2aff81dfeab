//! The command line of the controller. Every flag except the hidden `--host` is also a `TOKENSOURCE_…` variable.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ipnet::IpNet;

use super::traces::CollectorEndpoint;

/// The settings of the controller.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // each a flag of its own
pub struct ControllerArguments {
    /// Serve this namespace only; may be repeated or comma-separated. Default: all namespaces.
    #[arg(long = "namespace", value_name = "NS", env = "TOKENSOURCE_NAMESPACE", value_delimiter = ',')]
    pub namespaces: Vec<String>,

    /// Serve only TokenSources with these labels, e.g. team=payments,slice!=2.
    #[arg(long, value_name = "LABELS", env = "TOKENSOURCE_SELECTOR")]
    pub selector: Option<String>,

    /// Permit requests to providers at these addresses, even if a rule refuses them; may be repeated.
    #[arg(
        long = "allow-network",
        value_name = "CIDR",
        env = "TOKENSOURCE_ALLOW_NETWORK",
        value_delimiter = ','
    )]
    pub allow_networks: Vec<IpNet>,

    /// Refuse requests to providers at these addresses, e.g. 10.0.0.0/8; may be repeated.
    #[arg(
        long = "deny-network",
        value_name = "CIDR",
        env = "TOKENSOURCE_DENY_NETWORK",
        value_delimiter = ','
    )]
    pub deny_networks: Vec<IpNet>,

    /// Send requests to providers through this HTTP proxy. Proxies in the environment are ignored.
    #[arg(long, value_name = "http[s]://HOST:PORT", env = "TOKENSOURCE_HTTPS_PROXY")]
    pub https_proxy: Option<String>,

    /// Contact these hosts, domains and networks without the proxy, e.g. internal.example,10.0.0.0/8; may be repeated.
    #[arg(long, value_name = "HOST", env = "TOKENSOURCE_NO_PROXY", value_delimiter = ',')]
    pub no_proxy: Vec<String>,

    /// The file with user:password for the proxy. A changed file is read again.
    #[arg(long, value_name = "FILE", env = "TOKENSOURCE_PROXY_CREDENTIALS_FILE")]
    pub proxy_credentials_file: Option<PathBuf>,

    /// Reach the API server through the proxy of --https-proxy as well. The proxy's credentials are read at the start.
    #[arg(long, env = "TOKENSOURCE_API_SERVER_PROXY")]
    pub api_server_proxy: bool,

    /// Use only ClusterTokenProviders, so that administrators decide which endpoints receive requests.
    #[arg(long, env = "TOKENSOURCE_ONLY_CLUSTER_PROVIDERS")]
    pub only_cluster_providers: bool,

    /// The address of /livez, /readyz and /metrics. The default includes IPv4; without IPv6 it is 0.0.0.0:8080.
    #[arg(long, value_name = "ADDR:PORT", env = "TOKENSOURCE_HTTP_ADDRESS", default_value = "[::]:8080")]
    pub http_address: SocketAddr,

    /// Omit the series of each TokenSource from /metrics.
    #[arg(long, env = "TOKENSOURCE_NO_OBJECT_METRICS")]
    pub no_object_metrics: bool,

    /// Run as one of several replicas: only the replica that holds the lease requests tokens, the others stand by.
    #[arg(long, env = "TOKENSOURCE_LEADER_ELECT")]
    pub leader_elect: bool,

    /// The namespace of the lease and of the key for the hash of credentials. Default: the namespace of the pod.
    #[arg(long, value_name = "NS", env = "TOKENSOURCE_LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// The name of the lease; the Secret with the key is named NAME-key. Controllers that divide the TokenSources by
    /// --selector or --namespace need different leases.
    #[arg(long, value_name = "NAME", env = "TOKENSOURCE_LEASE_NAME", default_value = "tokensource")]
    pub lease_name: String,

    /// The pod's name, which the lease shows as its holder.
    #[arg(long, env = "HOSTNAME", default_value = "tokensource", hide = true)]
    pub host: String,

    /// How many TokenSources may be reconciled at the same time.
    #[arg(long, value_name = "N", env = "TOKENSOURCE_CONCURRENCY", default_value_t = 16,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,

    /// Send traces of renewals by OTLP over HTTP to this collector, without encryption only if it is this machine, a private
    /// address or a Service. Default: no traces.
    #[arg(long, value_name = "URL", env = "TOKENSOURCE_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<CollectorEndpoint>,

    /// The file with a line "name: value" for each header to the collector. A changed file is read again.
    #[arg(long, value_name = "FILE", env = "TOKENSOURCE_OTLP_HEADERS_FILE", requires = "otlp_endpoint")]
    pub otlp_headers_file: Option<PathBuf>,

    /// The share of renewals whose traces are sent, from 0 to 1.
    #[arg(long, value_name = "RATIO", env = "TOKENSOURCE_OTLP_SAMPLING_RATIO", default_value_t = 1.0,
          value_parser = share)]
    pub otlp_sampling_ratio: f64,

    /// The format of log lines. RUST_LOG sets what is logged; default: info.
    #[arg(long, value_name = "FORMAT", env = "TOKENSOURCE_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// A number from 0 to 1.
fn share(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or("must be a number from 0 to 1")
}
