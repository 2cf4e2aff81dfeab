//! Objects that the API server accepts and a client cannot decode, and names that forge output.

use serde_json::{Value, json};

use crate::tenant::{Kind, Tenant};

/// Deeper than JSON parsers usually accept.
const DEPTHS: (u64, u64) = (130, 400);

pub(crate) async fn deep_claims(mut tenant: Tenant) {
    let claims = |value: Value| json!({"assertionGrant": {"claims": {"claim": value}}});
    for number in 0..5 {
        tenant
            .create(Kind::Source, &tenant.source(number, &json!({"provider": claims(json!("flat"))})))
            .await;
        let mut provider = json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenProvider",
            "metadata": {"name": tenant.name(number)}, "spec": crate::world::block(&tenant.world.wild),
        });
        json_patch::merge(&mut provider["spec"], &claims(json!("flat")));
        tenant.create(Kind::Provider, &provider).await;
    }
    loop {
        let depth = tenant.random.between(DEPTHS.0, DEPTHS.1);
        let (name, claims) = (tenant.any(5), claims(deep(depth, "claim")));
        tenant.patch(Kind::Source, &name, &json!({"spec": {"provider": claims}})).await;
        tenant.patch(Kind::Provider, &name, &json!({"spec": claims})).await;
        tenant.pause(200).await;
    }
}

/// The ownership records of server-side apply, which anyone who may patch an object may write.
pub(crate) async fn deep_fields(mut tenant: Tenant) {
    let mut provider = tenant.source(0, &json!({}));
    provider["kind"] = json!("TokenProvider");
    provider["spec"] = crate::world::block(&tenant.world.wild);
    tenant.create(Kind::Provider, &provider).await;
    tenant.sources(1, &json!({})).await;
    let named = |kind: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": tenant.name(0)}});
    tenant.create(Kind::Secret, &named("Secret")).await;
    tenant.create(Kind::ConfigMap, &named("ConfigMap")).await;
    tenant.create(Kind::ServiceAccount, &named("ServiceAccount")).await;
    let kinds =
        [Kind::Source, Kind::Provider, Kind::Secret, Kind::ConfigMap, Kind::ServiceAccount, Kind::Namespace];
    loop {
        let (kind, depth) = (tenant.random.one_of(&kinds), tenant.random.between(DEPTHS.0, DEPTHS.1));
        let version =
            if matches!(kind, Kind::Source | Kind::Provider) { "tokensource.dev/v1alpha1" } else { "v1" };
        let entry = json!({
            "manager": "somebody", "operation": "Update", "apiVersion": version, "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": deep(depth, "f:a"),
        });
        let name = if kind == Kind::Namespace { tenant.world.hostile.clone() } else { tenant.name(0) };
        tenant.patch(kind, &name, &json!({"metadata": {"managedFields": [entry]}})).await;
        tenant.pause(150).await;
    }
}

pub(crate) async fn bad_status_times(mut tenant: Tenant) {
    let times = [
        "2026-01-01T00:00:00+99:99",
        "9999-12-31T23:59:60-23:59",
        "2026-02-30T00:00:00Z",
        "0000-01-01T00:00:00Z",
    ];
    tenant.sources(5, &json!({})).await;
    loop {
        let (name, time) = (tenant.any(5), tenant.random.one_of(&times));
        tenant
            .patch_status(&name, &json!({"status": {"renewAt": time, "retryAt": time, "expiresAt": time}}))
            .await;
        tenant.pause(200).await;
    }
}

/// A line feed starts a line in a log; escape sequences control a terminal.
pub(crate) async fn forged_names(tenant: Tenant) {
    let names = [
        "x\nFORGED 2026-01-01T00:00:00Z  INFO tokensource: all is well",
        "x\r\nFORGED",
        "\u{1b}]0;owned\u{7}",
        "\u{1b}[2J\u{1b}[1;1Howned",
        "x\u{2028}FORGED\u{202e}",
    ];
    for (number, name) in names.into_iter().enumerate() {
        for (at, kind) in ["TokenProvider", "ClusterTokenProvider"].into_iter().enumerate() {
            let mut source = tenant.source(number * 2 + at, &json!({"provider": null}));
            source["spec"]["providerRef"] = json!({"kind": kind, "name": name});
            tenant.create(Kind::Source, &source).await;
        }
        let more = json!({
            "token": {"audience": name, "resources": [name]}, "clientId": name,
            "credentialsRef": {"keys": {"clientSecret": name}},
        });
        tenant.create(Kind::Source, &tenant.source(100 + number, &more)).await;
        let path = tenant.world.wild.url(&format!("/{}", name.replace(' ', "")));
        let more = json!({"provider": {"tokenEndpoint": path}});
        tenant.create(Kind::Source, &tenant.source(200 + number, &more)).await;
        let asked = json!({"metadata": {"annotations": {"tokensource.dev/renew-requested-at": name}}});
        tenant.patch(Kind::Source, &tenant.name(100 + number), &asked).await;
    }
}

/// An object in an object, this many times.
fn deep(depth: u64, key: &str) -> Value {
    (0..depth).fold(json!({}), |inner, _| json!({key: inner}))
}
