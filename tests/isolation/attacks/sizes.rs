//! Large amounts: long fields, many cache keys, many clients of the admin port.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use tokensource_kit::scripted_provider::Answer;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use crate::tenant::{Kind, Tenant};
use crate::world::TOKEN;

/// Small numbers take 32 bytes each once they are decoded.
pub(crate) async fn huge_claims(mut tenant: Tenant) {
    let numbers = Value::Array(vec![json!(1); 680_000]);
    for number in 0..24 {
        let claims = json!({"assertionGrant": {"claims": {"claim": numbers}}});
        let source = tenant.source(number, &json!({"suspend": true, "provider": claims}));
        tenant.create(Kind::Source, &source).await;
        let pause = tenant.random.between(100, 800);
        tenant.pause(pause).await;
    }
}

pub(crate) async fn huge_allowed_hosts(mut tenant: Tenant) {
    let hosts = vec!["a.example.com"; 250_000 / 14].join(",");
    for number in 0..tenant.crowd(200) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": tenant.name(number), "annotations": {"tokensource.dev/allowed-hosts": hosts}},
        });
        tenant.create(Kind::Secret, &secret).await;
        let more = json!({"credentialsRef": {"name": tenant.name(number)}});
        tenant.create(Kind::Source, &tenant.source(number, &more)).await;
        let pause = tenant.random.between(20, 200);
        tenant.pause(pause).await;
    }
}

/// The API server writes each of these characters as six bytes, in every event of the watch.
pub(crate) async fn escaped_owners(tenant: Tenant) {
    let owner = json!({"apiVersion": "nobody.example/v1", "kind": "Nobody", "name": "n", "uid": "<".repeat(1_400_000)});
    loop {
        for number in 0..16 {
            let secret = json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": tenant.name(number), "ownerReferences": [owner]},
            });
            tenant.create(Kind::Secret, &secret).await;
            tenant.pause(300).await;
        }
        for number in 0..16 {
            tenant.delete(Kind::Secret, &tenant.name(number)).await;
        }
    }
}

/// A label and a finalizer are short, but an object may have tens of thousands of them.
pub(crate) async fn many_labels(tenant: Tenant) {
    let labels: BTreeMap<String, &str> =
        (0..16_000).map(|at| (format!("example.com/{at:0>50}"), "x")).collect();
    let finalizers = vec!["a/b"; 150_000];
    for number in 0..tenant.crowd(100) {
        let mut provider = tenant.source(number, &json!({}));
        provider["kind"] = json!("TokenProvider");
        provider["metadata"]["labels"] = json!(labels);
        provider["spec"] = crate::world::block(&tenant.world.wild);
        tenant.create(Kind::Provider, &provider).await;
        let mut source = tenant.source(number, &json!({"suspend": true}));
        source["metadata"]["finalizers"] = json!(finalizers);
        tenant.create(Kind::Source, &source).await;
        tenant.pause(300).await;
    }
}

/// A client is kept for each host, port and set of authorities.
pub(crate) async fn bundle_ports(mut tenant: Tenant) {
    let pem = tenant.world.authority.pem();
    // Many certificates, all good.
    let bundle: String =
        (0..100).map(|_| tenant.world.authority.issue(&["localhost"]).certificate_pem).collect();
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bundle"},
        "data": {"ca.crt": format!("{bundle}{pem}")},
    });
    tenant.create(Kind::ConfigMap, &map).await;
    let any_port = json!({"metadata": {"annotations": {"tokensource.dev/allowed-hosts": "localhost"}}});
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": tenant.name(0)},
        "stringData": {"client_secret": "not-that-of-anybody"},
    });
    tenant.create(Kind::Secret, &secret).await;
    tenant.patch(Kind::Secret, &tenant.name(0), &any_port).await;
    let tls = json!({"caBundle": null, "caBundleRef": {"name": "bundle", "key": "ca.crt"}});
    for number in 0.. {
        let port = tenant.random.between(1_024, 65_536);
        let more = json!({
            "credentialsRef": {"name": tenant.name(0)},
            "provider": {"tokenEndpoint": format!("https://localhost:{port}/token"), "tls": tls},
        });
        if number < tenant.crowd(200) {
            tenant.create(Kind::Source, &tenant.source(number, &more)).await;
        } else {
            let name = tenant.any(tenant.crowd(200));
            tenant.patch(Kind::Source, &name, &json!({"spec": more})).await;
        }
        tenant.pause(100).await;
    }
}

/// Metadata is cached by the issuer's URL.
pub(crate) async fn issuer_urls(tenant: Tenant) {
    for number in 0.. {
        let path = format!("/issuer-{number}");
        let issuer = tenant.world.wild.url(&path);
        let padding: Vec<String> = (0..2_000).map(|at| format!("https://localhost/{number}/{at}")).collect();
        let metadata = json!({
            "issuer": issuer, "token_endpoint": tenant.world.wild.url(TOKEN), "scopes_supported": padding,
        });
        for well_known in ["oauth-authorization-server", "openid-configuration"] {
            let at = [format!("/.well-known/{well_known}{path}"), format!("{path}/.well-known/{well_known}")];
            for at in at {
                tenant.world.wild.always(&at, Answer::json(200, &metadata));
            }
        }
        let provider = json!({"tokenEndpoint": null, "issuer": issuer});
        let count = tenant.crowd(100);
        if number < count {
            tenant.create(Kind::Source, &tenant.source(number, &json!({"provider": provider}))).await;
        } else {
            let name = tenant.name(number % count);
            tenant.patch(Kind::Source, &name, &json!({"spec": {"provider": provider}})).await;
        }
        tenant.pause(200).await;
    }
}

/// Many references to objects that do not exist.
pub(crate) async fn many_references(mut tenant: Tenant) {
    let count = tenant.crowd(300);
    tenant.sources(count, &json!({"credentialsRef": {"name": "nobodys"}})).await;
    loop {
        let (name, other) = (tenant.any(count), format!("nobodys-{}", tenant.random.between(0, 1 << 40)));
        let tls = json!({"caBundle": null, "caBundleRef": {"name": other, "key": "ca.crt"}, "clientCertificateRef": {"name": other}});
        let spec =
            json!({"credentialsRef": {"name": other}, "provider": {"tls": tls}, "target": {"name": other}});
        tenant.patch(Kind::Source, &name, &json!({"spec": spec})).await;
        tenant.pause(100).await;
    }
}

/// Clients of the admin port, from 30 addresses, that begin a header and never end it.
pub(crate) async fn half_open_clients(mut tenant: Tenant) {
    let mut open = JoinSet::new();
    loop {
        while open.len() < 600 {
            let to = tenant.world.controller.address().parse().expect("an address");
            let (from, size) = (another_pod(&mut tenant), tenant.random.between(350, 400));
            tenant.count("connections");
            open.spawn(async move {
                let socket = TcpSocket::new_v4().expect("a socket");
                socket.bind(SocketAddr::from((from, 0))).expect("a loopback address");
                let Ok(mut stream) = socket.connect(to).await else { return };
                let header = "x".repeat(usize::try_from(size).expect("KiB") * 1024);
                let head = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Half: {header}");
                let _ = stream.write_all(head.as_bytes()).await;
                // The connection stays open until the server closes it.
                let _ = stream.readable().await;
            });
            tenant.pause(5).await;
        }
        open.join_next().await;
    }
}

/// Anyone who reaches the port may read all metrics.
pub(crate) async fn metric_scrapes(mut tenant: Tenant) {
    let url = format!("http://{}/metrics", tenant.world.controller.address());
    loop {
        let scrapes = (0..8).map(|_| {
            let client =
                reqwest::Client::builder().no_proxy().local_address(IpAddr::from(another_pod(&mut tenant)));
            client.build().expect("a client").get(&url).send()
        });
        for scrape in futures::future::join_all(scrapes.collect::<Vec<_>>()).await {
            let well = scrape.is_ok_and(|answer| answer.status().is_success());
            tenant.count(if well { "scraped" } else { "refused" });
        }
        tenant.pause(100).await;
    }
}

/// Returns an address for another pod: the kubelet's probes use 127.0.0.1 here.
fn another_pod(tenant: &mut Tenant) -> Ipv4Addr {
    let last = tenant.random.between(1, 31);
    Ipv4Addr::new(127, 66, 0, u8::try_from(last).expect("a small number"))
}
