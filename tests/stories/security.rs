//! Credentials go where their owner lets them go, and nowhere else.

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
        assert!(message.contains(&format!("kubectl annotate secret {name}")), "{message}");
        assert!(
            !message.contains("evil"),
            "the present list is for those who may read the Secret: {message}"
        );
    }
    assert_eq!(story.provider.handshakes(), handshakes, "not even a connection was made");
    // The owner says yes, and it goes.
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
    // The right one, by way of a ConfigMap: tried at once, though the failure asked for a pause.
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

/// Whoever may edit a provider object, but not read the Secrets of those who use it, cannot lead these elsewhere.
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

/// A tenant may bring other roots of trust, for a server of theirs in the provider's place; not another place.
pub(crate) async fn another_trust_needs_the_same_binding(story: &mut Story) {
    let theirs = Authority::new("A tenant's own authority");
    let server = ScriptedProvider::start(&theirs);
    server.always(TOKEN, Answer::token(3600));
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("swapped", &json!({})).await;
    story.ready("swapped").await;
    // With the bound host it is the host that must fit the roots …
    let other_roots =
        json!({"spec": {"provider": {"tls": {"caBundle": theirs.pem()}}, "token": {"scopes": ["more"]}}});
    story.patch_source("swapped", &other_roots).await;
    story.failing("swapped", "TLSVerificationFailed").await;
    // … and roots that fit another host do not make it a bound one.
    let other_host = json!({"spec": {"provider": {"tokenEndpoint": server.url(TOKEN)}}});
    story.patch_source("swapped", &other_host).await;
    story.failing("swapped", "CredentialsNotBound").await;
    assert_eq!(server.connections(), 0);
    story.asked_exactly(1).await;
}

/// Every spelling of an address that must not be reached, bound by its Secret's owner to have it out with the address
/// alone. They all mean this machine, where a provider waits.
pub(crate) async fn addresses_in_disguise_are_refused(story: &mut Story) {
    story.run_with(&[]).await;
    story.provider.always(TOKEN, Answer::token(3600));
    let port = story.provider.host().rsplit(':').next().unwrap().to_owned();
    let disguises = [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::1]",
        "0.0.0.0",
        "169.254.169.254",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
        "127.0.0.1.",
    ];
    let mut refused_at_the_door = 0;
    for (number, host) in disguises.iter().enumerate() {
        let name = format!("disguised{number}");
        let endpoint = format!("https://{host}:{port}{TOKEN}");
        // What the URL's parser makes of the host is what must be bound.
        let parsed = url::Url::parse(&endpoint).unwrap();
        story
            .apply(&json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": name, "annotations": {"tokensource.dev/allowed-hosts": parsed.host_str()}},
                "stringData": {"client_id": "the-client", "client_secret": "s3cr3t-of-the-client"},
            }))
            .await;
        let more = json!({"provider": {"tokenEndpoint": endpoint}, "credentialsRef": {"name": name}});
        let source = story.source_for(&name, &more).to_string();
        // The API server may know better than to take it for a URL; whatever it takes, the controller refuses.
        if story.world.plane().try_apply("admin", &story.namespace, &source).await.is_err() {
            refused_at_the_door += 1;
            continue;
        }
        story.failing(&name, "EndpointNotAllowed").await;
    }
    assert!(
        refused_at_the_door < 4,
        "{refused_at_the_door} were refused by the schema: the story shows little"
    );
    assert_eq!(story.provider.connections(), 0);
}

/// Members, headers and URLs by which an author would say something else than the fields do.
pub(crate) async fn smuggled_members_are_refused(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.credentials("client", "s3cr3t-of-the-client").await;
    let parameter = |name: &str| json!({"parameters": [{"name": name, "value": "x"}]});
    let header = |name: &str, value: &str| json!({"headers": [{"name": name, "value": value}]});
    let host = story.provider.host();
    let mut cases = vec![
        json!({"tokenEndpoint": format!("https://user:word@{host}{TOKEN}")}),
        json!({"tokenEndpoint": format!("https://auth.example.com@{host}{TOKEN}")}),
        json!({"tokenEndpoint": format!("https://{host}{TOKEN}\r\nX-A: b")}),
        json!({"refresh": {"parameters": [{"name": "client_secret", "value": "x"}]}}),
        header("X-A", "b\r\nAuthorization: Basic eDp5"),
        header("X-A", "b\u{0}"),
        header("X-A\r\nHost", "b"),
        header("X-A:", "b"),
    ];
    cases.extend(
        [
            "grant_type",
            "client_id",
            "client_secret",
            "client_assertion",
            "scope",
            "refresh_token",
            "username",
            "password",
            "assertion",
            "resource",
            "audience",
            "subject_token",
            "subject_token_type",
            "actor_token",
        ]
        .map(parameter),
    );
    cases.extend(
        [
            "Authorization",
            "authorization",
            "Host",
            "Content-Length",
            "Content-Type",
            "Transfer-Encoding",
            "Connection",
            "Cookie",
            "Proxy-Authorization",
            "TE",
            "Upgrade",
            "Expect",
        ]
        .map(|name| header(name, "x")),
    );
    for provider in &cases {
        let source = story.source_for("smuggler", &json!({"provider": provider}));
        let applied = story.world.plane().try_apply("admin", &story.namespace, &source.to_string()).await;
        assert!(applied.is_err(), "{provider} was accepted");
    }
    // What the schema cannot see, the controller does: this name is reserved only where an assertion is sent.
    let late = json!({
        "clientAuthentication": {"method": "client_secret_jwt"},
        "parameters": [{"name": "client_assertion_type", "value": "x"}],
    });
    story.apply(&story.source_for("late", &json!({"provider": late}))).await;
    story.failing("late", "InvalidSpec").await;
    assert_eq!(story.provider.count(TOKEN), 0);
    // Values are values: line ends and separators arrive as what they are.
    let value = "a&client_id=other\r\nX-A: b";
    let bland = json!({"parameters": [{"name": "note", "value": value}]});
    story.apply(&story.source_for("bland", &json!({"provider": bland}))).await;
    story.ready("bland").await;
    let request = &story.provider.requests(TOKEN)[0];
    assert_eq!(request.form_value("note").as_deref(), Some(value));
    assert_eq!(request.form_value("client_id").as_deref(), Some("the-client"));
    assert_eq!(request.header("x-a"), None);
}

/// Two namespaces ask one provider in the same way, one soon after the other: a connection that was one's is not the
/// other's.
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

/// The target's type and annotations are its author's to choose, but not so that Kubernetes itself reads the Secret:
/// it would fill in a `ServiceAccount`'s token for whoever names the account, or take the data for a node's credentials.
pub(crate) async fn target_is_no_credential_of_kubernetes(story: &mut Story) {
    for kind in [
        "kubernetes.io/service-account-token",
        "bootstrap.kubernetes.io/token",
        "tokensource.dev/refresh-token",
    ] {
        let target = json!({
            "name": "captured", "type": kind,
            "annotations": {"kubernetes.io/service-account.name": "default"},
        });
        let source = story.source_for("climber", &json!({"target": target})).to_string();
        let applied = story.world.plane().try_apply("admin", &story.namespace, &source).await;
        let refusal = applied.map(|_| kind).expect_err("refused").to_string();
        assert!(refusal.contains("reads Secrets of this type"), "{refusal}");
    }
}
