//! The provider block, and `TokenProvider`, whose spec it is: how to request tokens from one provider.
//!
//! Field names are those of RFC 6749, 7591 and 8414 in camelCase, and enum values are the strings of the registries, so that
//! values can be pasted from a provider's documentation. Must not know how a request is built.

use std::collections::BTreeSet;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::client_authentication::{BearerToken, ClientAuthentication};
use super::duration::Duration;
use super::grant::{AssertionGrant, ExchangeToken, RefreshSettings};
use super::input::{InputSource, RequestPart, ServiceAccountTokenSettings, TokenInput, ValueSource};
use super::parameter::{BodyFormat, Header, Parameter, RequestMethod};
use super::provider_status::TokenProviderStatus;
use super::reference::{KeyReference, ObjectReference};
use super::response::ResponseSettings;
use super::revocation::Revocation;
use super::signed_token::SignedToken;
use super::{is_default, rule};

/// How to request tokens from a provider: the spec of a TokenProvider, the spec of a ClusterTokenProvider (with
/// allowedNamespaces), and the provider block of a TokenSource.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tokensource.dev",
    version = "v1alpha1",
    kind = "TokenProvider",
    namespaced,
    status = "TokenProviderStatus",
    derive = "Default",
    category = "oauth-tokens",
    doc = "A TokenProvider describes one OAuth 2.0 token endpoint for the TokenSources of its namespace.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether TokenSources get tokens from the provider"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "The reason of the condition Ready"
    ),
    printcolumn(
        name = "Used",
        type_ = "integer",
        json_path = ".status.tokenSources",
        description = "How many TokenSources use the provider"
    ),
    printcolumn(
        name = "Last Success",
        type_ = "date",
        json_path = ".status.lastSuccessTime",
        description = "How long ago the last successful request was sent"
    ),
    printcolumn(
        name = "Endpoint",
        type_ = "string",
        json_path = ".spec.tokenEndpoint",
        description = "The token endpoint, if the provider names it itself"
    ),
    printcolumn(
        name = "Issuer",
        type_ = "string",
        json_path = ".spec.issuer",
        priority = "1",
        description = "The issuer whose metadata names the token endpoint"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.clientAuthentication) || !has(self.clientAuthentication.method) || self.clientAuthentication.method != 'tls_client_auth' || (has(self.tls) && has(self.tls.clientCertificateRef))").message("tls_client_auth needs tls.clientCertificateRef: the kubernetes.io/tls Secret with the client's certificate"))]
#[x_kube(validation = Rule::new("[has(self.tokenEndpoint), has(self.issuer), has(self.signedToken)].filter(set, set).size() == 1").message("set exactly one of tokenEndpoint (the URL that token requests are sent to), issuer (whose metadata names that URL) and signedToken (a token that is signed here)"))]
#[x_kube(validation = Rule::new("!has(self.signedToken) || !(has(self.grantType) || has(self.clientAuthentication) || has(self.method) || has(self.bodyFormat) || has(self.parameters) || has(self.headers) || has(self.refresh) || has(self.subjectToken) || has(self.actorToken) || has(self.requestedTokenType) || has(self.assertionGrant) || has(self.response))").message("signedToken sends no request: leave out grantType, clientAuthentication, parameters, headers, response and the other fields of a request"))]
#[x_kube(validation = Rule::new("!has(self.signedToken) || !has(self.revocation)").message("a token that is signed here cannot be revoked, because no provider has issued it: leave revocation out"))]
#[x_kube(validation = Rule::new("!has(self.revocation) || has(self.revocation.endpoint) || has(self.issuer)").message("revocation needs a URL: set revocation.endpoint, or set issuer instead of tokenEndpoint, whose metadata names it"))]
#[x_kube(validation = Rule::new("!has(self.method) || self.method != 'GET' || !has(self.bodyFormat)").message("a GET request has no body, and everything is in its query: leave bodyFormat out"))]
#[x_kube(validation = Rule::new("!has(self.parameters) || !self.parameters.exists(parameter, parameter.name == 'scope') || (has(self.bodyFormat) && self.bodyFormat == 'JSON')").message("a parameter scope is a list of scopes in a JSON body: set bodyFormat: JSON, or write token.scopes instead"))]
#[x_kube(validation = Rule::new("!has(self.refresh) || !(has(self.refresh.tokenEndpoint) || has(self.refresh.sendScope)) || (has(self.grantType) && !(self.grantType in ['client_credentials', 'refresh_token']))").message("leave refresh.tokenEndpoint and refresh.sendScope out: with grantType client_credentials (the default) no refresh token is kept, and with refresh_token every request goes to tokenEndpoint and names token.scopes"))]
pub struct TokenProviderSpec {
    /// URL of the token endpoint: https only, without user information or fragment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rule::endpoint_url")]
    pub token_endpoint: Option<String>,

    /// Issuer whose metadata (RFC 8414 or OpenID Connect discovery) names the token endpoint: https only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(
        validation = Rule::new("self.startsWith('https://') && isURL(self)").message("write a full https:// URL: an issuer is one (RFC 8414)"),
        validation = Rule::new("!self.matches('^https://[^/?#]*@')").message("leave user:password@ out of the issuer"),
        validation = Rule::new("!self.contains('#') && !self.contains('?')").message("an issuer has no query and no fragment (RFC 8414, section 2)")
    )]
    pub issuer: Option<String>,

    /// The grant_type to send: client_credentials (the default), password, refresh_token,
    /// urn:ietf:params:oauth:grant-type:jwt-bearer, urn:ietf:params:oauth:grant-type:token-exchange, a vendor's own, or None
    /// for a request without grant_type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rule::token())]
    pub grant_type: Option<String>,

    /// How the client authenticates.
    #[serde(default, skip_serializing_if = "is_default")]
    pub client_authentication: ClientAuthentication,

    /// The method of the request: POST (the default), or GET with everything in the URL's query and no body.
    #[serde(default, skip_serializing_if = "is_default")]
    pub method: RequestMethod,

    /// How the parameters of the request are encoded: Form (RFC 6749, the default), JSON, or Query.
    #[serde(default, skip_serializing_if = "is_default")]
    pub body_format: BodyFormat,

    /// Additional parameters of the request. Names that have a field of their own (grant_type, client_id, client_secret,
    /// scope, audience, …) are refused, except scope with type: JSON, for a list of scopes in a JSON body.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 32))]
    pub parameters: Vec<Parameter>,

    /// Additional headers of the request. Authorization, Host, Cookie, Accept, Content-* and hop-by-hop headers are
    /// refused.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 32))]
    pub headers: Vec<Header>,

    /// Settings for refresh tokens.
    #[serde(default, skip_serializing_if = "is_default")]
    pub refresh: RefreshSettings,

    /// Token exchange (RFC 8693): the token to exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_token: Option<ExchangeToken>,

    /// Token exchange (RFC 8693): the token of the actor, which acts on behalf of the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_token: Option<ExchangeToken>,

    /// Token exchange (RFC 8693): the type of the requested token, as a URN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rule::visible())]
    pub requested_token_type: Option<String>,

    /// JWT bearer grant (RFC 7523): the assertion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion_grant: Option<AssertionGrant>,

    /// Instead of tokenEndpoint: a JWT that the controller signs and that is the token itself. No request is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_token: Option<SignedToken>,

    /// How to read the response, if it differs from RFC 6749.
    #[serde(default, skip_serializing_if = "is_default")]
    pub response: ResponseSettings,

    /// Which tokens are revoked at the provider (RFC 7009). Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Revocation>,

    /// TLS: which certificates to trust, and the client's own certificate.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tls: Tls,

    /// Deadline for a request, from resolving the host to the end of the response: 1s to 2m. Default: 15s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rule::bounds("duration(self) >= duration('1s') && duration(self) <= duration('2m')", "a timeout lies between 1s and 2m"))]
    pub timeout: Option<Duration>,
}

impl TokenProviderSpec {
    /// The URL that the provider block names: the token endpoint, or else the issuer. None for a token that is signed here.
    pub fn url(&self) -> Option<&str> {
        self.token_endpoint.as_deref().or(self.issuer.as_deref())
    }

    /// The `grant_type` of requests.
    pub fn grant_type(&self) -> &str {
        self.grant_type.as_deref().unwrap_or("client_credentials")
    }

    /// The `grant_type`, which the issuer can list in its metadata; None if requests have none.
    pub fn registered_grant_type(&self) -> Option<&str> {
        Some(self.grant_type()).filter(|grant| *grant != "None")
    }

    /// The parts of the provider block that a revocation request needs. Headers are among them, because gateways require
    /// their headers in every request.
    #[must_use]
    pub fn revoking(&self) -> Self {
        Self {
            token_endpoint: self.token_endpoint.clone(),
            issuer: self.issuer.clone(),
            client_authentication: self.client_authentication.clone(),
            headers: self.headers.clone(),
            // A stored refresh token is bound to this endpoint as well.
            refresh: RefreshSettings {
                token_endpoint: self.refresh.token_endpoint.clone(),
                ..RefreshSettings::default()
            },
            revocation: self.revocation.clone(),
            tls: self.tls.clone(),
            timeout: self.timeout,
            ..Self::default()
        }
    }

    /// The URL of the revocation endpoint.
    pub fn revocation_endpoint(&self) -> Option<&str> {
        self.revocation.as_ref()?.endpoint.as_deref()
    }

    /// How long after its replacement a token is revoked; None if replaced tokens are not revoked.
    pub fn grace_of_replaced(&self) -> Option<std::time::Duration> {
        let revocation = self.revocation.as_ref().filter(|revocation| revocation.on_replace)?;
        Some(revocation.grace().get())
    }

    /// Whether tokens are revoked when their TokenSource is deleted.
    pub fn revokes_on_delete(&self) -> bool {
        self.revocation.as_ref().is_some_and(|revocation| revocation.on_delete)
    }

    /// The endpoint of refresh requests, if it is not the token endpoint.
    pub fn refresh_endpoint(&self) -> Option<&str> {
        self.refresh.token_endpoint.as_deref()
    }

    /// The deadline for a request.
    pub fn timeout(&self) -> std::time::Duration {
        self.timeout.unwrap_or(Duration::from_secs(15)).get()
    }

    /// The values of a request that are not written in the spec, each with its source.
    pub fn inputs(&self) -> impl Iterator<Item = (RequestPart, InputSource<'_>)> {
        fn each<'a>(
            values: impl Iterator<Item = &'a Option<ValueSource>>,
            part: fn(usize) -> RequestPart,
        ) -> impl Iterator<Item = (RequestPart, Option<InputSource<'a>>)> {
            let source = |value: &'a Option<ValueSource>| value.as_ref().and_then(ValueSource::source);
            values.enumerate().map(move |(index, value)| (part(index), source(value)))
        }
        let client = &self.client_authentication;
        let tokens = [
            (
                RequestPart::ClientAssertion,
                client.service_account_token.as_ref().map(InputSource::ServiceAccount),
            ),
            (RequestPart::BearerToken, client.bearer_token.as_ref().and_then(BearerToken::source)),
            (RequestPart::ClientSecret, client.client_secret_from.as_ref().and_then(ValueSource::source)),
            (RequestPart::SubjectToken, self.subject_token.as_ref().and_then(ExchangeToken::source)),
            (RequestPart::ActorToken, self.actor_token.as_ref().and_then(ExchangeToken::source)),
            (RequestPart::Assertion, self.foreign_assertion().and_then(TokenInput::source)),
        ];
        let parameters = each(self.parameters.iter().map(|each| &each.value_from), RequestPart::Parameter);
        let of_refresh = self.refresh.parameters.iter().map(|each| &each.value_from);
        let of_refresh = each(of_refresh, RequestPart::RefreshParameter);
        let headers = each(self.headers.iter().map(|each| &each.value_from), RequestPart::Header);
        let all = tokens.into_iter().chain(parameters).chain(of_refresh).chain(headers);
        all.filter_map(|(part, source)| Some((part, source?)))
    }

    /// The assertion of another issuer.
    pub fn foreign_assertion(&self) -> Option<&TokenInput> {
        self.assertion_grant.as_ref()?.assertion_from.as_ref()
    }

    /// The keys of the credentials Secret that this provider block names.
    pub fn credentials_keys(&self) -> impl Iterator<Item = &str> {
        self.inputs().filter_map(|(_, source)| match source {
            InputSource::CredentialsKey(key) => Some(key),
            _ => None,
        })
    }

    /// The TokenSources whose tokens a request needs, by name, each once.
    pub fn token_sources(&self) -> BTreeSet<&str> {
        let names = self.inputs().filter_map(|(_, source)| match source {
            InputSource::TokenSource(name) => Some(name),
            _ => None,
        });
        names.collect()
    }

    /// Whether the client presents a certificate. The issuer's metadata may name another endpoint for such clients (RFC
    /// 8705, section 5).
    pub fn shows_certificate(&self) -> bool {
        self.tls.client_certificate_ref.is_some()
    }

    /// Whether the header of a signed assertion needs the certificate in the credentials Secret.
    pub fn asserts_certificate(&self) -> bool {
        self.client_authentication
            .assertions()
            .any(|assertion| assertion.x5t || assertion.x5t_s256 || assertion.x5c)
            || self.assertion_grant.as_ref().is_some_and(|grant| grant.x5t || grant.x5t_s256 || grant.x5c)
    }

    /// The ServiceAccounts whose tokens a request needs.
    pub fn service_accounts(&self) -> impl Iterator<Item = &ServiceAccountTokenSettings> {
        self.inputs().filter_map(|(_, source)| match source {
            InputSource::ServiceAccount(settings) => Some(settings),
            _ => None,
        })
    }
}

/// TLS: which certificates to trust, and the client's own certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.caBundle) && has(self.caBundleRef))").message("set one of caBundle and caBundleRef, not both"))]
pub struct Tls {
    /// PEM certificates to trust instead of the certificate authorities of the controller's system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65_536))]
    pub ca_bundle: Option<String>,

    /// A key of a ConfigMap in the same namespace that holds certificates to trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_ref: Option<KeyReference>,

    /// A kubernetes.io/tls Secret in the TokenSource's namespace with the client's certificate, for tls_client_auth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_ref: Option<ObjectReference>,
}
