//! The provider block: how one provider's token endpoint wants to be asked. Also the kinds that share it.
//!
//! Names are those of RFC 6749, 7591, 8414, in camelCase; enum values are the registries' own strings, so that a
//! line of a provider's documentation can be pasted. Must not know what is done with any of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::client_authentication::{ClientAuthentication, ServiceAccountTokenSettings};
use super::duration::Duration;
use super::grant::{AssertionGrant, RefreshSettings, SubjectToken};
use super::is_default;
use super::response::ResponseSettings;
use super::rule;

/// How to ask a provider's token endpoint. A TokenProvider's spec, a ClusterTokenProvider's (with
/// allowedNamespaces), and the provider block of a TokenSource.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tokensource.dev",
    version = "v1alpha1",
    kind = "TokenProvider",
    namespaced,
    category = "oauth-tokens",
    doc = "A TokenProvider describes one OAuth 2.0 token endpoint for the TokenSources of its namespace.",
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".spec.tokenEndpoint"),
    printcolumn(name = "Issuer", type_ = "string", json_path = ".spec.issuer", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.clientAuthentication) || !has(self.clientAuthentication.method) || self.clientAuthentication.method != 'tls_client_auth' || (has(self.tls) && has(self.tls.clientCertificateRef))").message("tls_client_auth needs tls.clientCertificateRef: the kubernetes.io/tls Secret with the client's certificate"))]
#[x_kube(validation = Rule::new("has(self.tokenEndpoint) != has(self.issuer)").message("set exactly one of tokenEndpoint (the URL tokens are asked at) and issuer (whose metadata names that URL)"))]
pub struct TokenProviderSpec {
    /// URL of the token endpoint: https only, without user information and fragment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(
        validation = Rule::new("self.startsWith('https://') && isURL(self)").message("write a full https:// URL: tokens and secrets are never sent unencrypted, and there is no switch for it"),
        validation = Rule::new("!self.matches('^https://[^/?#]*@')").message("leave user:password@ out of the URL: credentials belong in the Secret that credentialsRef names"),
        validation = Rule::new("!self.contains('#')").message("leave the fragment (#...) out: it is never sent")
    )]
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
    /// urn:ietf:params:oauth:grant-type:jwt-bearer, urn:ietf:params:oauth:grant-type:token-exchange, or a vendor's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rule::token())]
    pub grant_type: Option<String>,

    /// How the client proves who it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub client_authentication: ClientAuthentication,

    /// How the request's members are sent: Form (RFC 6749, the default), JSON, or Query.
    #[serde(default, skip_serializing_if = "is_default")]
    pub body_format: BodyFormat,

    /// Further members of the request. Names that the protocol gives a meaning to (grant_type, client_id,
    /// client_secret, scope, audience, …) are refused: they have fields of their own.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 32))]
    pub parameters: Vec<Parameter>,

    /// Further headers of the request. Authorization, Host, Cookie, Accept, User-Agent, Content-*, and hop-by-hop
    /// headers are refused.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 32))]
    pub headers: Vec<Header>,

    /// What to do with refresh tokens.
    #[serde(default, skip_serializing_if = "is_default")]
    pub refresh: RefreshSettings,

    /// Token exchange (RFC 8693): the token to exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_token: Option<SubjectToken>,

    /// Token exchange (RFC 8693): the type of token to ask for, an urn:.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rule::visible())]
    pub requested_token_type: Option<String>,

    /// JWT bearer grant (RFC 7523): the assertion to sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion_grant: Option<AssertionGrant>,

    /// How to read the answer, where it departs from RFC 6749.
    #[serde(default, skip_serializing_if = "is_default")]
    pub response: ResponseSettings,

    /// Trust in, and identification at, the TLS layer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tls: Tls,

    /// Deadline for the whole exchange, 1s to 2m. Default: 15s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rule::bounds("duration(self) >= duration('1s') && duration(self) <= duration('2m')", "a timeout lies between 1s and 2m"))]
    pub timeout: Option<Duration>,
}

impl TokenProviderSpec {
    /// The key of a Secret that holds the token to exchange, where it is kept in one.
    pub fn subject_secret(&self) -> Option<&KeyReference> {
        self.subject_token.as_ref()?.secret_key_ref.as_ref()
    }

    /// Whether the client shows a certificate, whatever it proves itself by: metadata may name another endpoint for such
    /// clients (RFC 8705, section 5).
    pub fn shows_certificate(&self) -> bool {
        self.tls.client_certificate_ref.is_some()
    }

    /// The ServiceAccounts whose tokens take part in a request: the client's, and the one to exchange.
    pub fn service_accounts(&self) -> impl Iterator<Item = &ServiceAccountTokenSettings> {
        let subject = self.subject_token.as_ref().and_then(|subject| subject.service_account_token.as_ref());
        self.client_authentication.service_account_token.as_ref().into_iter().chain(subject)
    }
}

/// A provider for many namespaces, described once by a cluster's administrators.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tokensource.dev",
    version = "v1alpha1",
    kind = "ClusterTokenProvider",
    category = "oauth-tokens",
    doc = "A ClusterTokenProvider describes one OAuth 2.0 token endpoint for the TokenSources of many namespaces. It holds no credentials: those stay in the namespaces that use it.",
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".spec.tokenEndpoint"),
    printcolumn(name = "Issuer", type_ = "string", json_path = ".spec.issuer", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.tls) || !has(self.tls.caBundleRef)").message("a ClusterTokenProvider belongs to no namespace: put the certificates themselves in tls.caBundle")
)]
pub struct ClusterTokenProviderSpec {
    /// The namespaces whose TokenSources may use this provider, by the labels of the namespace. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<LabelSelector>,

    /// The provider block itself.
    #[serde(flatten)]
    pub provider: TokenProviderSpec,
}

/// How the request's members are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BodyFormat {
    /// application/x-www-form-urlencoded: RFC 6749, section 4.
    #[default]
    Form,
    /// A JSON object.
    #[serde(rename = "JSON")]
    Json,
    /// In the URL's query, with an empty body.
    Query,
}

/// One further member of the request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameter {
    /// Its name.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = rule::visible())]
    #[x_kube(validation = Rule::new("!(self in ['grant_type', 'client_id', 'client_secret', 'client_assertion', 'scope', 'refresh_token', 'username', 'password', 'assertion', 'resource', 'audience']) && !self.startsWith('subject_token') && !self.startsWith('actor_token')").message("this name has a field of its own (token.scopes, token.audience, token.resources, credentialsRef, clientAuthentication, …): use that"))]
    pub name: String,

    /// Its value. Not for secrets: everybody who may read this object sees it.
    #[schemars(length(max = 4096))]
    pub value: String,

    /// String (the default), Number or Boolean: how the value stands in a JSON body.
    #[serde(rename = "type", default, skip_serializing_if = "is_default")]
    pub type_: ParameterType,

    /// Body (the default) or Query.
    #[serde(rename = "in", default, skip_serializing_if = "is_default")]
    pub place: ParameterPlace,
}

/// How a parameter's value stands in a JSON body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // JSON's own types
pub enum ParameterType {
    #[default]
    String,
    Number,
    Boolean,
}

/// Where a parameter goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ParameterPlace {
    /// With the other members of the request.
    #[default]
    Body,
    /// In the URL's query.
    Query,
}

/// One further header of the request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Header {
    /// Its name.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = rule::header_name())]
    #[x_kube(validation = Rule::new("!(self.lowerAscii() in ['accept', 'accept-encoding', 'authorization', 'connection', 'cookie', 'expect', 'host', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'user-agent']) && !self.lowerAscii().startsWith('content-') && !self.lowerAscii().startsWith('proxy-')").message("this header is the controller's own: client authentication belongs in clientAuthentication, the body's form in bodyFormat"))]
    pub name: String,

    /// Its value. Not for secrets: everybody who may read this object sees it.
    #[schemars(length(max = 4096))]
    #[x_kube(validation = rule::header_value())]
    pub value: String,
}

/// Trust in, and identification at, the TLS layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.caBundle) && has(self.caBundleRef))").message("set one of caBundle and caBundleRef, not both"))]
pub struct Tls {
    /// PEM certificates that replace the public authorities as roots of trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65_536))]
    pub ca_bundle: Option<String>,

    /// A key of a ConfigMap in the same namespace that holds such certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_ref: Option<KeyReference>,

    /// A kubernetes.io/tls Secret in the TokenSource's namespace: the client certificate of tls_client_auth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_ref: Option<ObjectReference>,
}

/// A key of an object in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct KeyReference {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::object_name())]
    pub name: String,

    /// The key in it.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::data_key())]
    pub key: String,
}

/// An object in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct ObjectReference {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::object_name())]
    pub name: String,
}
