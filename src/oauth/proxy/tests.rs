//! Tables of the flags and of the credentials file.

use super::*;

fn proxy(no_proxy: &str, credentials: Option<PathBuf>) -> OutboundProxy {
    let list = [no_proxy.to_owned()];
    OutboundProxy::of_flags(Some("http://proxy.corp:3128"), &list, credentials).unwrap().unwrap()
}

#[test]
fn hosts_of_no_proxy_are_contacted_directly() {
    for (list, url, direct) in [
        ("", "https://a.example/", false),
        ("a.example", "https://a.example/", true),
        ("A.Example", "https://a.example/", true),
        ("a.example", "https://x.a.example/", true),
        ("a.example", "https://xa.example/", false),
        (".corp", "https://a.corp/", true),
        ("corp", "https://a.corp/", true),
        (".corp", "https://acorp/", false),
        ("a.example:8443", "https://a.example:8443/", true),
        ("a.example:8443", "https://a.example/", false),
        ("a.example:443", "https://a.example/", true),
        ("b.example, a.example", "https://a.example/", true),
        ("10.0.0.0/8", "https://10.1.2.3/", true),
        ("10.0.0.0/8", "https://11.1.2.3/", false),
        ("10.1.2.3", "https://10.1.2.3/", true),
        ("10.1.2.3:8443", "https://10.1.2.3/", false),
        ("fd00::/8", "https://[fd00::1]/", true),
        ("fd00::1", "https://[fd00::1]/", true),
        ("[fd00::1]:8443", "https://[fd00::1]:8443/", true),
        ("[fd00::1]:8443", "https://[fd00::1]/", false),
        // Only literal addresses are compared with networks: names are not resolved for this.
        ("10.0.0.0/8", "https://a.example/", false),
        ("*", "https://a.example/", true),
        ("*", "https://10.1.2.3/", true),
    ] {
        let endpoint = Endpoint::parse(url).unwrap();
        assert_eq!(!proxy(list, None).applies(&endpoint), direct, "{list} {url}");
    }
}

#[test]
fn flags_that_cannot_be_used_are_refused_without_quoting_a_password() {
    for (url, no_proxy, error) in [
        ("proxy.corp:3128", "", ProxyFlagError::Url),
        ("socks5://proxy.corp", "", ProxyFlagError::Url),
        ("http://proxy.corp/path", "", ProxyFlagError::Url),
        ("http://user:canary@proxy.corp", "", ProxyFlagError::UserInfo),
        ("http://proxy.corp", "10.0.0.0/64", ProxyFlagError::Network("10.0.0.0/64".to_owned())),
        ("http://proxy.corp", "https://a.example", ProxyFlagError::Network("https://a.example".to_owned())),
        ("http://proxy.corp", "*.example", ProxyFlagError::Host("*.example".to_owned())),
        ("http://proxy.corp", "a.example:https", ProxyFlagError::Host("a.example:https".to_owned())),
        ("http://proxy.corp", "10.1", ProxyFlagError::Host("10.1".to_owned())),
        ("http://proxy.corp", "a b", ProxyFlagError::Host("a b".to_owned())),
        ("", "a.example", ProxyFlagError::NoProxy),
    ] {
        let found = OutboundProxy::of_flags(Some(url), &[no_proxy.to_owned()], None).unwrap_err();
        assert_eq!(found, error, "{url}");
        assert!(!found.to_string().contains("canary"));
    }
    assert!(OutboundProxy::of_flags(None, &[], None).unwrap().is_none());
    assert_eq!(proxy("", None).name(), "proxy.corp:3128");
    for (url, name, tls) in [
        ("http://proxy.corp", "proxy.corp:80", None),
        ("https://Proxy.corp", "proxy.corp:443", Some("proxy.corp")),
        ("https://[fd00::1]:3128/", "[fd00::1]:3128", Some("fd00::1")),
    ] {
        let proxy = OutboundProxy::of_flags(Some(url), &[], None).unwrap().unwrap();
        assert_eq!(proxy.name(), name);
        assert_eq!(proxy.tls_name(), tls.map(|name| name.try_into().unwrap()), "{url}");
    }
}

#[test]
fn credentials_are_one_line_with_a_colon() {
    let good = "Basic dTpwOncgeA==";
    for (content, expected) in [
        ("u:p:w x", Ok(good)),
        ("u:p:w x\n", Ok(good)),
        ("u:p:w x\r\n", Ok(good)),
        ("u:", Ok("Basic dTo=")),
        ("u:p:w x\n\n", Err(CredentialsFault::Format)),
        ("canary", Err(CredentialsFault::Format)),
        (":canary", Err(CredentialsFault::Format)),
        ("u:a\nb:c", Err(CredentialsFault::Format)),
        ("", Err(CredentialsFault::Format)),
    ] {
        let header = credentials(content.as_bytes()).and_then(|line| basic(&line));
        let found = header.as_ref().map(|header| header.to_str().unwrap()).map_err(|fault| *fault);
        assert_eq!(found, expected, "{content:?}");
        assert!(header.is_err() || format!("{header:?}").contains("Sensitive"));
    }
    assert_eq!(credentials(b"u:\xff"), Err(CredentialsFault::Format));
}

#[test]
fn credentials_file_is_read_again_each_time() {
    let path = std::env::temp_dir().join(format!("tokensource-proxy-{}", std::process::id()));
    let proxy = proxy("", Some(path.clone()));
    assert_eq!(proxy.authorization(), Err(CredentialsFault::Unreadable));
    std::fs::write(&path, "u:1").unwrap();
    let first = proxy.authorization().unwrap().unwrap();
    std::fs::write(&path, "u:2").unwrap();
    assert_ne!(proxy.authorization().unwrap().unwrap(), first);
    std::fs::write(&path, "u:".repeat(2049)).unwrap();
    assert_eq!(proxy.authorization(), Err(CredentialsFault::TooLong));
    std::fs::remove_file(&path).unwrap();
    assert!(!format!("{proxy:?}").contains("u:"));
}

#[test]
fn credentials_in_the_url_are_percent_encoded_and_only_an_http_proxy_has_them() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let url = |content: &str| {
        std::fs::write(file.path(), content).unwrap();
        proxy("", Some(file.path().to_owned())).url_with_credentials().map(|url| url.to_string())
    };
    assert_eq!(url("u:p@s:s/%").unwrap(), "http://u:p%40s%3As%2F%25@proxy.corp:3128/");
    let found = url("canary").unwrap_err();
    assert_eq!(found, ProxyFlagError::Credentials(CredentialsFault::Format));
    assert!(!found.to_string().contains("canary"));
    assert_eq!(proxy("", None).url_with_credentials().unwrap().as_str(), "http://proxy.corp:3128/");
    let over_tls = OutboundProxy::of_flags(Some("https://proxy.corp"), &[], None).unwrap().unwrap();
    assert_eq!(over_tls.url_with_credentials(), Err(ProxyFlagError::ApiServer));
}
