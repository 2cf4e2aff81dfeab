//! Requests with a token of another issuer or with a JWT of the client's own key. The golden files have every byte of such requests;
//! here they are sent. `chains` has tokens of other TokenSources.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokensource_kit::scripted_provider::Answer;

use crate::story::{Story, TOKEN};

/// The token of another issuer.
const FOREIGN: &str = "canary-of-another-issuer";
/// The token of the party that acts for the subject.
const ACTING: &str = "canary-of-the-acting-party";
/// A key that is a bearer token itself.
const KEY: &str = "canary-of-the-api-key";

/// A TokenSource without credentials of its own: it presents only tokens of others.
fn without_client(story: &Story, name: &str, provider: &Value) -> Value {
    let mut source = story.source_for(name, &json!({"provider": provider}));
    source["spec"].as_object_mut().unwrap().remove("credentialsRef");
    source
}

pub(crate) async fn tokens_of_other_issuers_and_own_jwts_are_sent(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    let key = story.world.authority.issue_signer("bearer").key_pem;
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "inputs", "annotations": {"tokensource.dev/allowed-hosts": story.provider.host()}},
            "stringData": {"foreign": FOREIGN, "acting": ACTING, "api_key": KEY, "private_key": key},
        }))
        .await;
    let from = |key: &str| json!({"secretKeyRef": {"name": "inputs", "key": key}});
    let none = json!({"method": "none"});
    let assertion = json!({"grantType": "urn:ietf:params:oauth:grant-type:jwt-bearer", "clientAuthentication": none,
        "assertionGrant": {"assertionFrom": from("foreign")}});
    let mut acting = from("acting");
    acting["type"] = json!("urn:ietf:params:oauth:token-type:access_token");
    let exchange = json!({"grantType": "urn:ietf:params:oauth:grant-type:token-exchange", "clientAuthentication": none,
        "subjectToken": from("foreign"), "actorToken": acting});
    let signed = json!({"grantType": "None", "bodyFormat": "JSON", "clientAuthentication": {"method": "bearer_token",
        "bearerToken": {"assertion": {"algorithm": "RS256", "keyId": "k1", "headers": {"cty": "app"}, "lifetime": "9m"}}}});
    let api_key = json!({"grantType": "None", "method": "GET", "clientAuthentication": {"method": "bearer_token",
        "bearerToken": {"credentialsKey": "api_key"}}});
    let credentials = json!({"name": "inputs"});
    let sources = [
        without_client(story, "assertion", &assertion),
        without_client(story, "exchange", &exchange),
        story.source_for(
            "signed",
            &json!({"provider": signed, "credentialsRef": credentials, "clientId": "the-client"}),
        ),
        story.source_for("key", &json!({"provider": api_key, "credentialsRef": credentials})),
    ];
    for source in &sources {
        story.apply(source).await;
        story.ready(source["metadata"]["name"].as_str().unwrap()).await;
    }
    let requests = story.provider.requests(TOKEN);
    let [assertion, exchange, signed, key] = requests.as_slice() else {
        panic!("{} requests", requests.len())
    };
    assert_eq!(assertion.form_value("assertion").as_deref(), Some(FOREIGN));
    assert_eq!(exchange.form_value("subject_token").as_deref(), Some(FOREIGN));
    assert_eq!(exchange.form_value("actor_token").as_deref(), Some(ACTING));
    let type_ = exchange.form_value("actor_token_type");
    assert_eq!(type_.as_deref(), Some("urn:ietf:params:oauth:token-type:access_token"));
    let jwt =
        signed.header("authorization").and_then(|header| header.strip_prefix("Bearer ")).expect("a JWT");
    let header = URL_SAFE_NO_PAD.decode(jwt.split('.').next().unwrap()).expect("base64url");
    let header: Value = serde_json::from_slice(&header).expect("a JOSE header");
    assert_eq!((&header["kid"], &header["cty"]), (&json!("k1"), &json!("app")), "{header}");
    assert_eq!(
        (key.method.as_str(), key.header("authorization")),
        ("GET", Some(format!("Bearer {KEY}")).as_deref())
    );
    let logs = story.controller.logs();
    for secret in [FOREIGN, ACTING, KEY, jwt] {
        assert!(!logs.contains(secret), "{secret}");
    }
}
