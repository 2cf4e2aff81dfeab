//! Look-ups at a test name server, which does not answer for some names.

use std::net::UdpSocket;
use std::str::FromStr;
use std::sync::mpsc;
use std::time::Instant;

use hickory_resolver::config::ConnectionConfig;
use hickory_resolver::proto::op::{Message, MessageType};
use hickory_resolver::proto::rr::rdata::A;
use hickory_resolver::proto::rr::{RData, Record};

use super::*;

/// Serves on a free port of 127.0.0.1 until the process ends. Names below `silent.example` get no answer, names below
/// `broken.example` get SERVFAIL, `known` names have their address, and all others do not exist. The receiver gets the name of
/// each query.
fn name_server(known: &'static [(&str, [u8; 4])]) -> (u16, mpsc::Receiver<String>) {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    let (asked, names) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            let (length, client) = socket.recv_from(&mut buffer).unwrap();
            let question = Message::from_vec(&buffer[..length]).unwrap();
            let query = question.queries[0].clone();
            let name = query.name().to_string();
            let wants_v4 = query.query_type() == RecordType::A;
            if wants_v4 {
                asked.send(name.clone()).ok();
            }
            if name.ends_with("silent.example.") {
                continue;
            }
            let mut answer = question.clone();
            answer.metadata.message_type = MessageType::Response;
            let address = known.iter().find(|(known, _)| *known == name).map(|(_, address)| *address);
            answer.metadata.response_code = match address {
                _ if name.ends_with("broken.example.") => ResponseCode::ServFail,
                Some(_) => ResponseCode::NoError,
                None => ResponseCode::NXDomain,
            };
            if let Some([a, b, c, d]) = address.filter(|_| wants_v4) {
                let data = RData::A(A(Ipv4Addr::new(a, b, c, d)));
                answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
            }
            socket.send_to(&answer.to_vec().unwrap(), client).unwrap();
        }
    });
    (port, names)
}

/// A resolver that uses this server, with the search domains of a pod in namespace `tokensource`.
fn resolver(port: u16, hosts: &str) -> Resolver {
    let mut udp = ConnectionConfig::udp();
    udp.port = port;
    let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![udp]);
    let search = ["tokensource.svc.cluster.local", "svc.cluster.local", "cluster.local"];
    let search = search.map(|domain| Name::from_str(domain).unwrap()).to_vec();
    let mut read = Hosts::default();
    read.read_hosts_conf(hosts.as_bytes()).unwrap();
    Resolver::new(ResolverConfig::from_parts(None, search, vec![server]), read).unwrap()
}

async fn resolve(resolver: &TenantResolver, name: &str) -> Result<Vec<String>, String> {
    let found = resolver.resolve(name.parse().unwrap()).await.map_err(|error| error.to_string())?;
    Ok(found.map(|address| address.ip().to_string()).collect())
}

#[test]
fn names_without_an_answer_delay_no_other_tenant_and_use_no_threads() {
    // There is one thread for blocking calls, so a look-up that blocked would delay all others.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(names_without_an_answer());
}

async fn names_without_an_answer() {
    let (port, _names) = name_server(&[("provider.example.", [192, 0, 2, 1])]);
    let resolver = resolver(port, "");
    let silent: Vec<_> = (0..1200)
        .map(|index| {
            let tenant = resolver.of(if index % 2 == 0 { "a" } else { "b" });
            tokio::spawn(async move { resolve(&tenant, &format!("n{index}.silent.example")).await })
        })
        .collect();
    // Lets all of them begin to wait.
    tokio::task::yield_now().await;
    let begun = Instant::now();
    let other = resolver.of("other");
    for _ in 0..10 {
        assert_eq!(resolve(&other, "provider.example").await, Ok(vec!["192.0.2.1".to_owned()]));
    }
    assert!(begun.elapsed() < DEADLINE / 2, "{:?}", begun.elapsed());
    for name in silent {
        assert!(name.await.unwrap().is_err(), "each ends at the deadline");
    }
}

#[tokio::test]
async fn abandoned_look_up_returns_its_permits() {
    let (port, _names) = name_server(&[]);
    let resolver = resolver(port, "");
    let tenant = resolver.of("a");
    for index in 0..=TOTAL_LIMIT {
        let name = format!("n{index}.silent.example");
        let abandoned = tokio::time::timeout(Duration::from_millis(1), resolve(&tenant, &name)).await;
        assert!(abandoned.is_err());
    }
    assert_eq!(tenant.share.permits.available_permits(), TENANT_LIMIT);
    assert_eq!(resolver.shared.permits.available_permits(), TOTAL_LIMIT);
}

/// If all permits are in use, a late tenant waits for one look-up of each waiting tenant, not for all their look-ups.
#[tokio::test]
async fn tenants_take_turns_when_all_permits_are_in_use() {
    let (port, _names) = name_server(&[("provider.example.", [192, 0, 2, 1])]);
    let resolver = resolver(port, "");
    let tenants: Vec<_> = (0..TOTAL_LIMIT).map(|index| resolver.of(&index.to_string())).collect();
    let held: Vec<_> = (0..TOTAL_LIMIT).map(|_| resolver.shared.permits.try_acquire().unwrap()).collect();
    for tenant in &tenants[..3] {
        for index in 0..TENANT_LIMIT {
            let (tenant, name) = (tenant.clone(), format!("n{index}.silent.example"));
            tokio::spawn(async move { resolve(&tenant, &name).await });
        }
    }
    tokio::task::yield_now().await;
    let late = tokio::spawn({
        let late = resolver.of("late");
        async move { resolve(&late, "provider.example").await }
    });
    tokio::task::yield_now().await;
    // The late tenant gets a permit after the tenants before it: one permit for each of these, and one for itself.
    drop(held.into_iter().take(4).collect::<Vec<_>>());
    let found = tokio::time::timeout(DEADLINE / 2, late).await.expect("waits for one look-up of each tenant");
    assert_eq!(found.unwrap(), Ok(vec!["192.0.2.1".to_owned()]));
}

#[tokio::test]
async fn search_domains_of_the_cluster_complete_short_names() {
    let known = &[
        ("keycloak.tokensource.svc.cluster.local.", [10, 0, 0, 1]),
        ("keycloak.auth.svc.cluster.local.", [10, 0, 0, 2]),
        ("login.com.svc.cluster.local.", [10, 6, 6, 6]),
        ("login.com.", [192, 0, 2, 1]),
    ];
    let (port, names) = name_server(known);
    let tenant = resolver(port, "127.0.0.1 localhost\n10.0.0.9 alias alias.example\n").of("a");
    let cases = [
        ("keycloak", Ok("10.0.0.1")),
        ("keycloak.auth", Ok("10.0.0.2")),
        ("keycloak.auth.svc", Ok("10.0.0.2")),
        ("keycloak.auth.svc.cluster.local", Ok("10.0.0.2")),
        // `login.com` must not resolve to the Service `login` of the namespace `com`.
        ("login.com", Ok("192.0.2.1")),
        ("localhost", Ok("127.0.0.1")),
        ("alias", Ok("10.0.0.9")),
        ("alias.example", Ok("10.0.0.9")),
        ("nobody.example", Err(())),
    ];
    for (name, address) in cases {
        let found = resolve(&tenant, name).await.map_err(drop);
        assert_eq!(found, address.map(|address| vec![address.to_owned()]), "{name}");
    }
    let asked: Vec<String> = names.try_iter().collect();
    assert!(!asked.iter().any(|name| name.starts_with("login.com.svc")), "{asked:?}");
    assert!(!asked.iter().any(|name| name.contains("localhost") || name.contains("alias")), "{asked:?}");
}

/// A failing name server must not turn a public name into a name of the cluster.
#[tokio::test]
async fn search_domains_are_not_tried_after_a_failure() {
    let (port, names) = name_server(&[("a.broken.example.svc.cluster.local.", [10, 6, 6, 6])]);
    let tenant = resolver(port, "").of("a");
    assert!(resolve(&tenant, "a.broken.example").await.is_err());
    assert!(names.try_iter().all(|name| name == "a.broken.example."));
}

#[test]
fn tenant_without_clients_is_removed() {
    let resolver = resolver(53, "");
    let kept = resolver.of("kept");
    for index in 0..100 {
        drop(resolver.of(&index.to_string()));
    }
    assert!(resolver.tenants.lock().unwrap().len() <= 2);
    assert!(Arc::ptr_eq(&kept.share, &resolver.of("kept").share));
}
