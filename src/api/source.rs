//! `TokenSource`: what token to ask for, with which credentials, where to keep it, and when to renew it.
//! Knows the fields of the contract; must not know what is done with them.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::is_default;
use super::provider::TokenProviderSpec;
use super::rule;
use super::status::TokenSourceStatus;
use super::target::Target;

/// What token to ask for, with which credentials, where to keep it, and when to renew it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tokensource.dev",
    version = "v1alpha1",
    kind = "TokenSource",
    namespaced,
    status = "TokenSourceStatus",
    shortname = "toksrc",
    category = "oauth-tokens",
    doc = "A TokenSource keeps a fresh OAuth 2.0 access token in a Secret: it asks a provider's token endpoint, writes the token where pods can mount it, and comes back before it expires.",
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
        description = "When the next token is asked for"
    ),
    printcolumn(
        name = "Endpoint",
        type_ = "string",
        json_path = ".spec.provider.tokenEndpoint",
        priority = "1",
        description = "Where tokens are asked for, if the TokenSource says so itself"
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
pub struct TokenSourceSpec {
    /// How to ask the provider, written out.
    // In a box: most name one, and every TokenSource is kept in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Box<TokenProviderSpec>>,

    /// A TokenProvider of this namespace, or a ClusterTokenProvider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_ref: Option<ProviderReference>,

    /// What to ask for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub token: RequestedToken,

    /// The client's id, where it is not a key of the credentials Secret: it is no secret (RFC 6749, section 2.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = rule::visible())]
    pub client_id: Option<String>,

    /// The Secret with the client's credentials. It must say in its tokensource.dev/allowed-hosts annotation which
    /// hosts may receive them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_ref: Option<CredentialsReference>,

    /// The Secret that holds the token.
    #[serde(default, skip_serializing_if = "is_default")]
    pub target: Target,

    /// When to renew.
    #[serde(default, skip_serializing_if = "is_default")]
    pub renewal: Renewal,

    /// Whether to leave everything as it is: nothing is asked for and nothing written while this is true.
    #[serde(default, skip_serializing_if = "is_default")]
    pub suspend: bool,
}

/// A provider object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct ProviderReference {
    /// TokenProvider (of this namespace) or ClusterTokenProvider.
    pub kind: ProviderKind,

    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::object_name())]
    pub name: String,
}

/// The kinds a provider object may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the kinds' own names
pub enum ProviderKind {
    #[default]
    TokenProvider,
    ClusterTokenProvider,
}

/// What to ask for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct RequestedToken {
    /// Scopes; sent joined by spaces. Unset or empty: no scope member is sent at all.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 1024)))]
    #[x_kube(validation = rule::words())]
    pub scopes: Vec<String>,

    /// The audience, sent byte for byte: it need not be a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = rule::visible())]
    pub audience: Option<String>,

    /// Resource indicators (RFC 8707), each sent as a resource member of its own.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 2048)))]
    #[x_kube(validation = rule::all_visible())]
    pub resources: Vec<String>,
}

/// A Secret of the same namespace, always.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::object_name())]
    pub name: String,

    /// Under which keys the credentials stand in it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub keys: CredentialKeys,
}

/// Keys of the credentials Secret; each defaults to its RFC name.
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

    /// Default: certificate. PEM, for assertion.x5tS256 alone.
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
    /// The key of the client id.
    pub fn client_id(&self) -> &str {
        self.client_id.as_deref().unwrap_or("client_id")
    }

    /// The key of the client secret.
    pub fn client_secret(&self) -> &str {
        self.client_secret.as_deref().unwrap_or("client_secret")
    }

    /// The key of the user name.
    pub fn username(&self) -> &str {
        self.username.as_deref().unwrap_or("username")
    }

    /// The key of the password.
    pub fn password(&self) -> &str {
        self.password.as_deref().unwrap_or("password")
    }

    /// The key of the certificate that goes with the private key.
    pub fn certificate(&self) -> &str {
        self.certificate.as_deref().unwrap_or("certificate")
    }

    /// The key of the refresh token to begin with.
    pub fn refresh_token(&self) -> &str {
        self.refresh_token.as_deref().unwrap_or("refresh_token")
    }

    /// The key of the private key.
    pub fn private_key(&self) -> &str {
        self.private_key.as_deref().unwrap_or("private_key")
    }
}

/// When to renew. Where neither field is set: at 75 percent of the token's life.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.atPercentage) && has(self.before))").message("set one of atPercentage (of the token's life) and before (its end), not both"))]
pub struct Renewal {
    /// At this percentage of the token's life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 99))]
    pub at_percentage: Option<u8>,

    /// So long before its end. A value beyond the token's life means half its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Duration>,

    /// A URL to try the token at; a 401 there renews it at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,

    /// When the provider refuses the credentials for good (a 401 is enough, and so are invalid_client, invalid_grant and
    /// unauthorized_client): Keep (the default) leaves the token in the target until
    /// it expires, Withdraw removes it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_revoked: OnRevoked,
}

/// A URL to try the token at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Probe {
    /// Asked with GET and the token as bearer: https only. Its host, too, must be in the credentials' allowed-hosts,
    /// and its certificate be from the authorities that provider.tls trusts.
    #[schemars(length(max = 2048))]
    #[x_kube(
        validation = Rule::new("self.startsWith('https://') && isURL(self)").message("write a full https:// URL"),
        validation = Rule::new("!self.matches('^https://[^/?#]*@') && !self.contains('#')").message("leave user:password@ and the fragment out of the URL")
    )]
    pub url: String,

    /// How often. Default: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rule::bounds("duration(self) >= duration('10s')", "a probe runs every 10s at the most"))]
    pub interval: Option<Duration>,
}

/// What becomes of the token when the provider refuses the credentials for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnRevoked {
    /// It stays in the target until it expires.
    #[default]
    Keep,
    /// It is removed from the target.
    Withdraw,
}
