//! The URLs that are accepted, and the hosts that a list allows: tables with look-alikes.

use super::{Endpoint, HostBinding};
use crate::api::reason::Reason;

#[test]
fn https_urls_are_accepted() {
    let cases = [
        ("https://auth.pj.nu/oauth2/token", "auth.pj.nu", 443),
        ("https://AUTH.PJ.NU/oauth2/token", "auth.pj.nu", 443),
        ("HTTPS://auth.pj.nu", "auth.pj.nu", 443),
        ("https://auth.pj.nu:8443/t", "auth.pj.nu", 8443),
        ("https://auth.pj.nu/t?tenant=a%20b&x", "auth.pj.nu", 443),
        ("https://auth.pj.nu/t?contact=a@b", "auth.pj.nu", 443),
        ("https://b\u{fc}cher.example/t", "xn--bcher-kva.example", 443),
        ("https://10.0.0.5/t", "10.0.0.5", 443),
        ("https://[FD00::5]:8443/t", "[fd00::5]", 8443),
        // Other spellings of an address become the usual one, which the address policy then checks.
        ("https://2130706433/", "127.0.0.1", 443),
        ("https://0x7f.1/", "127.0.0.1", 443),
        ("https://0177.0.0.1/", "127.0.0.1", 443),
        ("https://127.1/", "127.0.0.1", 443),
        ("https://127.0.0.1./", "127.0.0.1", 443),
        ("https://[::ffff:127.0.0.1]/", "[::ffff:7f00:1]", 443),
    ];
    for (text, host, port) in cases {
        let endpoint = Endpoint::parse(text).unwrap();
        assert_eq!((endpoint.host(), endpoint.port()), (host, port), "{text}");
    }
}

#[test]
fn other_urls_are_refused() {
    let long = format!("https://a.example/{}", "x".repeat(2048));
    let cases = [
        ("http://a.example/t", Reason::EndpointNotAllowed),
        ("ftp://a.example/t", Reason::EndpointNotAllowed),
        ("wss://a.example/t", Reason::EndpointNotAllowed),
        ("https://user:secret@a.example/t", Reason::EndpointNotAllowed),
        ("https://user@a.example/t", Reason::EndpointNotAllowed),
        ("https://@a.example/t", Reason::EndpointNotAllowed),
        ("https://good.example@a.example/t", Reason::EndpointNotAllowed),
        ("https://a.example/t#f", Reason::EndpointNotAllowed),
        ("https://a.example/t#", Reason::EndpointNotAllowed),
        ("https://a.example./t", Reason::EndpointNotAllowed),
        ("https:a.example/t", Reason::EndpointNotAllowed),
        ("https:///a.example/t", Reason::EndpointNotAllowed),
        ("https:/a.example/?u=https://b.example", Reason::EndpointNotAllowed),
        ("https:\\\\a.example/t", Reason::InvalidSpec),
        ("https://a.example\\@b.example/t", Reason::InvalidSpec),
        ("https://a.example/t\n", Reason::InvalidSpec),
        ("https://a.exa\tmple/t", Reason::InvalidSpec),
        (" https://a.example/t", Reason::InvalidSpec),
        ("https://a.example/a b", Reason::InvalidSpec),
        ("https://a.example/\u{a0}", Reason::InvalidSpec),
        ("https://a.example/\u{0}", Reason::InvalidSpec),
        ("https://a.example/\u{7f}", Reason::InvalidSpec),
        ("https://", Reason::InvalidSpec),
        ("https://a.example:99999/", Reason::InvalidSpec),
        ("https://[::1/", Reason::InvalidSpec),
        ("data:,x", Reason::InvalidSpec),
        ("a.example/t", Reason::InvalidSpec),
        ("//a.example/t", Reason::InvalidSpec),
        ("", Reason::InvalidSpec),
        (&long, Reason::InvalidSpec),
    ];
    for (text, reason) in cases {
        let error = Endpoint::parse(text).expect_err(text);
        assert_eq!(error.reason(), reason, "{text}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn debug_hides_path_and_query() {
    let endpoint = Endpoint::parse("https://a.example/path?key=canary").unwrap();
    assert_eq!(format!("{endpoint:?}"), "Endpoint(a.example:443)");
}

#[test]
fn pairs_are_appended_to_an_existing_query() {
    let cases = [
        ("https://a.example/t", "https://a.example/t?k=a+b%26c"),
        ("https://a.example/t?x=1", "https://a.example/t?x=1&k=a+b%26c"),
    ];
    for (text, expected) in cases {
        let endpoint = Endpoint::parse(text).unwrap();
        assert_eq!(endpoint.with_query([("k", "a b&c")]).url().as_str(), expected);
        assert_eq!(endpoint.with_query([]), endpoint);
    }
}

#[test]
fn list_of_hosts_is_read_up_to_its_hundredth_entry() {
    let endpoint = Endpoint::parse("https://example.com/t").unwrap();
    let after = |count: usize| HostBinding::parse(&format!("{}example.com", "a.example,".repeat(count)));
    assert!(after(99).allows(&endpoint));
    assert!(!after(100).allows(&endpoint));
    let long = format!("{}example.com", " ".repeat(290));
    assert!(!HostBinding::parse(&long).allows(&endpoint), "an entry longer than any name");
}

/// Each case: a value of `allowed-hosts`, a URL, and whether the value allows the URL. Most refused hosts resemble the listed
/// host.
#[test]
fn list_allows_exactly_the_hosts_that_it_names() {
    let cases: &[(&str, &str, bool)] = &[
        ("example.com", "https://example.com/t", true),
        ("EXAMPLE.com", "https://example.com/t", true),
        ("example.com", "https://EXAMPLE.COM/t", true),
        ("example.com", "https://example.com:8443/t", true),
        (" a.example ,\n example.com\t", "https://example.com/t", true),
        (",,example.com,", "https://example.com/t", true),
        ("example.com", "https://evil-example.com/t", false),
        ("example.com", "https://evilexample.com/t", false),
        ("example.com", "https://example.com.evil.io/t", false),
        ("example.com", "https://www.example.com/t", false),
        ("example.com", "https://example.co/t", false),
        ("example.com", "https://evil.io/example.com", false),
        ("example.com", "https://evil.io/?example.com", false),
        ("ex\u{e4}mple.com", "https://xn--exmple-cua.com/", true),
        ("example.com", "https://ex\u{430}mple.com/", false),
        // one label
        ("*.example.com", "https://a.example.com/t", true),
        ("*.Example.COM", "https://A.example.com/t", true),
        ("*.example.com", "https://example.com/t", false),
        ("*.example.com", "https://a.b.example.com/t", false),
        ("*.example.com", "https://evil-example.com/t", false),
        ("*.example.com", "https://.example.com/t", false),
        ("*.example.com", "https://a.example.com.evil.io/t", false),
        ("*.0.0.1", "https://127.0.0.1/t", false),
        // ports
        ("example.com:443", "https://example.com/t", true),
        ("example.com:443", "https://example.com:443/t", true),
        ("example.com:8443", "https://example.com:8443/t", true),
        ("example.com:8443", "https://example.com/t", false),
        ("*.example.com:8443", "https://a.example.com:8443/t", true),
        ("*.example.com:8443", "https://a.example.com/t", false),
        // addresses
        ("10.0.0.5", "https://10.0.0.5/t", true),
        ("10.0.0.5:8443", "https://10.0.0.5:8443/t", true),
        ("10.0.0.5", "https://10.0.0.50/t", false),
        ("[fd00::5]", "https://[fd00::5]/t", true),
        ("[FD00::5]:8443", "https://[fd00::5]:8443/t", true),
        ("[fd00::5]:8443", "https://[fd00::5]/t", false),
        ("fd00::5", "https://[fd00::5]/t", false),
        // entries that cannot be parsed
        ("", "https://example.com/t", false),
        ("*", "https://example.com/t", false),
        ("*", "https://localhost/t", false),
        ("*.", "https://example.com/t", false),
        ("*.*", "https://example.com/t", false),
        ("*.*.com", "https://a.example.com/t", false),
        ("a*.example.com", "https://ab.example.com/t", false),
        ("example.com.", "https://example.com/t", false),
        ("https://example.com", "https://example.com/t", false),
        ("https://example.com", "https://https/t", false),
        ("example.com/t", "https://example.com/t", false),
        ("user@example.com", "https://example.com/t", false),
        ("example.com:", "https://example.com/t", false),
        ("example.com:+443", "https://example.com/t", false),
        ("example.com:https", "https://example.com/t", false),
        ("example.com:65979", "https://example.com/t", false),
        ("ex%61mple.com", "https://example.com/t", false),
        ("a.example example.com", "https://example.com/t", false),
        ("a.example;example.com", "https://example.com/t", false),
    ];
    for (annotation, url, allowed) in cases {
        let endpoint = Endpoint::parse(url).unwrap();
        assert_eq!(HostBinding::parse(annotation).allows(&endpoint), *allowed, "{annotation:?} and {url}");
    }
}

#[test]
fn one_list_allows_another_one_or_names_its_first_host_beyond() {
    for (owner, wanted, beyond) in [
        ("a.example", "", None),
        ("", "a.example", Some("a.example")),
        ("a.example", "A.Example", None),
        ("a.example, b.example", "b.example,c.example,d.example", Some("c.example")),
        ("*.example", "a.example", None),
        ("*.example", "a.b.example", Some("a.b.example")),
        ("*.example", "*.example", None),
        ("a.example", "*.example", Some("*.example")),
        ("*.example", "*.a.example", Some("*.a.example")),
        ("a.example", "a.example:8443", None),
        ("a.example:8443", "a.example:8443", None),
        ("a.example:8443", "a.example", Some("a.example")),
        ("a.example:8443", "a.example:443", Some("a.example:443")),
        ("[fd00::1]", "[fd00::1]:8443", None),
        // No host matches an entry that cannot be read.
        ("a.example", "*, %,jwt:https://x", None),
    ] {
        let found = HostBinding::parse(owner).first_not_allowed(&HostBinding::parse(wanted));
        assert_eq!(found.as_deref(), beyond, "{owner}: {wanted}");
    }
}
