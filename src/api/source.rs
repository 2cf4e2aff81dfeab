//! `TokenSource`: which token to request, with which credentials, where to store it, and when to renew it.
//! Knows the fields of the contract and their defaults; must not know how a token is requested.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::is_default;
use super::provider::TokenProviderSpec;
use super::rule;
use super::status::TokenSourceStatus;
use super::target::Target;

/// Which token to request, with which credentials, where to store it, and when to renew it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tokensource.dev",
    version = "v1alpha1",
    kind = "TokenSource",
    namespaced,
    status = "TokenSourceStatus",
    derive = "Default",
    derive = "PartialEq",
    shortname = "toksrc",
    category = "oauth-tokens",
    doc = "A TokenSource keeps a fresh OAuth 2.0 access token in a Secret: the controller requests the token from a provider, writes it where pods can mount it, and renews it before it expires.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the target holds a token that is valid now"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Renewed\")].reason",
        description = "How the last attempt to get a token ended"
    ),
    printcolumn(
        name = "Target",
        type_ = "string",
        json_path = ".status.target.name",
        description = "The Secret that holds the token"
    ),
    printcolumn(
        name = "Expires",
        type_ = "string",
        json_path = ".status.expiresAt",
        description = "When the token expires"
    ),
    printcolumn(
        name = "Renews",
        type_ = "string",
        json_path = ".status.renewAt",
        description = "When the next token is requested"
    ),
    printcolumn(
        name = "Endpoint",
        type_ = "string",
        json_path = ".spec.provider.tokenEndpoint",
        priority = "1",
        description = "The token endpoint, if the TokenSource names it itself"
    ),
    printcolumn(
        name = "Provider",
        type_ = "string",
        json_path = ".spec.providerRef.name",
        priority = "1",
        description = "The provider object, if one is referenced"
    ),
    printcolumn(
        name = "Failures",
        type_ = "integer",
        json_path = ".status.failures",
        priority = "1",
        description = "Failed attempts in a row"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.provider) != has(self.providerRef)").message("set exactly one of provider (written out here) and providerRef (a TokenProvider or ClusterTokenProvider)"))]
#[x_kube(validation = Rule::new("!(has(self.provider) && has(self.provider.response) && has(self.provider.response.keep)) || (has(self.target) && has(self.target.data))").message("response.keep has an effect only on templates: use fields.NAME in target.data, or leave keep out"))]
#[x_kube(validation = Rule::new("!has(self.token) || !has(self.token.scopes) || !has(self.provider) || !has(self.provider.parameters) || !self.provider.parameters.exists(parameter, parameter.name == 'scope')").message("token.scopes and the parameter scope both are the scope: keep the one whose form the provider documents"))]
pub struct TokenSourceSpec {
    /// How to request tokens from the provider.
    // Boxed: most TokenSources have a providerRef instead, and every TokenSource is kept in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Box<TokenProviderSpec>>,

    /// A TokenProvider of this namespace, or a ClusterTokenProvider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_ref: Option<ProviderReference>,

    /// Which token to request.
    #[serde(default, skip_serializing_if = "is_default")]
    pub token: RequestedToken,

    /// The client id, if the credentials Secret does not hold it: a client id is no secret (RFC 6749, section 2.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = rule::visible())]
    pub client_id: Option<String>,

    /// The Secret with the client's credentials. Its annotation tokensource.dev/allowed-hosts must name the hosts that may
    /// receive them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_ref: Option<CredentialsReference>,

    /// The Secret that holds the token.
    #[serde(default, skip_serializing_if = "is_default")]
    pub target: Target,

    /// When to renew.
    #[serde(default, skip_serializing_if = "is_default")]
    pub renewal: Renewal,

    /// Whether renewal is suspended: while this is true, no token is requested and the target is not written.
    #[serde(default, skip_serializing_if = "is_default")]
    pub suspend: bool,
}

impl TokenSource {
    /// The name of the Secret that holds the token.
    pub fn target_name(&self) -> &str {
        let own = self.metadata.name.as_deref();
        self.spec.target.name.as_deref().or(own).unwrap_or_default()
    }
}

/// A provider object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct ProviderReference {
    /// TokenProvider (of this namespace) or ClusterTokenProvider.
    pub kind: ProviderKind,

    /// Name of the provider.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::object_name())]
    pub name: String,
}

/// The kinds of provider objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the kinds' own names
pub enum ProviderKind {
    #[default]
    TokenProvider,
    ClusterTokenProvider,
}

/// Which token to request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct RequestedToken {
    /// Scopes, sent as one parameter, separated by spaces. Unset or empty: no scope parameter is sent.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 1024)))]
    #[x_kube(validation = rule::words())]
    pub scopes: Vec<String>,

    /// The audience, sent byte for byte: it need not be a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = rule::visible())]
    pub audience: Option<String>,

    /// Resource indicators (RFC 8707), each sent as a parameter of its own, or several as a list in a JSON body.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 2048)))]
    #[x_kube(validation = rule::all_visible())]
    pub resources: Vec<String>,
}

/// A Secret in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::object_name())]
    pub name: String,

    /// The keys of the Secret that hold the credentials.
    #[serde(default, skip_serializing_if = "is_default")]
    pub keys: CredentialKeys,
}

/// Keys of the credentials Secret. Each defaults to the parameter's name in the RFC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialKeys {
    /// Default: client_id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::data_key())]
    pub client_id: Option<String>,

    /// Default: client_secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::data_key())]
    pub client_secret: Option<String>,

    /// Default: username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::data_key())]
    pub username: Option<String>,

    /// Default: password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::data_key())]
    pub password: Option<String>,

    /// Default: private_key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::data_key())]
    pub private_key: Option<String>,

    /// Default: certificate. In PEM; needed for x5t, x5tS256 and x5c only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::data_key())]
    pub certificate: Option<String>,

    /// Default: refresh_token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::data_key())]
    pub refresh_token: Option<String>,
}

impl CredentialKeys {
    super::text_defaults! {
        /// The key of the client id.
        client_id: "client_id",
        /// The key of the client secret.
        client_secret: "client_secret",
        /// The key of the user name.
        username: "username",
        /// The key of the password.
        password: "password",
        /// The key of the private key.
        private_key: "private_key",
        /// The key of the certificate that belongs to the private key.
        certificate: "certificate",
        /// The key of the first refresh token.
        refresh_token: "refresh_token",
    }
}

/// When to renew. If neither atPercentage nor before is set: at 75 percent of the token's lifetime.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.atPercentage) && has(self.before))").message("set one of atPercentage (of the token's lifetime) and before (its end), not both"))]
pub struct Renewal {
    /// The percentage of the token's lifetime after which to renew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 99))]
    pub at_percentage: Option<u8>,

    /// How long before expiry to renew. If this exceeds the token's lifetime, half the lifetime is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Duration>,

    /// A URL to test the token at. A response of 401 renews the token immediately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,

    /// Whether the token stays in the target when the provider refuses the credentials: with a 401 without an error code,
    /// with invalid_client or unauthorized_client, or with invalid_grant, except for an assertion or a token exchange. Keep
    /// (the default) leaves the token in the target until it expires; Withdraw removes it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_revoked: OnRevoked,
}

/// A URL to test the token at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Probe {
    /// The URL, requested with GET and the token as bearer token: https only. Its host must be in the credentials'
    /// allowed-hosts, and provider.tls must trust its certificate.
    #[schemars(length(max = 2048))]
    #[x_kube(
        validation = Rule::new("self.startsWith('https://') && isURL(self)").message("write a full https:// URL"),
        validation = Rule::new("!self.matches('^https://[^/?#]*@') && !self.contains('#')").message("leave user:password@ and the fragment out of the URL")
    )]
    pub url: String,

    /// The time between two tests. Default: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rule::bounds("duration(self) >= duration('10s')", "a probe runs every 10s at the most"))]
    pub interval: Option<Duration>,
}

/// Whether the token stays in the target when the provider refuses the credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnRevoked {
    /// The token stays in the target until it expires.
    #[default]
    Keep,
    /// The token is removed from the target.
    Withdraw,
}
