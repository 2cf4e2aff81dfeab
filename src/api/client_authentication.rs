//! How the client proves who it is: the methods of RFC 6749, 7523 and 8705 under their registered names, and one of
//! ours. Knows the fields of the contract; must not know how an assertion is signed.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::grant::any_object;
use super::{is_default, rule};

/// How the client proves who it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.method) || self.method != 'federated_jwt' || (has(self.serviceAccountToken) && size(self.serviceAccountToken.audience) > 0)").message("federated_jwt needs serviceAccountToken.audience: the audience the provider expects, never the API server's"))]
#[x_kube(validation = Rule::new("!has(self.serviceAccountToken) || (has(self.method) && self.method == 'federated_jwt')").message("serviceAccountToken has an effect only with method: federated_jwt"))]
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

    /// The string that a provider registers the client with and lists in its metadata.
    pub const fn registered(self) -> &'static str {
        match self {
            Self::FederatedJwt => "private_key_jwt",
            method => method.as_str(),
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
    #[x_kube(validation = rule::visible())]
    pub key_id: Option<String>,

    /// The aud claim: TokenEndpoint (the default), Issuer, or a literal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = rule::visible())]
    pub audience: Option<String>,

    /// How long the assertion is valid. Default: 60s. Most providers refuse more than 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Duration>,

    /// Whether to send the x5t#S256 header, the thumbprint of the certificate in the credentials Secret.
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
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::object_name())]
    pub name: Option<String>,

    /// The audience of the token: what the provider expects, never the API server's own.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = rule::visible())]
    pub audience: String,

    /// How long the token is valid, in seconds. Default: 600, which is also the least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 600, max = 86_400))]
    pub expiration_seconds: Option<i64>,
}

impl ServiceAccountTokenSettings {
    /// The name of the ServiceAccount.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("default")
    }
}
