//! Contradictions among the fields by which a client authenticates: a client certificate (RFC 8705), the token of a
//! ServiceAccount or of another TokenSource, or a bearer token; and `bodyFormat` with GET. Knows only the spec; must not
//! know a certificate or a token.

use super::{Observed, Rule};
use crate::api::{
    BodyFormat, ClientAuthenticationMethod, RequestMethod, ServiceAccountTokenSettings, TokenProviderSpec,
};

/// The contradictions that this module knows.
pub(super) const RULES: [Rule; 9] = [
    missing_certificate,
    certificate_is_target,
    missing_service_account,
    idle_service_account,
    lone_bearer_token,
    idle_secret_source,
    body_of_get,
    many_service_accounts,
    audience_of_the_api_server,
];

/// Common audiences of API servers, which are refused before any call. The audience of this cluster's API server is looked
/// up when a token is requested.
const API_SERVERS: [&str; 5] = [
    "api",
    "kubernetes",
    "kubernetes.default.svc",
    "https://kubernetes.default.svc",
    "https://kubernetes.default.svc.cluster.local",
];

fn missing_certificate(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let wanted = provider.client_authentication.method == ClientAuthenticationMethod::TlsClientAuth;
    (wanted && provider.tls.client_certificate_ref.is_none()).then(|| {
        "clientAuthentication.method tls_client_auth needs a certificate: name its kubernetes.io/tls Secret in \
         provider.tls.clientCertificateRef."
            .to_owned()
    })
}

fn certificate_is_target(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let name = &provider.tls.client_certificate_ref.as_ref()?.name;
    (observed.target_name() == name).then(|| {
        format!(
            "tls.clientCertificateRef and target both name the Secret {name}: give the target another name."
        )
    })
}

fn missing_service_account(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let authentication = &provider.client_authentication;
    let wanted = authentication.method == ClientAuthenticationMethod::FederatedJwt;
    (wanted && authentication.service_account_token.is_none()).then(|| {
        "clientAuthentication.method federated_jwt needs clientAuthentication.serviceAccountToken.audience: the \
         audience that the provider expects."
            .to_owned()
    })
}

fn idle_service_account(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let authentication = &provider.client_authentication;
    let idle = authentication.method != ClientAuthenticationMethod::FederatedJwt
        && authentication.service_account_token.is_some();
    idle.then(|| {
        "provider.clientAuthentication.serviceAccountToken has an effect only with clientAuthentication.method: \
         federated_jwt: set that, or remove it."
            .to_owned()
    })
}

fn lone_bearer_token(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let authentication = &provider.client_authentication;
    let wanted = authentication.method == ClientAuthenticationMethod::BearerToken;
    let is_given = authentication
        .bearer_token
        .as_ref()
        .is_some_and(|bearer| bearer.assertion.is_some() || bearer.source().is_some());
    (wanted != is_given).then(|| {
        "clientAuthentication.method bearer_token and clientAuthentication.bearerToken belong together: set both, with \
         exactly one of assertion, credentialsKey, serviceAccountToken and tokenSourceRef, or neither."
            .to_owned()
    })
}

fn idle_secret_source(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    use ClientAuthenticationMethod::{ClientSecretBasic, ClientSecretPost};
    let authentication = &provider.client_authentication;
    let source = authentication.client_secret_from.as_ref()?;
    if !matches!(authentication.method, ClientSecretBasic | ClientSecretPost) {
        return Some(
            "provider.clientAuthentication.clientSecretFrom has an effect only with clientAuthentication.method: \
             client_secret_basic or client_secret_post: set one of these, or remove it."
                .to_owned(),
        );
    }
    let is_token = source.service_account_token.is_some() != source.token_source_ref.is_some();
    (!is_token || source.credentials_key.is_some()).then(|| {
        "provider.clientAuthentication.clientSecretFrom takes exactly one of serviceAccountToken and tokenSourceRef; a key of \
         the credentials belongs in credentialsRef.keys.clientSecret."
            .to_owned()
    })
}

fn body_of_get(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let is_idle = provider.method == RequestMethod::Get && provider.body_format != BodyFormat::default();
    is_idle.then(|| {
        "provider.bodyFormat has no effect with method: GET, which sends everything in the query: leave it out.".to_owned()
    })
}

/// The maximum number of ServiceAccount tokens for one request. Each costs a call to the API server.
const MOST_SERVICE_ACCOUNTS: usize = 4;

fn many_service_accounts(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    (provider.service_accounts().count() > MOST_SERVICE_ACCOUNTS).then(|| {
        format!("The provider block has more than {MOST_SERVICE_ACCOUNTS} serviceAccountToken: remove some of them.")
    })
}

fn audience_of_the_api_server(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let taken = |settings: &&ServiceAccountTokenSettings| {
        API_SERVERS.contains(&settings.audience.trim_end_matches('/'))
    };
    provider.service_accounts().find(taken).map(|_| {
        "serviceAccountToken.audience is the Kubernetes API server's own: whoever receives such a token can act as the \
         ServiceAccount in this cluster. Write the audience that the provider documents."
            .to_owned()
    })
}

#[cfg(test)]
mod tests;
