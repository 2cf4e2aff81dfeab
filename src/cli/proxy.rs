//! The proxy to the API server, found as kubectl does: `proxy-url` of the kubeconfig, or else `HTTPS_PROXY` of the
//! environment unless `NO_PROXY` names the server. Must not know requests. Requests to providers never use this proxy.

use hyper_util::client::proxy::matcher::Matcher;
use kube::Config;
use kube::config::Kubeconfig;

use super::Error;
use crate::api_calls::proxy_of_cluster;

/// Reads an environment variable.
pub(super) type ReadVariable = fn(&str) -> Option<String>;

/// Sets the proxy of a configuration that was made from this kubeconfig and context.
///
/// kube reads the environment too, but compares `NO_PROXY` with the proxy instead of the server.
pub(super) fn set(
    config: &mut Config,
    kubeconfig: Option<&Kubeconfig>,
    context: Option<&str>,
    variable: ReadVariable,
) -> Result<(), Error> {
    let own = kubeconfig.and_then(|kubeconfig| proxy_of_cluster(kubeconfig, context));
    let proxy = own.or_else(|| of_environment(&config.cluster_url.to_string(), variable));
    config.proxy_url = match proxy {
        None => None,
        // As in Go, a proxy without a scheme is an HTTP proxy.
        Some(proxy) if !proxy.contains("://") => {
            Some(format!("http://{proxy}").parse().map_err(|_| Error::Proxy)?)
        }
        Some(proxy) => Some(proxy.parse().map_err(|_| Error::Proxy)?),
    };
    Ok(())
}

fn of_environment(server: &str, variable: ReadVariable) -> Option<String> {
    let either = |upper: &str, lower: &str| {
        [upper, lower].into_iter().filter_map(variable).find(|value| !value.is_empty())
    };
    let proxy = either("HTTPS_PROXY", "https_proxy")?;
    let exempt = either("NO_PROXY", "no_proxy").unwrap_or_default();
    let server: url::Url = server.parse().ok()?;
    // Go never uses a proxy for the local machine.
    let is_here = match server.host()? {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    };
    let matcher = Matcher::builder().https(proxy.as_str()).no(exempt.as_str()).build();
    let applies = !is_here && matcher.intercept(&server.as_str().parse().ok()?).is_some();
    applies.then_some(proxy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(own: Option<&str>, server: &str, variable: ReadVariable) -> Option<String> {
        let kubeconfig: Kubeconfig = serde_json::from_value(serde_json::json!({
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": {"server": server, "proxy-url": own}}],
        }))
        .unwrap();
        let mut config = Config::new(server.parse().unwrap());
        // A proxy that kube took from the environment.
        config.proxy_url = "http://other.example:1".parse().ok();
        set(&mut config, Some(&kubeconfig), None, variable).unwrap();
        config.proxy_url.map(|proxy| proxy.to_string())
    }

    #[test]
    fn proxy_is_the_one_that_kubectl_uses() {
        let server = "https://api.example:6443";
        let through = Some("http://proxy.example:3128/".to_owned());
        let both: ReadVariable = |name| match name {
            "HTTPS_PROXY" => Some("http://proxy.example:3128".to_owned()),
            "NO_PROXY" => Some("10.0.0.0/8,.internal.example".to_owned()),
            _ => None,
        };
        let lower: ReadVariable = |name| (name == "https_proxy").then(|| "proxy.example:3128".to_owned());
        assert_eq!(proxy(None, server, |_| None), None);
        assert_eq!(proxy(None, server, both), through);
        assert_eq!(proxy(None, server, lower), through);
        assert_eq!(proxy(None, "https://10.1.2.3:6443", both), None);
        assert_eq!(proxy(None, "https://api.internal.example", both), None);
        assert_eq!(proxy(None, "https://127.0.0.1:6443", both), None);
        assert_eq!(proxy(None, "https://localhost:6443", both), None);
        let own = Some("socks5://own.example:1080/".to_owned());
        assert_eq!(proxy(Some("socks5://own.example:1080"), "https://10.1.2.3:6443", both), own);
    }
}
