//! Client authentication: the methods of RFC 6749, 7523 and 8705 under their registered names, `federated_jwt` and
//! `bearer_token`.
//! Knows the fields of the contract; must not know how an assertion is signed.

#![allow(clippy::struct_excessive_bools)] // users set each field; for the module, because the derives copy the structs

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::input::{InputSource, ServiceAccountTokenSettings, ValueSource, first};
use super::reference::ObjectReference;
use super::{is_default, rule};

/// How the client authenticates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.method) || self.method != 'federated_jwt' || (has(self.serviceAccountToken) && size(self.serviceAccountToken.audience) > 0)").message("federated_jwt needs serviceAccountToken.audience: the audience the provider expects, never the API server's"))]
#[x_kube(validation = Rule::new("!has(self.serviceAccountToken) || (has(self.method) && self.method == 'federated_jwt')").message("serviceAccountToken has an effect only with method: federated_jwt"))]
#[x_kube(validation = Rule::new("has(self.bearerToken) == (has(self.method) && self.method == 'bearer_token')").message("bearerToken and method: bearer_token belong together: set both or neither"))]
#[x_kube(validation = Rule::new("!has(self.clientSecretFrom) || !has(self.method) || self.method in ['client_secret_basic', 'client_secret_post']").message("clientSecretFrom has an effect only with method: client_secret_basic or client_secret_post"))]
pub struct ClientAuthentication {
    /// A registered method (client_secret_basic, the default; client_secret_post, client_secret_jwt,
    /// private_key_jwt, tls_client_auth, none), federated_jwt (a ServiceAccount token as the client assertion), or
    /// bearer_token (a token in the Authorization header).
    #[serde(default, skip_serializing_if = "is_default")]
    pub method: ClientAuthenticationMethod,

    /// For client_secret_basic. Form (the default): id and secret are form-encoded before base64 (RFC 6749, section
    /// 2.3.1). Raw: id and secret are not form-encoded, as many providers expect.
    #[serde(default, skip_serializing_if = "is_default")]
    pub basic_encoding: BasicEncoding,

    /// Whether client_id is sent as a parameter. Auto (the default): if the method needs it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub send_client_id: SendClientId,

    /// The client assertion, for client_secret_jwt and private_key_jwt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion: Option<AssertionSettings>,

    /// The ServiceAccount whose token identifies the client, for federated_jwt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_token: Option<ServiceAccountTokenSettings>,

    /// The token in the Authorization header, for bearer_token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token: Option<BearerToken>,

    /// A token that is sent in place of the client's secret, for client_secret_basic and client_secret_post: of a
    /// ServiceAccount, or of another TokenSource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!has(self.credentialsKey)").message("a key of the credentials belongs in credentialsRef.keys.clientSecret: name it there, and leave clientSecretFrom out"))]
    pub client_secret_from: Option<ValueSource>,
}

impl ClientAuthentication {
    /// The settings of the assertion that is signed for each request and sent as the bearer token.
    pub fn bearer_assertion(&self) -> Option<&AssertionSettings> {
        self.bearer_token.as_ref()?.assertion.as_ref()
    }

    /// The settings of all assertions that are signed for the client.
    pub fn assertions(&self) -> impl Iterator<Item = &AssertionSettings> {
        self.assertion.iter().chain(self.bearer_assertion())
    }
}

/// A token that the client presents in the Authorization header (RFC 6750, section 2.1). Exactly one field is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.assertion), has(self.credentialsKey), has(self.serviceAccountToken), has(self.tokenSourceRef)].filter(set, set).size() == 1").message("set exactly one of assertion, credentialsKey, serviceAccountToken and tokenSourceRef"))]
pub struct BearerToken {
    /// A JWT that is signed with the private key in the credentials. Its iss claim is the client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion: Option<AssertionSettings>,

    /// A key of the Secret that credentialsRef names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::data_key())]
    pub credentials_key: Option<String>,

    /// A ServiceAccount whose token is presented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_token: Option<ServiceAccountTokenSettings>,

    /// Another TokenSource of the namespace, whose current token is presented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_source_ref: Option<ObjectReference>,
}

impl BearerToken {
    /// Where the token comes from, if it is not signed for the request.
    pub fn source(&self) -> Option<InputSource<'_>> {
        let account = self.service_account_token.as_ref();
        first(self.credentials_key.as_ref(), None, account, self.token_source_ref.as_ref())
    }
}

/// The methods registered for RFC 7591 (from RFC 6749, 7523 and 8705), and two of this controller's own: federated_jwt and
/// bearer_token.
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
    BearerToken,
    None,
}

impl ClientAuthenticationMethod {
    /// The value as it is written in a spec.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::TlsClientAuth => "tls_client_auth",
            Self::FederatedJwt => "federated_jwt",
            Self::BearerToken => "bearer_token",
            Self::None => "none",
        }
    }

    /// The method's registered name, which a provider lists in its metadata. federated_jwt is a form of private_key_jwt;
    /// bearer_token has no registered name.
    pub const fn registered(self) -> Option<&'static str> {
        match self {
            Self::FederatedJwt => Some("private_key_jwt"),
            Self::BearerToken => None,
            method => Some(method.as_str()),
        }
    }
}

/// How id and secret are encoded before base64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BasicEncoding {
    /// Form-encoded: RFC 6749, section 2.3.1.
    #[default]
    Form,
    /// Unchanged: RFC 7617 alone.
    Raw,
}

/// Whether client_id is sent as a parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SendClientId {
    /// If the method needs it.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The client assertion (RFC 7523, section 2.2).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssertionSettings {
    /// Signature algorithm. Default: RS256 (HS256 for client_secret_jwt).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<JsonWebAlgorithm>,

    /// The kid header, if the provider needs it to find the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rule::visible())]
    pub key_id: Option<String>,

    /// The sub claim. Default: the client id. Empty: no sub claim at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = rule::visible())]
    pub subject: Option<String>,

    /// The aud claim: TokenEndpoint (the default), Issuer, None (no aud claim at all), or the value itself.
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

    /// Additional claims, as a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rule::claims")]
    pub claims: Option<serde_json::Map<String, serde_json::Value>>,

    /// Whether to send the x5t header, the SHA-1 thumbprint of the certificate in the credentials Secret. For servers that do
    /// not know x5t#S256.
    #[serde(default, skip_serializing_if = "is_default")]
    pub x5t: bool,

    /// Whether to send the x5c header, the certificate in the credentials Secret with its chain: 10 certificates at most.
    #[serde(default, skip_serializing_if = "is_default")]
    pub x5c: bool,

    /// Additional members of the JOSE header, such as typ, whose default is JWT. alg, crit, b64 and members with a field of
    /// their own are refused.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(schema_with = "rule::jose_headers")]
    pub headers: BTreeMap<String, String>,

    /// Whether to send the nbf claim. It equals iat.
    #[serde(default, skip_serializing_if = "is_default")]
    pub not_before: bool,

    /// How far the iat claim lies in the past, for servers with slow clocks: 0s to 10m. Default: 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rule::backdate())]
    pub backdate: Option<Duration>,
}

/// Signature algorithms of RFC 7518 and RFC 8037.
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
    ES512,
    EdDSA,
}

impl JsonWebAlgorithm {
    /// Whether the signing key is a secret that client and provider share.
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }
}

#[cfg(test)]
mod tests {
    use super::ClientAuthenticationMethod as Method;
    use crate::api::TokenProviderSpec;

    #[test]
    fn only_registered_names_are_expected_in_metadata() {
        let names =
            [Method::ClientSecretPost, Method::FederatedJwt, Method::BearerToken].map(Method::registered);
        assert_eq!(names, [Some("client_secret_post"), Some("private_key_jwt"), None]);
        let grant = |grant_type: Option<&str>| {
            let grant_type = grant_type.map(str::to_owned);
            let provider = TokenProviderSpec { grant_type, ..TokenProviderSpec::default() };
            provider.registered_grant_type().map(str::to_owned)
        };
        assert_eq!(grant(None).as_deref(), Some("client_credentials"));
        assert_eq!(grant(Some("None")), None);
    }
}
