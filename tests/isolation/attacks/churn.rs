//! Changes at a constant rate: of renewal requests, labels, targets, shared objects, and TokenSources.

use serde_json::{Value, json};

use crate::tenant::{Kind, Tenant};
use crate::world::{block, target_of};

/// The shortest pause between two changes, in milliseconds.
const RATE: u64 = 50;

pub(crate) async fn renewal_requests(mut tenant: Tenant) {
    let count = tenant.crowd(50);
    tenant.sources(count, &json!({})).await;
    loop {
        let (name, value) = (tenant.any(count), tenant.random.between(0, 1 << 40).to_string());
        tenant.patch(Kind::Source, &name, &annotated("tokensource.dev/renew-requested-at", &value)).await;
        tenant.pause(RATE).await;
    }
}

/// Objects that enter and leave the controller's selector.
pub(crate) async fn selector_left(mut tenant: Tenant) {
    let count = tenant.crowd(200);
    tenant.sources(count, &json!({})).await;
    loop {
        let (name, place) = (tenant.any(count), tenant.random.one_of(&["left", "there"]));
        tenant.patch(Kind::Source, &name, &json!({"metadata": {"labels": {"isolation": place}}})).await;
        tenant.pause(RATE).await;
    }
}

pub(crate) async fn altered_targets(mut tenant: Tenant) {
    let count = tenant.crowd(60);
    tenant.sources(count, &json!({})).await;
    loop {
        let target = target_of(&tenant.any(count));
        let patch = match tenant.random.between(0, 3) {
            0 => None,
            1 => Some(json!({"data": {"access_token": "YWx0ZXJlZA=="}})),
            _ => Some(annotated("tokensource.dev/token-since", "2026-01-01T00:00:00.5Z")),
        };
        match patch {
            Some(patch) => tenant.patch(Kind::Secret, &target, &patch).await,
            None => tenant.delete(Kind::Secret, &target).await,
        }
        tenant.pause(RATE * 4).await;
    }
}

/// Many TokenSources with the same target, which has no owner at times.
pub(crate) async fn shared_targets(mut tenant: Tenant) {
    let count = tenant.crowd(150);
    tenant.sources(count, &json!({"target": {"name": "contested"}})).await;
    loop {
        tenant.delete(Kind::Secret, "contested").await;
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "contested"}});
        if tenant.random.between(0, 2) == 0 {
            tenant.create(Kind::Secret, &secret).await;
        }
        tenant.pause(RATE * 20).await;
    }
}

/// Labels and annotations of hundreds of TokenSources and Secrets, and of the namespace.
pub(crate) async fn labels(mut tenant: Tenant) {
    let count = tenant.crowd(150);
    tenant.sources(count, &json!({})).await;
    for number in 0..count {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": tenant.name(number)}});
        tenant.create(Kind::Secret, &secret).await;
    }
    loop {
        let (name, value) = (tenant.any(count), tenant.random.between(0, 1 << 40).to_string());
        let (kind, name) = match tenant.random.between(0, 4) {
            0 => (Kind::Source, name),
            1 => (Kind::Secret, name),
            2 => (Kind::Secret, target_of(&name)),
            _ => (Kind::Namespace, tenant.world.hostile.clone()),
        };
        let metadata = json!({"metadata": {"labels": {"changed": value}, "annotations": {"changed": value}}});
        tenant.patch(kind, &name, &metadata).await;
        tenant.pause(RATE).await;
    }
}

/// A Secret, a ConfigMap and a `TokenProvider` that hundreds of TokenSources refer to.
pub(crate) async fn shared_inputs(mut tenant: Tenant) {
    let (count, name) = (tenant.crowd(200), tenant.name(0));
    let hosts = tenant.world.wild.host();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {"client_secret": "a-secret-of-many"},
        "metadata": {"name": name, "annotations": {"tokensource.dev/allowed-hosts": hosts}},
    });
    tenant.create(Kind::Secret, &secret).await;
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
        "data": {"ca.crt": tenant.world.wild.ca_pem()},
    });
    tenant.create(Kind::ConfigMap, &map).await;
    let mut provider = json!({
        "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenProvider",
        "metadata": {"name": name}, "spec": block(&tenant.world.wild),
    });
    provider["spec"]["tls"] = json!({"caBundleRef": {"name": name, "key": "ca.crt"}});
    tenant.create(Kind::Provider, &provider).await;
    let more = json!({"provider": null, "credentialsRef": {"name": name}});
    for number in 0..count {
        let mut source = tenant.source(number, &more);
        source["spec"]["providerRef"] = json!({"kind": "TokenProvider", "name": name});
        tenant.create(Kind::Source, &source).await;
    }
    loop {
        let value = tenant.random.between(0, 1 << 40).to_string();
        let (kind, patch) = match tenant.random.between(0, 4) {
            0 => (Kind::Secret, json!({"stringData": {"client_secret": format!("secret-{value}")}})),
            1 => {
                let pem = format!("{}\n# {value}\n", tenant.world.wild.ca_pem());
                (Kind::ConfigMap, json!({"data": {"ca.crt": pem}}))
            }
            2 => (Kind::Provider, json!({"spec": {"parameters": [{"name": "changed", "value": value}]}})),
            _ => (Kind::Provider, annotated("changed", &value)),
        };
        tenant.patch(kind, &name, &patch).await;
        tenant.pause(RATE * 10).await;
    }
}

/// Tokens that live only 20 s, and TokenSources that are created and deleted.
pub(crate) async fn short_lives(mut tenant: Tenant) {
    let count = tenant.crowd(200);
    tenant.sources(count, &json!({"clientId": "short"})).await;
    loop {
        let name = tenant.any(count);
        let number: usize =
            name.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default();
        tenant.delete(Kind::Source, &name).await;
        tenant.create(Kind::Source, &tenant.source(number, &json!({"clientId": "short"}))).await;
        tenant.pause(RATE * 4).await;
    }
}

fn annotated(key: &str, value: &str) -> Value {
    json!({"metadata": {"annotations": {key: value}}})
}
