//! The two realms, as Keycloak imports them.
//!
//! Knows Keycloak's realm format; must not know how a Keycloak is run.

use serde_json::{Value, json};

use crate::authority::Identity;

/// A realm whose refresh tokens may be used again.
pub const REALM: &str = "lending";
/// A realm with the same clients and user, in which a refresh token can be used once, as at Apiax.
pub const ROTATING_REALM: &str = "rotating";

/// A confidential client with a service account: `client_credentials`, tokens for five minutes. Only this client may
/// exchange tokens (RFC 8693).
pub const MACHINE: &str = "machine";
/// As [`MACHINE`], with tokens that live [`BRIEF_LIFESPAN`] seconds.
pub const BRIEF: &str = "brief";
/// How long the tokens of [`BRIEF`] live, in seconds.
pub const BRIEF_LIFESPAN: u64 = 10;
/// As [`MACHINE`], and authenticated by `client_secret_jwt`.
pub const SECRET_JWT: &str = "secret-jwt";
/// As [`MACHINE`], and authenticated by `private_key_jwt` with RS256 and the key [`signer`](super::Keycloak::signer).
pub const SIGNED_JWT: &str = "signed-jwt";
/// As [`MACHINE`], and authenticated by `tls_client_auth`: a certificate with this common name, from the authority that
/// issued the server's certificate.
pub const MUTUAL_TLS: &str = "mutual-tls";
/// The secret of the confidential clients, with characters that form-encoding changes, and with the 64 bytes that HS512
/// requires.
pub const SECRET: &str = "a+secret/with=everything&that%20form~encoding:changes*0123456789";
/// A public client that may use the password grant, as at Apiax.
pub const PUBLIC: &str = "integration-api";
/// The user of the password grant.
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
