//! When a stored refresh token may be sent, for each kind of change since it was stored.

use super::*;

const ENDPOINT: &str = "https://auth.example.com/token";

fn spec(grant: &str) -> (TokenSourceSpec, TokenProviderSpec) {
    let provider = TokenProviderSpec {
        token_endpoint: Some(ENDPOINT.to_owned()),
        grant_type: Some(grant.to_owned()),
        ..TokenProviderSpec::default()
    };
    let spec = TokenSourceSpec {
        credentials_ref: Some(crate::api::CredentialsReference::default()),
        ..TokenSourceSpec::default()
    };
    (spec, provider)
}

fn credentials(seed: &str) -> BTreeMap<String, ByteString> {
    BTreeMap::from([("refresh_token".to_owned(), ByteString(seed.as_bytes().to_vec()))])
}

fn binding(grant: &str, inputs_fingerprint: &str, endpoint: &str, seed: &str) -> RefreshBinding {
    let (spec, mut provider) = spec(grant);
    provider.token_endpoint = Some(endpoint.to_owned());
    RefreshBinding::now(&spec, &provider, inputs_fingerprint, &credentials(seed))
}

#[test]
fn a_stored_token_is_sent_only_with_its_own_binding() {
    let elsewhere = "https://auth.example.com/other";
    let cases = [
        ("nothing has changed", "password", "a", ENDPOINT, "s", true),
        ("other inputs: another user, client or scope", "password", "b", ENDPOINT, "s", false),
        ("another endpoint", "password", "a", elsewhere, "s", false),
        ("own grant, nothing has changed", "refresh_token", "a", ENDPOINT, "s", true),
        ("own grant, a label on the credentials", "refresh_token", "b", ENDPOINT, "s", true),
        ("own grant, another token to begin with", "refresh_token", "b", ENDPOINT, "t", false),
        ("own grant, another endpoint", "refresh_token", "a", elsewhere, "s", false),
    ];
    for (case, grant, inputs_fingerprint, endpoint, seed, usable) in cases {
        let secret = binding(grant, "a", ENDPOINT, "s").to_secret(
            "x",
            OwnerReference::default(),
            &Secret::new("r1".into()),
        );
        let found = binding(grant, inputs_fingerprint, endpoint, seed).usable(&secret);
        assert_eq!(found.as_ref().map(Secret::expose), usable.then_some("r1"), "{case}");
    }
}

#[test]
fn a_stored_token_is_not_sent_to_another_endpoint_of_refresh_requests() {
    for grant in ["password", "refresh_token"] {
        let (spec, mut provider) = spec(grant);
        let binding = |provider: &_| RefreshBinding::now(&spec, provider, "a", &credentials("s"));
        let none = binding(&provider);
        provider.refresh.token_endpoint = Some("https://auth.example.com/refresh".to_owned());
        let first = binding(&provider);
        provider.refresh.token_endpoint = Some("https://other.example.com/refresh".to_owned());
        let second = binding(&provider);
        let secret = first.to_secret("x", OwnerReference::default(), &Secret::new("r1".into()));
        assert!(first.usable(&secret).is_some(), "{grant}");
        assert!(none.usable(&secret).is_none() && second.usable(&secret).is_none(), "{grant}");
    }
}

#[test]
fn the_refresh_token_is_only_in_the_data_of_its_secret() {
    let secret = binding("refresh_token", "a", ENDPOINT, "the-seed").to_secret(
        "x",
        OwnerReference::default(),
        &Secret::new("the-token".into()),
    );
    assert_eq!(secret.type_.as_deref(), Some("tokensource.dev/refresh-token"));
    assert_eq!(secret.metadata.name.as_deref(), Some("x-refresh"));
    let metadata = serde_json::to_string(&secret.metadata).unwrap();
    let seed = digest(b"the-seed");
    assert!(!metadata.contains("the-token") && !metadata.contains(&seed), "{metadata}");
}

#[test]
fn the_primary_grant_replaces_a_refused_refresh_request_and_a_third_failure() {
    let cases = [
        ("password", Reason::RefreshTokenRejected, 1, true),
        ("password", Reason::InvalidRequest, 1, true),
        // A bare 401, 401 `invalid_token`, a bare 403, 404, other statuses and codes.
        ("password", Reason::InvalidClient, 1, true),
        ("password", Reason::ProviderRejected, 1, true),
        ("password", Reason::AccessDenied, 1, true),
        ("vendor", Reason::EndpointNotFound, 1, true),
        ("vendor", Reason::AssertionRejected, 1, true),
        ("password", Reason::ProviderUnavailable, 1, false),
        ("password", Reason::ProviderUnavailable, 2, false),
        ("password", Reason::ProviderUnavailable, 3, true),
        ("password", Reason::ProviderUnavailable, 40, true),
        ("password", Reason::MalformedResponse, 3, true),
        ("password", Reason::EndpointUnreachable, 3, true),
        ("password", Reason::UnexpectedRedirect, 1, false),
        ("password", Reason::EndpointNotAllowed, 1, false),
        ("password", Reason::ProxyError, 1, false),
        ("password", Reason::RateLimited, 1, false),
        ("password", Reason::RateLimited, 3, false),
        ("refresh_token", Reason::InvalidGrant, 1, false),
        ("refresh_token", Reason::ProviderUnavailable, 3, false),
    ];
    for (grant, reason, failures, expected) in cases {
        let failure = Failure::local(reason, "");
        assert_eq!(
            falls_back_to_grant(&spec(grant).1, &failure, failures),
            expected,
            "{grant}, {reason}, {failures}"
        );
    }
}

#[test]
fn a_text_that_an_earlier_version_has_stored_as_a_token_is_not_sent() {
    let binding = binding("password", "a", ENDPOINT, "s");
    for (token, usable) in [("not_supported", false), ("", false), ("r1", true)] {
        let secret = binding.to_secret("x", OwnerReference::default(), &Secret::new(token.into()));
        assert_eq!(binding.usable(&secret).is_some(), usable);
    }
}

#[test]
fn refresh_tokens_are_stored_where_they_save_something() {
    for (grant, stores) in
        [(None, false), (Some("client_credentials"), false), (Some("password"), true), (Some("vendor"), true)]
    {
        let mut provider =
            TokenProviderSpec { grant_type: grant.map(str::to_owned), ..TokenProviderSpec::default() };
        assert_eq!(stores_refresh_token(&provider), stores, "{grant:?}");
        provider.refresh.policy = RefreshPolicy::Never;
        assert!(!stores_refresh_token(&provider), "{grant:?}, with policy Never");
    }
}
