//! The provider block: how one provider's token endpoint wants to be asked. Also the kinds that share it.
//!
//! Names are those of RFC 6749, 7591, 8414, in camelCase; enum values are the registries' own strings, so that a
//! line of a provider's documentation can be pasted. Must not know what is done with any of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::is_default;

/// How to ask a provider's token endpoint. A TokenProvider's spec, a ClusterTokenProvider's (with
/// allowedNamespaces), and the provider block of a TokenSource.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tokensource.dev",
    version = "v1alpha1",
    kind = "TokenProvider",
    namespaced,
    category = "tokensource",
    doc = "A TokenProvider describes one OAuth 2.0 token endpoint for the TokenSources of its namespace.",
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".spec.tokenEndpoint"),
    printcolumn(name = "Issuer", type_ = "string", json_path = ".spec.issuer", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
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
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[!-~]+$"))]
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
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('2m')").message("a timeout lies between 1s and 2m"))]
    pub timeout: Option<Duration>,
}

impl TokenProviderSpec {
    /// The key of a Secret that holds the token to exchange, where it is kept in one.
    pub fn subject_secret(&self) -> Option<&KeyReference> {
        self.subject_token.as_ref()?.secret_key_ref.as_ref()
    }
}

/// A provider for many namespaces, described once by a cluster's administrators.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tokensource.dev",
    version = "v1alpha1",
    kind = "ClusterTokenProvider",
    category = "tokensource",
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

/// How the client proves who it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.method) || self.method != 'federated_jwt' || (has(self.serviceAccountToken) && size(self.serviceAccountToken.audience) > 0)").message("federated_jwt needs serviceAccountToken.audience: the audience the provider expects, never the API server's"))]
pub struct ClientAuthentication {
    /// A registered method (client_secret_basic, the default; client_secret_post, client_secret_jwt,
    /// private_key_jwt, tls_client_auth, none), or federated_jwt: a ServiceAccount token as client assertion.
    #[serde(default, skip_serializing_if = "is_default")]
    pub method: ClientAuthenticationMethod,

    /// For client_secret_basic. Form (the default): id and secret are form-encoded first (RFC 6749, section 2.3.1).
    /// Raw: they are not, as many providers expect.
    #[serde(default, skip_serializing_if = "is_default")]
    pub basic_encoding: BasicEncoding,

    /// Whether client_id stands in the body. Auto (the default): wherever the method calls for it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub send_client_id: SendClientId,

    /// The client assertion to sign, for client_secret_jwt and private_key_jwt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion: Option<AssertionSettings>,

    /// The ServiceAccount whose token identifies the client, for federated_jwt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_token: Option<ServiceAccountTokenSettings>,
}

/// Methods of RFC 6749, 7523, 8705 as registered for RFC 7591, and one of ours (federated_jwt).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the registry's own strings
pub enum ClientAuthenticationMethod {
    #[default]
    ClientSecretBasic,
    ClientSecretPost,
    ClientSecretJwt,
    PrivateKeyJwt,
    TlsClientAuth,
    FederatedJwt,
    None,
}

impl ClientAuthenticationMethod {
    /// The registered string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::TlsClientAuth => "tls_client_auth",
            Self::FederatedJwt => "federated_jwt",
            Self::None => "none",
        }
    }
}

/// What happens to id and secret before Basic's base64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BasicEncoding {
    /// Form-encoded first: RFC 6749, section 2.3.1.
    #[default]
    Form,
    /// As they are: RFC 7617 alone.
    Raw,
}

/// Whether client_id stands in the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SendClientId {
    /// Wherever the method calls for it.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// In no case.
    Never,
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
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[-!#$%&'*+.^_`|~0-9A-Za-z]+$"))]
    #[x_kube(validation = Rule::new("!(self.lowerAscii() in ['accept', 'accept-encoding', 'authorization', 'connection', 'cookie', 'expect', 'host', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'user-agent']) && !self.lowerAscii().startsWith('content-') && !self.lowerAscii().startsWith('proxy-')").message("this header is the controller's own: client authentication belongs in clientAuthentication, the body's form in bodyFormat"))]
    pub name: String,

    /// Its value. Not for secrets: everybody who may read this object sees it.
    #[schemars(length(max = 4096), regex(pattern = r"^[\t -~]*$"))]
    pub value: String,
}

/// What to do with refresh tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshSettings {
    /// IfIssued (the default): a refresh token that comes with an access token is kept and used. Never: it is
    /// dropped, and every renewal asks with the primary grant.
    #[serde(default, skip_serializing_if = "is_default")]
    pub policy: RefreshPolicy,

    /// On a refresh request these replace provider.parameters.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 32))]
    pub parameters: Vec<Parameter>,
}

/// Whether refresh tokens are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RefreshPolicy {
    /// Whenever the provider issues one.
    #[default]
    IfIssued,
    /// Not at all.
    Never,
}

/// The client assertion to sign (RFC 7523, section 2.2).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssertionSettings {
    /// Signature algorithm. Default: RS256 (HS256 for client_secret_jwt).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<JsonWebAlgorithm>,

    /// The kid header, where the provider tells keys apart by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub key_id: Option<String>,

    /// The aud claim: TokenEndpoint (the default), Issuer, or a literal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub audience: Option<String>,

    /// How long the assertion is valid. Default: 60s. Most providers refuse more than 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Duration>,

    /// Whether to send the x5t#S256 header, the certificate's thumbprint.
    #[serde(rename = "x5tS256", default, skip_serializing_if = "is_default")]
    pub x5t_s256: bool,

    /// Further claims, as a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub claims: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Signature algorithms of RFC 7518.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the registry's own strings
pub enum JsonWebAlgorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// A ServiceAccount of the TokenSource's namespace, and the token to ask the API server for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountTokenSettings {
    /// Name of the ServiceAccount. Default: default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub name: Option<String>,

    /// The audience of the token: what the provider expects, never the API server's own.
    #[schemars(length(min = 1, max = 2048))]
    pub audience: String,

    /// How long the token is valid, in seconds. Default: 600, which is also the least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 600, max = 86_400))]
    pub expiration_seconds: Option<i64>,
}

/// The token to exchange: from a Secret, or a ServiceAccount's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secretKeyRef) != has(self.serviceAccountToken)").message("set exactly one of secretKeyRef and serviceAccountToken"))]
pub struct SubjectToken {
    /// A key of a Secret in the TokenSource's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyReference>,

    /// A ServiceAccount's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_token: Option<ServiceAccountTokenSettings>,

    /// The subject_token_type. Default: urn:ietf:params:oauth:token-type:jwt.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub type_: Option<String>,
}

/// The assertion of a JWT bearer grant (RFC 7523, section 2.1).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssertionGrant {
    /// The iss claim. Default: the client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub issuer: Option<String>,

    /// The sub claim. Default: the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub subject: Option<String>,

    /// The aud claim: TokenEndpoint (the default), Issuer, or a literal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub audience: Option<String>,

    /// Whether the scope stands in the assertion as a claim instead of in the request.
    #[serde(default, skip_serializing_if = "is_default")]
    pub scope_claim: bool,

    /// How long the assertion is valid. Default: 60s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Duration>,

    /// Signature algorithm. Default: RS256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<JsonWebAlgorithm>,

    /// The kid header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub key_id: Option<String>,

    /// Further claims, as a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub claims: Option<serde_json::Map<String, serde_json::Value>>,
}

/// How to read the answer, where it departs from RFC 6749.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponseSettings {
    /// Where the members of the answer stand, if not under their RFC names.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fields: ResponseFields,

    /// The token type to assume whatever the answer says, for servers that answer nonsense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9._~-]+$"))]
    pub token_type: Option<String>,

    /// How to read the expiry.
    #[serde(default, skip_serializing_if = "is_default")]
    pub expiry: ExpirySettings,
}

/// JSON Pointers (RFC 6901) to the members of the answer, such as /data/token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // each is the pointer to the member of its name
pub struct ResponseFields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), regex(pattern = r"^/"))]
    pub access_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), regex(pattern = r"^/"))]
    pub expires_in: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), regex(pattern = r"^/"))]
    pub expires_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), regex(pattern = r"^/"))]
    pub refresh_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), regex(pattern = r"^/"))]
    pub token_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), regex(pattern = r"^/"))]
    pub error: Option<String>,
}

/// How to read the expiry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpirySettings {
    /// The life of a token whose answer says nothing of it. Default: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('10s')").message("an assumed lifetime is 10s or more"))]
    pub assumed_lifetime: Option<Duration>,

    /// The unit of relative lifetimes: Auto (the default), Seconds or Milliseconds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unit: ExpiryUnit,

    /// Whether to pass over what the answer says and take assumedLifetime.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ignore_response: bool,
}

/// The unit of relative lifetimes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ExpiryUnit {
    /// Seconds, or milliseconds where the token itself proves it.
    #[default]
    Auto,
    /// Seconds, whatever the token says.
    Seconds,
    /// Milliseconds.
    Milliseconds,
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
    pub name: String,

    /// The key in it.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// An object in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct ObjectReference {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// The schema of a free JSON object.
fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "description": "Further claims, as a JSON object.",
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
    })
}
