//! Credentials go where their owner lets them go, and nowhere else.

use serde_json::json;
use tokensource::api::ConditionType;
use tokensource_kit::authority::Authority;
use tokensource_kit::scripted_provider::{Answer, ScriptedProvider};

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
                "stringData": {"client_id": "the-client", "client_secret": "s3cr3t"},
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
