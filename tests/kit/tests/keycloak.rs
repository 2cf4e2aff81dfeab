//! The behaviour of Keycloak that the stories rely on: it refuses a refresh token that was used, and survives an outage.

#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods, clippy::indexing_slicing)]

use serde_json::Value;
use tokensource_kit::authority::{Authority, https_client};
use tokensource_kit::keycloak::{Keycloak, MACHINE, PASSWORD, PUBLIC, REALM, ROTATING_REALM, USERNAME};

#[tokio::test]
async fn killed_keycloak_starts_again_with_the_realms_of_the_first_start() {
    let authority = Authority::new("a test authority");
    let keycloak = Keycloak::start(&authority).await;
    refresh_token_is_good_once(&keycloak, &https_client(authority.pem())).await;
    keycloak.set_client_secret(REALM, MACHINE, "another secret").await;
    keycloak.process().kill9();
    keycloak.process().start_again();
    keycloak.ready().await;
    // The call panics if Keycloak refuses the client's first secret.
    assert!(!keycloak.is_active(REALM, "no token").await);
}

/// If Keycloak accepted a used refresh token, the story `refresh::keycloak_rotates` could not fail.
async fn refresh_token_is_good_once(keycloak: &Keycloak, client: &reqwest::Client) {
    let ask = async |members: &[(&str, &str)]| {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish();
        let request = client
            .post(keycloak.token_endpoint(ROTATING_REALM))
            .header("Content-Type", "application/x-www-form-urlencoded");
        let response = request.body(body).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice::<Value>(&response.bytes().await.unwrap()).unwrap())
    };
    let user = [("username", USERNAME), ("password", PASSWORD), ("client_id", PUBLIC)];
    let (status, login) = ask(&[&[("grant_type", "password")], &user[..]].concat()).await;
    assert_eq!(status, 200);
    let token = login["refresh_token"].as_str().unwrap();
    let refresh = [("grant_type", "refresh_token"), ("client_id", PUBLIC), ("refresh_token", token)];
    assert_eq!(ask(&refresh).await.0, 200);
    let (status, refusal) = ask(&refresh).await;
    assert_eq!((status, refusal["error"].as_str()), (400, Some("invalid_grant")));
}
