//! Providers, names and webhooks that answer wrongly or never, and clients that are refused while others are served.

use std::time::Duration;

use serde_json::{Value, json};
use tokensource_kit::scripted_provider::Answer;

use crate::tenant::{Kind, Tenant};
use crate::world::{SHARED, TOKEN, block, block_at};

/// TokenSources at the victim's host whose authors forgot `caBundle`.
pub(crate) async fn forgotten_bundle(mut tenant: Tenant) {
    let provider = block_at(&tenant.world.host.url(TOKEN), None);
    for number in 0..40 {
        tenant.create(Kind::Source, &with_provider(&tenant, number, &provider)).await;
    }
    ask_again(&mut tenant, 40, 500).await;
}

/// A provider that fails for one audience.
pub(crate) async fn refused_audience(mut tenant: Tenant) {
    at_shared_providers(&tenant, 24, &json!({"token": {"audience": "broken"}})).await;
    ask_again(&mut tenant, 24, 500).await;
}

/// A client whose every request is answered 503.
pub(crate) async fn unavailable_client(mut tenant: Tenant) {
    let count = tenant.crowd(400);
    at_shared_providers(&tenant, count, &json!({"clientId": "unavailable"})).await;
    ask_again(&mut tenant, count, 500).await;
}

/// A client whose every request is answered 429.
pub(crate) async fn limited_client(mut tenant: Tenant) {
    let count = tenant.crowd(500);
    at_shared_providers(&tenant, count, &json!({"clientId": "limited"})).await;
    ask_again(&mut tenant, count, 500).await;
}

/// Creates half of the TokenSources at the `ClusterTokenProvider` of both namespaces, and half at the host that the victim
/// uses, too.
async fn at_shared_providers(tenant: &Tenant, count: usize, more: &Value) {
    for number in 0..count {
        let mut source = if number % 2 == 0 {
            with_provider(tenant, number, &block(&tenant.world.host))
        } else {
            let shared = json!({"kind": "ClusterTokenProvider", "name": SHARED});
            tenant.source(number, &json!({"provider": null, "providerRef": shared}))
        };
        json_patch::merge(&mut source["spec"], more);
        tenant.create(Kind::Source, &source).await;
    }
}

/// An admission webhook that hangs at each write of the controller for these objects.
pub(crate) async fn hanging_webhook(mut tenant: Tenant) {
    let world = &tenant.world;
    world.wild.always("/webhook", Answer::hang());
    let failure_policy = tenant.random.one_of(&["Fail", "Ignore"]);
    let name = world.hostile.clone();
    let rule = |group: &str, resource: &str, version: &str| json!({"apiGroups": [group], "apiVersions": [version], "resources": [resource], "operations": ["CREATE", "UPDATE"]});
    let ca = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, world.wild.ca_pem());
    let webhook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{
            "name": "hanging.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "timeoutSeconds": 10, "failurePolicy": failure_policy,
            "clientConfig": {"url": world.wild.url("/webhook"), "caBundle": ca},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
            "objectSelector": {"matchLabels": {"attack": tenant.attack}},
            "rules": [rule("", "secrets", "v1"), rule("tokensource.dev", "tokensources/status", "v1alpha1")],
        }],
    });
    tenant.create(Kind::Webhook, &webhook).await;
    let count = tenant.crowd(100);
    tenant.sources(count, &json!({"clientId": "short"})).await;
    ask_again(&mut tenant, count, 200).await;
}

/// A Secret with very many values, and a provider with long refusals: every value is searched for in the text.
pub(crate) async fn quoted_refusals(mut tenant: Tenant) {
    let wild = &tenant.world.wild;
    let text = (0..20_000).map(|number| format!("v{number:05}-x")).collect::<Vec<_>>().join(" ");
    wild.always(
        "/refuse",
        Answer::json(400, &json!({"error": "invalid_request", "error_description": text})),
    );
    wild.always("/page", Answer::text(400, "text/html", &format!("<p>{text}")));
    let values: serde_json::Map<String, Value> =
        (0..30_000).map(|number| (format!("k{number:05}"), json!(format!("v{number:05}-y")))).collect();
    let mut data = values;
    data.insert("client_secret".to_owned(), json!("a-secret-among-many"));
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": data,
        "metadata": {"name": tenant.name(0), "annotations": {"tokensource.dev/allowed-hosts": wild.host()}},
    });
    tenant.create(Kind::Secret, &secret).await;
    for number in 0..10 {
        let path = ["/refuse", "/page"][number % 2];
        let provider = block_at(&tenant.world.wild.url(path), Some(tenant.world.wild.ca_pem()));
        let mut source = with_provider(&tenant, number, &provider);
        source["spec"]["credentialsRef"] = json!({"name": tenant.name(0)});
        tenant.create(Kind::Source, &source).await;
    }
    loop {
        let (name, value) = (tenant.any(10), tenant.random.between(0, 1 << 40).to_string());
        // Another input, so that a request is sent immediately.
        tenant.patch(Kind::Source, &name, &json!({"spec": {"token": {"audience": value}}})).await;
        tenant.pause(500).await;
    }
}

/// A provider with a different fault at each path.
pub(crate) async fn bad_providers(mut tenant: Tenant) {
    let wild = &tenant.world.wild;
    let bad = [
        ("/hang", Answer::hang()),
        ("/drip", Answer::endless_drip(Duration::from_millis(100))),
        ("/junk", Answer::text(200, "application/json", &"[".repeat(256 * 1024))),
        ("/large", Answer::of_size(300 * 1024)),
        ("/redirect", Answer::redirect(307, &tenant.world.host.url(TOKEN))),
        ("/reset", Answer::reset()),
        ("/close", Answer::close()),
        ("/body", Answer::endless_body()),
        ("/headers", Answer::endless_headers()),
        ("/noise", Answer::raw(&[0xff; 4096])),
        ("/later", Answer::status(503).header("Retry-After", "99999999999999999999")),
        ("/odd", Answer::text(200, "application/json", r#"{"access_token":"x","expires_in":1e400}"#)),
    ];
    for (path, answer) in &bad {
        wild.always(path, answer.clone());
    }
    let count = tenant.crowd(120);
    for number in 0..count {
        let (path, _) = bad[number % bad.len()];
        let mut provider = block_at(&tenant.world.wild.url(path), Some(tenant.world.wild.ca_pem()));
        provider["timeout"] = json!(tenant.random.one_of(&["1s", "15s", "2m"]));
        tenant.create(Kind::Source, &with_provider(&tenant, number, &provider)).await;
    }
    ask_again(&mut tenant, count, 200).await;
}

/// Different names at a server that never answers.
pub(crate) async fn unresolvable_names(mut tenant: Tenant) {
    if !tenant.world.silent_resolver() {
        tenant.count("times left out: it takes root to have a resolver that does not answer");
        return;
    }
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {"client_secret": "not-that-of-anybody"},
        "metadata": {"name": tenant.name(0), "annotations": {"tokensource.dev/allowed-hosts": "*.never.example"}},
    });
    tenant.create(Kind::Secret, &secret).await;
    let count = tenant.crowd(1_200);
    for number in 0..count {
        let provider = block_at(&format!("https://n{number}.never.example/token"), None);
        let mut source = with_provider(&tenant, number, &provider);
        source["spec"]["credentialsRef"] = json!({"name": tenant.name(0)});
        tenant.create(Kind::Source, &source).await;
    }
    ask_again(&mut tenant, count, 200).await;
}

/// Returns a TokenSource with this provider block, without the settings of the namespace's own provider.
fn with_provider(tenant: &Tenant, number: usize, provider: &Value) -> Value {
    let mut source = tenant.source(number, &json!({"provider": null}));
    source["spec"]["provider"] = provider.clone();
    source
}

/// Requests renewals of TokenSources chosen at random, so that waits do not reduce the load.
async fn ask_again(tenant: &mut Tenant, count: usize, milliseconds: u64) {
    loop {
        let (name, value) = (tenant.any(count), tenant.random.between(0, 1 << 40).to_string());
        let patch = json!({"metadata": {"annotations": {"tokensource.dev/renew-requested-at": value}}});
        tenant.patch(Kind::Source, &name, &patch).await;
        tenant.pause(milliseconds).await;
    }
}
