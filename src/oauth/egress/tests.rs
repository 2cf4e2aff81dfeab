//! The addresses that may be connected to: tables of literals, unusual spellings and hostile resolvers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{AddressPolicy, AddressRefused, GuardedResolver, Refusal};
use crate::api::reason::Reason;
use crate::oauth::endpoint::Endpoint;

fn networks(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn policy(allow: &[&str], deny: &[&str]) -> AddressPolicy {
    AddressPolicy { allow: networks(allow), deny: networks(deny) }
}

#[test]
fn addresses_refused_by_default() {
    let cases = [
        ("127.0.0.1", Refusal::Loopback),
        ("127.255.255.254", Refusal::Loopback),
        ("::1", Refusal::Loopback),
        ("169.254.0.1", Refusal::LinkLocal),
        ("169.254.169.254", Refusal::LinkLocal),
        ("169.254.170.23", Refusal::LinkLocal),
        ("fe80::1", Refusal::LinkLocal),
        ("febf::1", Refusal::LinkLocal),
        ("168.63.129.16", Refusal::Metadata),
        ("100.100.100.200", Refusal::Metadata),
        ("192.0.0.192", Refusal::Metadata),
        ("fd00:ec2::254", Refusal::Metadata),
        ("fd00:ec2::23", Refusal::Metadata),
        ("fd20:ce::254", Refusal::Metadata),
        ("fd00:42::42", Refusal::Metadata),
        ("fd00:c1::a9fe:a9fe", Refusal::Metadata),
        ("fd00:a9fe:a9fe::1", Refusal::Metadata),
        ("fd00:100::100:200", Refusal::Metadata),
        ("224.0.0.1", Refusal::Multicast),
        ("239.255.255.255", Refusal::Multicast),
        ("ff02::1", Refusal::Multicast),
        ("0.0.0.0", Refusal::Unspecified),
        ("0.255.255.255", Refusal::Unspecified),
        ("::", Refusal::Unspecified),
        ("240.0.0.1", Refusal::Reserved),
        ("255.255.255.255", Refusal::Reserved),
        ("192.0.0.1", Refusal::Reserved),
        ("192.0.0.170", Refusal::Reserved),
        ("198.18.0.1", Refusal::Reserved),
        ("198.19.255.255", Refusal::Reserved),
        ("169.254.169.252", Refusal::LinkLocal),
        ("fe80::a9fe:a9fe", Refusal::LinkLocal),
        // IPv4 inside IPv6
        ("::ffff:127.0.0.1", Refusal::Loopback),
        ("::ffff:169.254.169.254", Refusal::LinkLocal),
        ("::127.0.0.1", Refusal::Loopback),
        ("64:ff9b::127.0.0.1", Refusal::Loopback),
        ("64:ff9b::169.254.169.254", Refusal::LinkLocal),
        ("64:ff9b:1::169.254.169.254", Refusal::LinkLocal),
        ("64:ff9b:1:2:3:4:a9fe:a9fe", Refusal::LinkLocal),
        ("2002:7f00:1::", Refusal::Loopback),
        ("2002:a9fe:a9fe::1", Refusal::LinkLocal),
        ("2002:a83f:8110::1", Refusal::Metadata),
        // SIIT (RFC 2765).
        ("::ffff:0:127.0.0.1", Refusal::Loopback),
        ("::ffff:0:169.254.169.254", Refusal::LinkLocal),
        ("::ffff:0:0.0.0.0", Refusal::Unspecified),
        ("::ffff:0.0.0.0", Refusal::Unspecified),
        ("64:ff9b::0.0.0.0", Refusal::Unspecified),
        ("64:ff9b::224.0.0.1", Refusal::Multicast),
        ("::255.255.255.255", Refusal::Reserved),
        // NAT64 under the local-use prefix, for prefixes of 48, 56 and 64 bits (RFC 6052, section 2.2).
        ("64:ff9b:1:a9fe:a9:fe00::", Refusal::LinkLocal),
        ("64:ff9b:1:7f00:0:100::", Refusal::Loopback),
        ("64:ff9b:1:aa9:fe:a9fe::", Refusal::LinkLocal),
        ("64:ff9b:1:aaaa:a9:fea9:fe00:0", Refusal::LinkLocal),
        // Teredo (RFC 4380): the client's address is inverted.
        ("2001:0:102:304:0:0:5601:5601", Refusal::LinkLocal),
        ("2001:0:102:304:0:0:80ff:fffe", Refusal::Loopback),
        ("2001:0:7f00:1:0:0:fefe:fefe", Refusal::Loopback),
        // ISATAP (RFC 5214).
        ("2606:4700::5efe:127.0.0.1", Refusal::Loopback),
        ("fd00::200:5efe:169.254.169.254", Refusal::LinkLocal),
    ];
    for (address, refusal) in cases {
        assert_eq!(AddressPolicy::default().refusal(address.parse().unwrap()), Some(refusal), "{address}");
    }
}

#[test]
fn addresses_permitted_by_default() {
    let cases = [
        "1.1.1.1",
        "10.0.0.5",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "168.63.129.17",
        "126.255.255.255",
        "128.0.0.1",
        "223.255.255.255",
        "169.253.255.255",
        "2606:4700::1111",
        "fd00::5",
        "fd00:ec3::254",
        "fec0::1",
        "::ffff:10.0.0.5",
        "64:ff9b::1.1.1.1",
        "2002:101:101::1",
        "192.0.1.1",
        "198.17.255.255",
        "198.20.0.1",
        "100.100.100.201",
        "fd00:42::43",
        "::ffff:0:10.0.0.5",
        "64:ff9b:1::10.0.0.5",
        "64:ff9b:1:a00:0:500::",
        "2001:0:102:304:0:0:fefe:fefe",
        "2001:1::1",
        "2606:4700::5eff:7f00:1",
    ];
    for address in cases {
        assert!(AddressPolicy::default().refusal(address.parse().unwrap()).is_none(), "{address}");
    }
}

#[test]
fn flags_of_the_operator_permit_and_refuse_addresses() {
    let cases: &[(&[&str], &[&str], &str, bool)] = &[
        (&[], &["10.0.0.0/8"], "10.1.2.3", false),
        (&[], &["10.0.0.0/8"], "11.1.2.3", true),
        (&[], &["10.0.0.0/8"], "::ffff:10.1.2.3", false),
        (&[], &["10.0.0.0/8"], "64:ff9b::10.1.2.3", false),
        (&[], &["fc00::/7"], "fd00::5", false),
        (&[], &["0.0.0.0/0", "::/0"], "1.1.1.1", false),
        (&["1.1.1.1/32"], &["0.0.0.0/0", "::/0"], "1.1.1.1", true),
        (&["10.1.0.0/16"], &["10.0.0.0/8"], "10.1.2.3", true),
        (&["10.1.0.0/16"], &["10.0.0.0/8"], "10.2.2.3", false),
        (&["127.0.0.0/8"], &[], "127.0.0.1", true),
        (&["127.0.0.0/8"], &[], "::1", false),
        (&["127.0.0.0/8"], &[], "::ffff:127.0.0.1", true),
        (&["169.254.169.254/32"], &[], "169.254.169.254", true),
        (&["::1/128"], &[], "::1", true),
        // The outer address is refused although the embedded one is permitted.
        (&["10.0.0.0/8"], &["64:ff9b::/96"], "64:ff9b::10.1.2.3", false),
        (&["64:ff9b::/96"], &["10.0.0.0/8"], "64:ff9b::10.1.2.3", true),
    ];
    for (allow, deny, address, permitted) in cases {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(
            policy(allow, deny).refusal(address).is_none(),
            *permitted,
            "{allow:?} {deny:?} {address}"
        );
    }
}

#[test]
fn literal_hosts_are_checked_in_every_spelling() {
    let refused = [
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1.:8443/",
        "https://\u{ff11}27.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://169.254.169.254/latest/meta-data",
    ];
    for text in refused {
        let endpoint = Endpoint::parse(text).unwrap();
        let error = AddressPolicy::default().check_literal(&endpoint).expect_err(text);
        assert_eq!(error.reason(), Reason::EndpointNotAllowed, "{text}: {error}");
        assert_eq!(policy(&["0.0.0.0/0", "::/0"], &[]).check_literal(&endpoint), Ok(()), "{text}");
    }
    for text in ["https://10.0.0.5/", "https://[fd00::5]/", "https://localhost/", "https://127.0.0.1.nip.io/"]
    {
        assert_eq!(AddressPolicy::default().check_literal(&Endpoint::parse(text).unwrap()), Ok(()), "{text}");
    }
}

/// A resolver that an attacker controls.
struct HostileResolver(Vec<SocketAddr>);

impl Resolve for HostileResolver {
    fn resolve(&self, _: Name) -> Resolving {
        let answer = self.0.clone();
        Box::pin(async move { Ok(Box::new(answer.into_iter()) as Addrs) })
    }
}

async fn resolve(answer: &[&str]) -> Result<Vec<String>, Box<dyn std::error::Error + Send + Sync>> {
    let answer = answer.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect();
    let guarded = GuardedResolver::new(Arc::default(), Arc::new(HostileResolver(answer)));
    let addresses = guarded.resolve("provider.example".parse().unwrap()).await?;
    Ok(addresses.map(|address| address.ip().to_string()).collect())
}

#[tokio::test]
async fn only_permitted_addresses_are_returned() {
    let mixed = resolve(&["127.0.0.1", "1.1.1.1", "::ffff:169.254.169.254", "10.0.0.5"]).await.unwrap();
    assert_eq!(mixed, ["1.1.1.1", "10.0.0.5"]);

    let refused = resolve(&["127.0.0.1", "fd00:ec2::254"]).await.unwrap_err();
    assert_eq!(refused.downcast_ref(), Some(&AddressRefused(Refusal::Metadata)));

    let empty = resolve(&[]).await.unwrap_err();
    assert!(empty.downcast_ref::<AddressRefused>().is_none(), "an empty result is not a refusal");
}

#[tokio::test]
async fn system_resolver_is_guarded() {
    let guarded = GuardedResolver::system(Arc::default());
    let Err(error) = guarded.resolve("localhost".parse().unwrap()).await else {
        panic!("localhost was resolved");
    };
    assert_eq!(error.downcast_ref(), Some(&AddressRefused(Refusal::Loopback)));
}
