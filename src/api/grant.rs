//! Settings of single grants: refresh tokens, the token to exchange, the assertion of a JWT bearer grant.
//! Knows the fields of the contract; must not know how a grant is carried out.

#![allow(clippy::struct_excessive_bools)] // users set each field; for the module, because the derives copy the structs

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::client_authentication::JsonWebAlgorithm;
use super::duration::Duration;
use super::input::{InputSource, ServiceAccountTokenSettings, TokenInput, first};
use super::is_default;
use super::parameter::Parameter;
use super::reference::{KeyReference, ObjectReference};
use super::rule;

/// Settings for refresh tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.policy) || self.policy != 'Never' || !(has(self.tokenEndpoint) || has(self.sendScope))").message("with policy Never there are no refresh requests: leave tokenEndpoint and sendScope out"))]
pub struct RefreshSettings {
    /// IfIssued (the default): a refresh token that the provider issues is stored and used for the next renewal, except with
    /// grantType client_credentials. Never: refresh tokens are dropped, and every renewal uses the primary grant.
    #[serde(default, skip_serializing_if = "is_default")]
    pub policy: RefreshPolicy,

    /// The parameters of refresh requests, in place of provider.parameters.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("!self.exists(parameter, parameter.name == 'scope')").message("refresh requests have no parameter scope: leave it out"))]
    pub parameters: Vec<Parameter>,

    /// URL of the endpoint for refresh requests, if it is not the token endpoint: https only. The credentials must be
    /// allowed for its host, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rule::endpoint_url")]
    pub token_endpoint: Option<String>,

    /// Whether refresh requests name token.scopes. Without it a refresh token keeps the scopes that it was issued for (RFC
    /// 6749, section 6).
    #[serde(default, skip_serializing_if = "is_default")]
    pub send_scope: bool,
}

/// Whether refresh tokens are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RefreshPolicy {
    /// If the provider issues a refresh token.
    #[default]
    IfIssued,
    /// Never.
    Never,
}

/// A token of a token exchange, with its type. Exactly one of secretKeyRef, serviceAccountToken and tokenSourceRef is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.secretKeyRef), has(self.serviceAccountToken), has(self.tokenSourceRef)].filter(set, set).size() == 1").message("set exactly one of secretKeyRef, serviceAccountToken and tokenSourceRef"))]
pub struct ExchangeToken {
    /// A key of a Secret in the TokenSource's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyReference>,

    /// A ServiceAccount whose token is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_token: Option<ServiceAccountTokenSettings>,

    /// Another TokenSource of the namespace, whose current token is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_source_ref: Option<ObjectReference>,

    /// The subject_token_type or actor_token_type. Default: urn:ietf:params:oauth:token-type:jwt.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rule::visible())]
    pub type_: Option<String>,
}

impl ExchangeToken {
    /// Where the token comes from.
    pub fn source(&self) -> Option<InputSource<'_>> {
        let account = self.service_account_token.as_ref();
        first(None, self.secret_key_ref.as_ref(), account, self.token_source_ref.as_ref())
    }
}

/// The assertion of a JWT bearer grant (RFC 7523, section 2.1).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.assertionFrom) || !(has(self.issuer) || has(self.subject) || has(self.audience) || has(self.scopeClaim) || has(self.lifetime) || has(self.algorithm) || has(self.keyId) || has(self.claims) || has(self.x5t) || has(self.x5tS256) || has(self.x5c) || has(self.headers) || has(self.notBefore) || has(self.backdate))").message("assertionFrom takes an assertion that is signed already: leave issuer, subject, audience, claims and the other fields out"))]
pub struct AssertionGrant {
    /// The iss claim. Default: the client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = rule::visible())]
    pub issuer: Option<String>,

    /// The sub claim. Default: the issuer. Empty: no sub claim at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = rule::visible())]
    pub subject: Option<String>,

    /// The aud claim: TokenEndpoint (the default), Issuer, None (no aud claim at all), or the value itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = rule::visible())]
    pub audience: Option<String>,

    /// Whether the scope is a claim of the assertion instead of a parameter of the request.
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
    #[x_kube(validation = rule::visible())]
    pub key_id: Option<String>,

    /// Additional claims, as a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rule::claims")]
    pub claims: Option<serde_json::Map<String, serde_json::Value>>,

    /// Whether to send the x5t header, the SHA-1 thumbprint of the certificate in the credentials Secret. For servers that do
    /// not know x5t#S256.
    #[serde(default, skip_serializing_if = "is_default")]
    pub x5t: bool,

    /// Whether to send the x5t#S256 header, the SHA-256 thumbprint of the certificate in the credentials Secret.
    #[serde(rename = "x5tS256", default, skip_serializing_if = "is_default")]
    pub x5t_s256: bool,

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

    /// An assertion of another issuer (RFC 7521), in place of one that is signed with the client's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion_from: Option<TokenInput>,
}
