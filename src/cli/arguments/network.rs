//! The flags about connections to providers, with the names and meanings of the controller's flags.
//! Must not know what is sent.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use ipnet::IpNet;

use crate::oauth::{AddressPolicy, OutboundProxy, ProxyFlagError};

/// The addresses that may be contacted, and the proxy.
#[derive(Debug, Args)]
pub struct NetworkArguments {
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
}

impl NetworkArguments {
    /// The names of all fields. `check` accepts these flags only with `--send`.
    pub(in crate::cli) const NAMES: [&str; 5] =
        ["allow_networks", "deny_networks", "https_proxy", "no_proxy", "proxy_credentials_file"];

    pub(in crate::cli) fn addresses(&self) -> AddressPolicy {
        AddressPolicy { allow: self.allow_networks.clone(), deny: self.deny_networks.clone() }
    }

    pub(in crate::cli) fn proxy(&self) -> Result<Option<Arc<OutboundProxy>>, ProxyFlagError> {
        let file = self.proxy_credentials_file.clone();
        let proxy = OutboundProxy::of_flags(self.https_proxy.as_deref(), &self.no_proxy, file)?;
        Ok(proxy.map(Arc::new))
    }
}
