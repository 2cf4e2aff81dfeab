//! Reasons for answers of a provider (`docs/reasons.md`): for each, an answer, its reason, and how often the request is
//! repeated. Requests that only a change can help are seldom repeated until something changes.

use std::time::Duration;

use serde_json::{Value, json};
use tokensource::api::ConditionType;
use tokensource_kit::scripted_provider::{Answer, ScriptedProvider};

use crate::story::{Story, condition, is};

fn token(more: &Value) -> Answer {
    let mut body = json!({"access_token": "an-opaque-token", "token_type": "Bearer", "expires_in": 3600});
    for (key, value) in more.as_object().expect("members") {
        body[key] = value.clone();
    }
    Answer::json(200, &body)
}

/// Answers that only a change can help. Inputs that have never worked are tried five times within about three minutes, since
/// providers take a while until they know a new client: the second time after 10 to 20 s.
fn terminal() -> Vec<(&'static str, Answer)> {
    let code = |status, code: &str| Answer::error(status, code);
    vec![
        ("InvalidRequest", code(400, "invalid_request")),
        ("InvalidClient", Answer::status(401)),
        ("InvalidGrant", code(400, "invalid_grant")),
        ("UnauthorizedClient", code(403, "unauthorized_client")),
        ("UnsupportedGrantType", code(400, "unsupported_grant_type")),
        ("InvalidScope", code(400, "invalid_scope")),
        ("InvalidTarget", code(400, "invalid_target")),
        ("AccessDenied", Answer::status(403)),
        ("ConsentRequired", code(400, "consent_required")),
        ("ProviderRejected", code(400, "tenant_on_holiday")),
        ("UnsupportedTokenType", token(&json!({"token_type": "DPoP"}))),
        ("UnexpectedRedirect", Answer::redirect(302, "https://elsewhere.example/")),
        ("EndpointNotFound", Answer::status(404)),
        ("UnsupportedMediaType", Answer::status(415)),
        ("RequestTooLarge", Answer::status(413)),
    ]
}

/// Answers that may end without a change, with the minimum number of requests in the first ten seconds: 1 for those with a
/// longer wait.
fn transient() -> Vec<(&'static str, Answer, usize)> {
    vec![
        ("ProviderUnavailable", Answer::status(503), 2),
        ("ProviderError", Answer::json(200, &json!({"error": "tenant_on_holiday"})), 2),
        ("EndpointUnreachable", Answer::close(), 2),
        ("RateLimited", Answer::status(429), 1),
        ("ProxyError", Answer::status(407), 1),
        ("MalformedResponse", Answer::text(200, "text/html", "<html>"), 2),
        ("ResponseTooLarge", Answer::of_size(300 * 1024), 2),
        ("TokenAlreadyExpired", token(&json!({"expires_in": -1})), 2),
    ]
}

/// A TokenSource with a provider of its own, so that one answer does not delay another.
async fn ask(story: &Story, reason: &str, answer: Answer) -> ScriptedProvider {
    let name = reason.to_lowercase();
    let provider = ScriptedProvider::start(&story.world.authority);
    provider.always("/token", answer);
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "annotations": {"tokensource.dev/allowed-hosts": provider.host()}},
            "stringData": {"client_id": "the-client", "client_secret": "s3cr3t-of-the-client"},
        }))
        .await;
    let more =
        json!({"provider": {"tokenEndpoint": provider.url("/token")}, "credentialsRef": {"name": name}});
    story.apply(&story.source_for(&name, &more)).await;
    provider
}

pub(crate) async fn terminal_failures_are_seldom_retried(story: &mut Story) {
    let mut asked = Vec::new();
    for (reason, answer) in terminal() {
        asked.push((reason, ask(story, reason, answer).await));
    }
    for (reason, _) in &asked {
        let source = story.failing(&reason.to_lowercase(), reason).await;
        assert!(is(&source, ConditionType::Stalled, "True"), "{reason}");
        let (_, _, message) = condition(&source, ConditionType::Renewed).unwrap();
        assert!(message.len() > 20 && !message.contains("s3cr3t"), "{reason}: {message}");
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    for (reason, provider) in &asked {
        let count = provider.count("/token");
        assert!(count <= 2, "{reason}: {count} requests");
        // A change of the spec ends the wait immediately.
        provider.always("/token", Answer::token(3600));
        let scopes = json!({"spec": {"token": {"scopes": ["changed"]}}});
        story.patch_source(&reason.to_lowercase(), &scopes).await;
    }
    for (reason, provider) in &asked {
        story.ready(&reason.to_lowercase()).await;
        let count = provider.count("/token");
        // There is one more request if the next attempt was due between the two corrections, of the provider and of the spec.
        assert!((2..=4).contains(&count), "{reason}: {count} requests");
    }
}

pub(crate) async fn transient_failures_are_retried(story: &mut Story) {
    let mut asked = Vec::new();
    for (reason, answer, times) in transient() {
        asked.push((reason, ask(story, reason, answer).await, times));
    }
    for (reason, ..) in &asked {
        let source = story.failing(&reason.to_lowercase(), reason).await;
        assert!(is(&source, ConditionType::Reconciling, "True"), "{reason}");
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    for (reason, provider, times) in &asked {
        let count = provider.count("/token");
        assert!(count >= *times && count <= *times + 2, "{reason}: {count} requests");
    }
}
