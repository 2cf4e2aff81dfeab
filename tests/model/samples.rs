//! The explored `TokenSource` in the product's types: its spec, its credentials, its provider's answers, and how its status
//! is moved in time. Knows no state of the model.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use tokensource::api::{
    ClientAuthentication, ClientAuthenticationMethod, ConditionType, CredentialsReference, Reason,
    TokenProviderSpec, TokenSourceSpec, TokenSourceStatus, from_kubernetes, to_kubernetes,
};
use tokensource::decide::versions::{Role, Versions, compare};
use tokensource::decide::{Failure, ReferencedSecret};
use tokensource::oauth::{HttpResponse, Retry};

use crate::normal::{shifted, shifted_life};
use crate::real::{Grant, Reply, Summary};
use crate::world::Seconds;

pub(crate) const HOST: &str = "auth.example.com";
pub(crate) const UID: &str = "6f0c6f3a-0001";
/// The lifetime of a token.
pub(crate) const LIFETIME: Seconds = 3600;
/// The `Retry-After` of a provider that limits its clients.
pub(crate) const RETRY_AFTER_SECONDS: Seconds = 120;
/// The maximum count of failures in a row: more than the attempts of new inputs.
pub(crate) const FAILURES: i32 = 6;
/// The values of the annotation `renew-requested-at`, in the order in which the user sets them; None is no annotation.
pub(crate) const REQUESTS: [Option<&str>; 5] = [None, Some("1"), Some("2"), Some("3"), Some("4")];

/// An instant of the model: now is always the same.
pub(crate) fn at(seconds: Seconds) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap() + TimeDelta::seconds(i64::from(seconds))
}

/// The inverse of [`at`].
pub(crate) fn seconds(instant: DateTime<Utc>) -> Seconds {
    Seconds::try_from((instant - at(0)).num_seconds()).unwrap()
}

/// The cached value of this key.
pub(crate) fn remembered<K: Eq + Hash, V: Clone>(known: &HashMap<K, V>, key: &K) -> Option<V> {
    known.get(key).cloned()
}

pub(crate) fn provider(grant: Grant) -> TokenProviderSpec {
    TokenProviderSpec {
        token_endpoint: Some(format!("https://{HOST}/token")),
        grant_type: match grant {
            Grant::ClientCredentials => None,
            Grant::RefreshToken => Some("refresh_token".to_owned()),
            Grant::Password => Some("password".to_owned()),
        },
        client_authentication: ClientAuthentication {
            method: ClientAuthenticationMethod::ClientSecretPost,
            ..ClientAuthentication::default()
        },
        ..TokenProviderSpec::default()
    }
}

pub(crate) fn spec(provider: &TokenProviderSpec, scope: u8, suspend: bool) -> TokenSourceSpec {
    let mut spec = TokenSourceSpec {
        provider: Some(Box::new(provider.clone())),
        credentials_ref: Some(CredentialsReference {
            name: "client".to_owned(),
            ..CredentialsReference::default()
        }),
        suspend,
        ..TokenSourceSpec::default()
    };
    spec.token.scopes = vec![format!("scope-{scope}")];
    spec
}

/// The metadata of a version of the credentials.
pub(crate) fn present(version: u8) -> ReferencedSecret {
    ReferencedSecret::Present {
        name: "client".to_owned(),
        uid: "uid-of-client".to_owned(),
        resource_version: version.to_string(),
        allowed_hosts: Some(HOST.to_owned()),
    }
}

/// The record of this version beside a token.
pub(crate) fn versions(version: u8) -> Versions {
    let mut versions = Versions::default();
    let hash = format!("hash-of-{version}");
    versions.extend(compare(Role::Credentials, &present(version), hash, &[]));
    versions
}

/// The data of this version. Each version has another first refresh token.
pub(crate) fn credentials(version: u8) -> BTreeMap<String, ByteString> {
    let rotated = |name: &str| (name.to_owned(), ByteString(format!("{name}-{version}").into_bytes()));
    let mut data = BTreeMap::from(["client_secret", "username", "password", "refresh_token"].map(rotated));
    data.insert("client_id".to_owned(), ByteString(b"client".to_vec()));
    data
}

/// A reply as an HTTP response.
pub(crate) fn http_response(reply: Reply) -> HttpResponse {
    let error = |code: &str| format!(r#"{{"error":"{code}"}}"#);
    let (status, body) = match reply {
        Reply::Token { refresh } => {
            let refresh = if refresh { r#","refresh_token":"rt""# } else { "" };
            let token = r#""access_token":"at","token_type":"Bearer","#;
            (200, format!(r#"{{{token}"expires_in":{LIFETIME}{refresh}}}"#))
        }
        Reply::Unavailable => (503, String::new()),
        Reply::Limited => (429, String::new()),
        Reply::InvalidClient => (401, error("invalid_client")),
        Reply::InvalidGrant => (400, error("invalid_grant")),
    };
    let mut headers = HeaderMap::new();
    if reply == Reply::Limited {
        headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
    HttpResponse { status, headers, body: body.into_bytes() }
}

/// The failure of `controller::reconcile::act` for a target that could not be written.
pub(crate) fn unwritten() -> Failure {
    let reason = Reason::TargetWriteFailed;
    Failure { reason, retry: Retry::TRANSIENT, retry_after: None, message: reason.sentence().to_owned() }
}

/// Moves the instants of a status. The lifetime of the token is moved and limited as a whole, as in the target, and the
/// renewal time with it.
pub(crate) fn move_status(status: &mut TokenSourceStatus, by: Seconds) {
    let read = |time: &Time| seconds(from_kubernetes(time));
    let moved = |time: &Option<Time>| time.as_ref().map(|time| to_kubernetes(at(shifted(read(time), by))));
    if let (Some(issued), Some(expires)) = (&status.issued_at, &status.expires_at) {
        let (issued, expires) = (read(issued), read(expires));
        let (issued_then, expires_then) = shifted_life(issued, expires, by);
        if status.retry_at.is_none() {
            let renew_at = status.renew_at.as_ref().map(read);
            status.renew_at = renew_at.map(|renew_at| to_kubernetes(at(renew_at + issued_then - issued)));
        }
        status.issued_at = Some(to_kubernetes(at(issued_then)));
        status.expires_at = Some(to_kubernetes(at(expires_then)));
    }
    if status.retry_at.is_some() {
        status.renew_at = moved(&status.renew_at);
    }
    status.retry_at = moved(&status.retry_at);
    status.last_failure_time = moved(&status.last_failure_time);
    status.last_unchanged_time = moved(&status.last_unchanged_time);
}

pub(crate) fn summary(status: &TokenSourceStatus) -> Summary {
    let find = |kind: ConditionType| status.conditions.iter().find(|found| found.type_ == kind.as_str());
    let is_true = |kind| find(kind).is_some_and(|found| found.status == "True");
    let time = |time: &Option<Time>| time.as_ref().map(|time| seconds(from_kubernetes(time)));
    let mut kinds: Vec<_> = status.conditions.iter().map(|condition| condition.type_.as_str()).collect();
    kinds.sort_unstable();
    let is_false = |kind| find(kind).is_some() && !is_true(kind);
    Summary {
        ready: is_true(ConditionType::Ready),
        renewed: is_true(ConditionType::Renewed),
        stalled: is_true(ConditionType::Stalled),
        reconciling: is_true(ConditionType::Reconciling),
        failures: status.failures,
        retry_at: time(&status.retry_at),
        renew_at: time(&status.renew_at),
        expires_at: time(&status.expires_at),
        generation: status.observed_generation.unwrap_or_default(),
        handled: REQUESTS
            .iter()
            .position(|request| *request == status.last_handled_renew_request.as_deref())
            .map_or(0, |position| u8::try_from(position).unwrap()),
        coherent: kinds.windows(2).all(|pair| pair[0] != pair[1])
            && !is_false(ConditionType::Stalled)
            && !is_false(ConditionType::Reconciling)
            && find(ConditionType::Ready).is_some()
            && status.conditions.iter().all(|c| c.observed_generation == status.observed_generation),
        sticky: status.last_unchanged_time.is_some(),
    }
}
