//! The two realms, as Keycloak imports them.
//!
//! Knows Keycloak's realm format; must not know how a Keycloak is run.

use serde_json::{Value, json};

use crate::authority::Identity;

/// A realm whose refresh tokens may be used again.
pub const REALM: &str = "lending";
/// The same realm, but a refresh token is good for one use, as at Apiax.
pub const ROTATING_REALM: &str = "rotating";

/// A confidential client with a service account: `client_credentials`, tokens for five minutes. The client may exchange
/// tokens (RFC 8693).
pub const MACHINE: &str = "machine";
/// The same, with tokens for [`BRIEF_LIFESPAN`] seconds.
pub const BRIEF: &str = "brief";
/// How long the tokens of [`BRIEF`] live, in seconds.
pub const BRIEF_LIFESPAN: u64 = 10;
/// The same as [`MACHINE`], but it authenticates by `client_secret_jwt`.
pub const SECRET_JWT: &str = "secret-jwt";
/// The same, by `private_key_jwt`, RS256; its key is [`signer`](super::Keycloak::signer).
pub const SIGNED_JWT: &str = "signed-jwt";
/// The same, by `tls_client_auth`: a certificate of the same authority for this very common name.
pub const MUTUAL_TLS: &str = "mutual-tls";
/// The secret of the first three, with everything that form-encoding changes and the 64 bytes HS512 wants.
pub const SECRET: &str = "a+secret/with=everything&that%20form~encoding:changes*0123456789";
/// A public client that may use the password grant, as at Apiax.
pub const PUBLIC: &str = "integration-api";
/// Its user.
pub const USERNAME: &str = "someone@example.com";
/// The user's password.
pub const PASSWORD: &str = "a+pass/word=with&100%~";

pub(super) fn plain(signer: &Identity) -> Value {
    realm(REALM, false, signer)
}

pub(super) fn rotating(signer: &Identity) -> Value {
    realm(ROTATING_REALM, true, signer)
}

fn realm(name: &str, rotates: bool, signer: &Identity) -> Value {
    json!({
        "realm": name,
        "enabled": true,
        "sslRequired": "all",
        "accessTokenLifespan": 300,
        "revokeRefreshToken": rotates,
        "refreshTokenMaxReuse": 0,
        "eventsEnabled": true,
        // By default, Keycloak records no events of refreshes.
        "enabledEventTypes": [
            "LOGIN", "LOGIN_ERROR", "CLIENT_LOGIN", "CLIENT_LOGIN_ERROR", "REFRESH_TOKEN", "REFRESH_TOKEN_ERROR"
        ],
        "clients": [
            confidential(MACHINE, &json!({ "attributes": { "standard.token.exchange.enabled": "true" } })),
            confidential(BRIEF, &json!({
                "attributes": { "access.token.lifespan": BRIEF_LIFESPAN.to_string() },
            })),
            confidential(SECRET_JWT, &json!({ "clientAuthenticatorType": "client-secret-jwt" })),
            confidential(SIGNED_JWT, &json!({
                "clientAuthenticatorType": "client-jwt",
                "attributes": { "jwt.credential.certificate": in_one_line(&signer.certificate_pem) },
            })),
            confidential(MUTUAL_TLS, &json!({
                "clientAuthenticatorType": "client-x509",
                "attributes": { "x509.subjectdn": format!("CN={MUTUAL_TLS}") },
            })),
            {
                "clientId": PUBLIC, "publicClient": true, "directAccessGrantsEnabled": true,
                "standardFlowEnabled": false, "fullScopeAllowed": true,
            },
        ],
        "users": [{
            "username": USERNAME, "email": USERNAME, "emailVerified": true, "enabled": true,
            // Without these names, Keycloak reports that the account is "not fully set up", and refuses the password grant.
            "firstName": "Some", "lastName": "One", "requiredActions": [],
            "credentials": [{ "type": "password", "value": PASSWORD, "temporary": false }],
        }],
    })
}

fn confidential(client_id: &str, more: &Value) -> Value {
    let mut client = json!({
        "clientId": client_id, "secret": SECRET, "publicClient": false, "serviceAccountsEnabled": true,
        "standardFlowEnabled": false, "directAccessGrantsEnabled": false,
    });
    for (name, value) in more.as_object().expect("members to add") {
        client[name] = value.clone();
    }
    client
}

/// A certificate as Keycloak keeps it: PEM without its first and last line.
fn in_one_line(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}
