//! `tokensource check --send` with the real binary: the sent request, the output about the answer, and requests that are not
//! sent. Knows providers; must not know a cluster.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokensource_kit::canaries;
use tokensource_kit::keycloak::{MACHINE, REALM, SECRET};
use tokensource_kit::scripted_provider::Answer;
use tokio::io::AsyncWriteExt;

use crate::leaks;
use crate::people::{PROGRAM, Said, command, judged};
use crate::screens::assert_shown;
use crate::story::{Story, TOKEN};

/// Checks these objects through standard input.
pub(crate) async fn check(story: &Story, objects: &[Value], arguments: &[&str]) -> Said {
    objects.iter().filter(|object| object["kind"] == "Secret").for_each(leaks::register);
    let text = objects.iter().fold(String::new(), |text, object| text + "---\n" + &object.to_string() + "\n");
    let mut command = command(story, Path::new(PROGRAM), &[&["check", "-f", "-"], arguments].concat());
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = piped.spawn().expect("the program runs");
    let mut input = program.stdin.take().expect("piped");
    input.write_all(text.as_bytes()).await.expect("it reads");
    drop(input);
    judged(program.wait_with_output().await.expect("it ends"))
}

pub(crate) async fn provider_is_really_asked(story: &mut Story) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "client", "annotations": {"tokensource.dev/allowed-hosts": story.provider.host()}},
        "stringData": {"client_id": "the-client", "client_secret": "s3cr3t-of-the-checked"},
    });
    let source = |more: &Value| story.source_for("checked", more);
    let objects = [secret.clone(), source(&json!({"token": {"scopes": ["read", "write"]}}))];
    let send = ["--send", "--allow-network", "127.0.0.0/8"];

    check(story, &objects, &[]).await.has(0, &["client_secret=********", "scope=read+write"]);
    // The controller's own rules apply here, too.
    check(story, &objects, &["--send"]).await.has(1, &["EndpointNotAllowed", "a loopback address"]);
    assert_eq!(story.provider.count(TOKEN), 0, "nothing has been sent");

    let answer = json!({"token_type": "bearer", "expires_in": 3600, "scope": "read", "access_token": "0paque-access-token"});
    canaries::register("a token", "0paque-access-token");
    story.provider.answer(TOKEN, Answer::json(200, &answer));
    let said = check(story, &objects, &send).await;
    said.has(
        0,
        &["the provider issued a token", "Scope:            read", "ScopeReduced", "the token is not a JWT"],
    );
    said.has(0, &["The token has a lifetime of 1h and is renewed 43m30s to 45m after it was issued."]);
    let request = story.provider.requests(TOKEN).remove(0);
    assert_eq!(
        request.form_value("client_secret").as_deref(),
        Some("s3cr3t-of-the-checked"),
        "what is sent is not masked"
    );

    story.provider.answer(TOKEN, Answer::error(401, "invalid_client"));
    check(story, &objects, &send).await.has(1, &["InvalidClient", "What to do: Compare client id"]);
    let json = check(story, &objects, &[&send[..], &["-o", "json"]].concat()).await;
    let report: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(report["sources"][0]["request"]["method"], "POST", "{report:#}");
    assert_eq!(story.provider.count(TOKEN), 3, "each check sends one token request");

    // Metadata with a host that the credentials' owner has not allowed: no request is sent there.
    let issuer = story.provider.url("");
    let document = json!({"issuer": issuer, "token_endpoint": "https://collector.example/token"});
    story.provider.answer("/.well-known/oauth-authorization-server", Answer::json(200, &document));
    let lured = source(&json!({"provider": {"tokenEndpoint": null, "issuer": issuer}}));
    let said = check(story, &[secret.clone(), lured], &send).await;
    said.has(1, &["CredentialsNotBound", "does not allow collector.example"]);

    // Requests that must not or cannot be sent from here.
    let rotating = source(&json!({"provider": {"grantType": "refresh_token"}}));
    let mut seeded = secret.clone();
    seeded["stringData"]["refresh_token"] = json!("s3cr3t-refresh-token");
    check(story, &[seeded, rotating], &send).await.has(1, &["NotSent", "rotates refresh tokens"]);
    let method = json!({"method": "federated_jwt", "serviceAccountToken": {"audience": "idp"}});
    let federated = source(
        &json!({"provider": {"clientAuthentication": method}, "clientId": "me", "credentialsRef": null}),
    );
    check(story, &[federated], &send).await.has(1, &["NotSent", "only a cluster can issue"]);
    assert_eq!(story.provider.count(TOKEN), 3);
}

pub(crate) async fn keycloak_is_found_and_asked(story: &mut Story) {
    let world = story.world.clone();
    let keycloak = world.keycloak();
    let objects = [
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "client", "annotations": {"tokensource.dev/allowed-hosts": keycloak.host()}},
            "stringData": {"client_id": MACHINE, "client_secret": SECRET},
        }),
        json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource", "metadata": {"name": "discovered"},
            "spec": {
                "provider": {"issuer": keycloak.issuer(REALM), "tls": {"caBundle": keycloak.ca_pem()}},
                "credentialsRef": {"name": "client"}, "target": {"name": "discovered-token"},
            },
        }),
    ];
    let said = check(story, &objects, &["--send", "--allow-network", "127.0.0.0/8"]).await;
    let (endpoint, issuer) = (keycloak.token_endpoint(REALM), keycloak.issuer(REALM));
    said.has(
        0,
        &[
            &format!("Endpoint:         {endpoint}"),
            &format!("Claim iss:        {issuer}"),
            &format!("Claim azp:        {MACHINE}"),
            "Type:             Bearer",
            &format!("POST {endpoint}"),
        ],
    );
    // Keycloak does not keep the order of scopes.
    let ordered = said.out.replace("email profile", "profile email");
    assert_shown(
        "tokensource check -f keycloak.yaml --send --allow-network 127.0.0.0/8",
        &ordered,
        &story.namespace,
    );
    assert!(!said.all.contains("jti"), "only the standard claims are shown: {}", said.all);
    // The output contains no token: no three parts in base64url.
    let is_token = |word: &str| word.starts_with("eyJ") && word.matches('.').count() == 2;
    assert!(!said.all.split_whitespace().any(is_token), "{}", said.all);
}
