//! Credentials are sent only where their owner allows it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tokensource::api::ConditionType;
use tokensource_kit::authority::Authority;
use tokensource_kit::scripted_provider::{Answer, ScriptedProvider};

use crate::leaks;
use crate::story::{Story, TOKEN, condition};

pub(crate) async fn unbound_credentials_never_leave(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("unbound", &json!({})).await;
    story.ready("unbound").await;
    let handshakes = story.provider.handshakes();
    let host = story.provider.host();
    let lookalikes = [
        json!(null),
        json!("auth.example.com"),
        json!(format!("evil-{host}")),
        json!(format!("{host}.evil.example")),
        json!("*.localhost"),
    ];
    for (number, hosts) in lookalikes.iter().enumerate() {
        let name = format!("unbound{number}");
        let annotations =
            if hosts.is_null() { json!({}) } else { json!({"tokensource.dev/allowed-hosts": hosts}) };
        story
            .apply(&json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "annotations": annotations},
                "stringData": {"client_id": "the-client", "client_secret": "s3cr3t-of-the-client"},
            }))
            .await;
        story.apply(&story.source_for(&name, &json!({"credentialsRef": {"name": name}}))).await;
        let source = story.failing(&name, "CredentialsNotBound").await;
        let (_, _, message) = condition(&source, ConditionType::Renewed).unwrap();
        assert!(message.contains(&format!("annotate secret {name}")), "{message}");
        assert!(
            !message.contains("evil"),
            "the present list is for those who may read the Secret: {message}"
        );
    }
    assert_eq!(story.provider.handshakes(), handshakes, "not even a connection was made");
    // The owner allows the host, and the request is sent.
    let patch = json!({"metadata": {"annotations": {"tokensource.dev/allowed-hosts": "LOCALHOST"}}});
    story.patch_secret("unbound0", &patch).await;
    story.ready("unbound0").await;
}

pub(crate) async fn loopback_is_refused_by_default(story: &mut Story) {
    story.run_with(&[]).await;
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("inward", &json!({})).await;
    story.failing("inward", "EndpointNotAllowed").await;
    story.asked_exactly(0).await;
    assert_eq!(story.provider.connections(), 0);
}

pub(crate) async fn redirect_is_not_followed(story: &mut Story) {
    let other = ScriptedProvider::start(&story.world.authority);
    other.always("/elsewhere", Answer::token(3600));
    story.provider.always(TOKEN, Answer::redirect(307, &other.url("/elsewhere")));
    story.ask("sent-on", &json!({})).await;
    story.failing("sent-on", "UnexpectedRedirect").await;
    story.asked_exactly(1).await;
    assert_eq!(other.connections(), 0);
}

pub(crate) async fn wrong_authority_is_not_trusted(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    let other = Authority::new("Somebody else's authority");
    story.ask("distrusted", &json!({"provider": {"tls": {"caBundle": other.pem()}}})).await;
    story.failing("distrusted", "TLSVerificationFailed").await;
    story.asked_exactly(0).await;
    // With the right authority in a ConfigMap, the request is tried immediately, although the failure requires a wait.
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "trust"},
            "data": {"ca.crt": story.provider.ca_pem()},
        }))
        .await;
    let tls = json!({"caBundle": null, "caBundleRef": {"name": "trust", "key": "ca.crt"}});
    story.patch_source("distrusted", &json!({"spec": {"provider": {"tls": tls}}})).await;
    story.ready("distrusted").await;
}

/// A user who may edit a provider object, but not read the Secrets of its users, cannot redirect these Secrets.
pub(crate) async fn edited_provider_leads_nowhere_else(story: &mut Story) {
    let elsewhere = ScriptedProvider::start(&story.world.authority);
    elsewhere.always(TOKEN, Answer::token(3600));
    story.provider.always(TOKEN, Answer::token(3600));
    story.credentials("client", "s3cr3t-of-the-client").await;
    let mut provider = json!({
        "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenProvider",
        "metadata": {"name": "ours"}, "spec": story.block(),
    });
    story.apply(&provider).await;
    let reference = json!({"provider": null, "providerRef": {"kind": "TokenProvider", "name": "ours"}});
    story.apply(&story.source_for("led", &reference)).await;
    story.ready("led").await;
    let good = story.secret("led-token").await.data;
    provider["spec"]["tokenEndpoint"] = json!(elsewhere.url(TOKEN));
    story.apply(&provider).await;
    story.failing("led", "CredentialsNotBound").await;
    assert_eq!(elsewhere.connections(), 0, "not even a connection was made");
    assert_eq!(story.secret("led-token").await.data, good, "the last good token stays");
    story.asked_exactly(1).await;
}

/// A tenant may trust other authorities, for a server in the provider's place, but not for another host.
pub(crate) async fn another_trust_needs_the_same_binding(story: &mut Story) {
    let theirs = Authority::new("A tenant's own authority");
    let server = ScriptedProvider::start(&theirs);
    server.always(TOKEN, Answer::token(3600));
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("swapped", &json!({})).await;
    story.ready("swapped").await;
    // With the allowed host, the authorities must fit the host …
    let other_roots =
        json!({"spec": {"provider": {"tls": {"caBundle": theirs.pem()}}, "token": {"scopes": ["more"]}}});
    story.patch_source("swapped", &other_roots).await;
    story.failing("swapped", "TLSVerificationFailed").await;
    // … and authorities that fit another host do not allow that host.
    let other_host = json!({"spec": {"provider": {"tokenEndpoint": server.url(TOKEN)}}});
    story.patch_source("swapped", &other_host).await;
    story.failing("swapped", "CredentialsNotBound").await;
    assert_eq!(server.connections(), 0);
    story.asked_exactly(1).await;
}

/// Two namespaces send the same request to one provider, one shortly after the other: they do not share a connection.
pub(crate) async fn namespaces_share_no_connection(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    let theirs = story.world.plane().namespace("beside").await;
    story.run_with(&["--allow-network", "127.0.0.0/8", "--namespace", &theirs]).await;
    let namespaces = [(story.namespace.clone(), "the-secret-of-ours"), (theirs, "the-secret-of-theirs")];
    for (namespace, secret) in &namespaces {
        let credentials = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "client", "annotations": {"tokensource.dev/allowed-hosts": story.provider.host()}},
            "stringData": {"client_id": "the-client", "client_secret": secret},
        });
        leaks::register(&credentials);
        story.world.plane().apply_in(namespace, &credentials.to_string()).await;
    }
    for (asked, name) in [(1, "first"), (3, "second")] {
        for (more, (namespace, _)) in namespaces.iter().enumerate() {
            let source = story.source_for(name, &json!({})).to_string();
            story.world.plane().apply_in(namespace, &source).await;
            story.asked(asked + more).await;
        }
    }
    let mut used: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for request in story.provider.requests(TOKEN) {
        used.entry(request.connection).or_default().extend(request.form_value("client_secret"));
    }
    assert!(used.values().all(|secrets| secrets.len() == 1), "{used:?}");
    assert!(used.len() < 4, "within a namespace a connection is used again, or this shows nothing: {used:?}");
}

/// Without credentials, only the author of the TokenSource has named the host, so the status must not show the host's
/// answers.
pub(crate) async fn unbound_hosts_all_fail_alike(story: &mut Story) {
    // Each case has a server of its own, because the limiter would report failures of a shared server.
    let [forbidden, moved, document] = [(); 3].map(|()| ScriptedProvider::start(&story.world.authority));
    forbidden.always(TOKEN, Answer::status(403));
    let redirect = Answer::redirect(307, &story.provider.url(TOKEN));
    moved.always(TOKEN, redirect.clone());
    story.provider.always("/moved", redirect);
    document.always(TOKEN, Answer::json(200, &json!({"password": "of-an-inner-service"})));
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let trust = json!({"caBundle": story.provider.ca_pem()});
    let other = json!({"caBundle": Authority::new("Somebody else's authority").pem()});
    let faults = [
        ("forbidden", forbidden.url(TOKEN), &trust),
        ("moved", moved.url(TOKEN), &trust),
        ("document", document.url(TOKEN), &trust),
        ("closed", format!("https://localhost:{}/token", closed.port()), &trust),
        ("distrusted", story.provider.url(TOKEN), &other),
        ("nameless", "https://nobody.invalid/token".to_owned(), &trust),
    ];
    let mut messages = BTreeSet::new();
    for (name, url, tls) in &faults {
        let provider = json!({"tokenEndpoint": url, "clientAuthentication": {"method": "none"}, "tls": tls});
        story.apply(&story.source_for(name, &json!({"provider": provider, "credentialsRef": null}))).await;
    }
    for (name, ..) in &faults {
        let source = story.failing(name, "EndpointUnreachable").await;
        let (_, _, message) = condition(&source, ConditionType::Renewed).unwrap();
        messages.insert(message.replace("nobody.invalid", "localhost"));
    }
    assert_eq!(messages.len(), 1, "{messages:#?}");
    // A member of such an answer does not become a token either.
    let provider = json!({
        "tokenEndpoint": document.url(TOKEN), "clientAuthentication": {"method": "none"},
        "response": {"fields": {"accessToken": "/password"}},
    });
    story.apply(&story.source_for("reader", &json!({"provider": provider, "credentialsRef": null}))).await;
    story.failing("reader", "InvalidSpec").await;
    // If the owner of the credentials allows the host, the difference is shown.
    story.ask("bound", &json!({"provider": {"tokenEndpoint": story.provider.url("/moved")}})).await;
    story.failing("bound", "UnexpectedRedirect").await;
}
