//! Forbidden values in other spellings: addresses, members, headers, types of Secrets. Knows the ways to write a spec that
//! means more than it seems. Must not know whether the schema or the program refuses it.

use serde_json::json;
use tokensource_kit::scripted_provider::Answer;

use crate::story::{Story, TOKEN};

/// Spellings of forbidden addresses, all allowed by the Secret's owner so that only the address is tested. Two are addresses
/// of metadata services; the others mean this machine, where a provider listens.
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
        "[::ffff:0:7f00:1]",
        "[64:ff9b:1:7f00:0:100::]",
        "[fd00:42::42]",
        "localhost",
        "127.0.0.1.",
    ];
    let mut refused_by_schema = 0;
    for (number, host) in disguises.iter().enumerate() {
        let name = format!("disguised{number}");
        let endpoint = format!("https://{host}:{port}{TOKEN}");
        // The owner must allow the host as the URL parser reads it.
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
        // The API server may refuse the endpoint as a URL; the controller refuses every other one.
        if story.world.plane().try_apply("admin", &story.namespace, &source).await.is_err() {
            refused_by_schema += 1;
            continue;
        }
        story.failing(&name, "EndpointNotAllowed").await;
    }
    assert!(
        refused_by_schema < 4,
        "{refused_by_schema} endpoints were refused by the schema: the story shows little"
    );
    assert_eq!(story.provider.connections(), 0);
}

/// Members, headers and URLs that would mean something else than the fields say.
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
    // The controller checks what the schema cannot: `client_assertion_type` is reserved only if an assertion is sent.
    let late = json!({
        "clientAuthentication": {"method": "client_secret_jwt"},
        "parameters": [{"name": "client_assertion_type", "value": "x"}],
    });
    story.apply(&story.source_for("late", &json!({"provider": late}))).await;
    story.failing("late", "InvalidSpec").await;
    assert_eq!(story.provider.count(TOKEN), 0);
    // Line ends and separators in values are sent as values.
    let value = "a&client_id=other\r\nX-A: b";
    let bland = json!({"parameters": [{"name": "note", "value": value}]});
    story.apply(&story.source_for("bland", &json!({"provider": bland}))).await;
    story.ready("bland").await;
    let request = &story.provider.requests(TOKEN)[0];
    assert_eq!(request.form_value("note").as_deref(), Some(value));
    assert_eq!(request.form_value("client_id").as_deref(), Some("the-client"));
    assert_eq!(request.header("x-a"), None);
}

/// The author chooses the target's type and annotations, but Kubernetes must not read the Secret: it would fill in a
/// `ServiceAccount`'s token, or use the data as a node's credentials.
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
