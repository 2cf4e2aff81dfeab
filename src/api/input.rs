//! Values of a request that are not written in the spec: keys of Secrets, tokens of ServiceAccounts and of other
//! TokenSources. Knows which field takes its value from where; must not know how a value is read or sent.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::reference::{KeyReference, ObjectReference};
use super::rule;

/// A ServiceAccount in the TokenSource's namespace, and the token to request for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountTokenSettings {
    /// Name of the ServiceAccount. Default: default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::object_name())]
    pub name: Option<String>,

    /// The audience of the token: the one that the provider expects, never the API server's own.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = rule::visible())]
    pub audience: String,

    /// How long the token is valid, in seconds. Default and minimum: 600.
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

/// Where the value of a parameter, a header or the client's secret comes from. Exactly one field is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.credentialsKey), has(self.serviceAccountToken), has(self.tokenSourceRef)].filter(set, set).size() == 1").message("set exactly one of credentialsKey, serviceAccountToken and tokenSourceRef"))]
pub struct ValueSource {
    /// A key of the Secret that credentialsRef names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::data_key())]
    pub credentials_key: Option<String>,

    /// A ServiceAccount whose token is the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_token: Option<ServiceAccountTokenSettings>,

    /// Another TokenSource of the namespace, whose current token is the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_source_ref: Option<ObjectReference>,
}

/// Where the token of another issuer comes from. Exactly one field is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.secretKeyRef), has(self.serviceAccountToken), has(self.tokenSourceRef)].filter(set, set).size() == 1").message("set exactly one of secretKeyRef, serviceAccountToken and tokenSourceRef"))]
pub struct TokenInput {
    /// A key of a Secret in the TokenSource's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyReference>,

    /// A ServiceAccount whose token is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_token: Option<ServiceAccountTokenSettings>,

    /// Another TokenSource of the namespace, whose current token is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_source_ref: Option<ObjectReference>,
}

/// The part of a request that a value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestPart {
    /// `clientAuthentication.serviceAccountToken`.
    ClientAssertion,
    /// `clientAuthentication.bearerToken`.
    BearerToken,
    /// `clientAuthentication.clientSecretFrom`.
    ClientSecret,
    /// `subjectToken`.
    SubjectToken,
    /// `actorToken`.
    ActorToken,
    /// `assertionGrant.assertionFrom`.
    Assertion,
    /// `parameters`, by index.
    Parameter(usize),
    /// `refresh.parameters`, by index.
    RefreshParameter(usize),
    /// `headers`, by index.
    Header(usize),
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InputSource<'a> {
    /// A key of the credentials Secret.
    CredentialsKey(&'a str),
    /// A key of another Secret.
    SecretKey(&'a KeyReference),
    /// A token of a ServiceAccount.
    ServiceAccount(&'a ServiceAccountTokenSettings),
    /// The token of another TokenSource, by its name.
    TokenSource(&'a str),
}

/// The first source that is set. The CRDs allow one.
pub(super) fn first<'a>(
    credentials_key: Option<&'a String>,
    secret_key: Option<&'a KeyReference>,
    service_account: Option<&'a ServiceAccountTokenSettings>,
    token_source: Option<&'a ObjectReference>,
) -> Option<InputSource<'a>> {
    credentials_key
        .map(|key| InputSource::CredentialsKey(key))
        .or_else(|| secret_key.map(InputSource::SecretKey))
        .or_else(|| service_account.map(InputSource::ServiceAccount))
        .or_else(|| token_source.map(|reference| InputSource::TokenSource(&reference.name)))
}

impl ValueSource {
    /// Where the value comes from.
    pub fn source(&self) -> Option<InputSource<'_>> {
        let account = self.service_account_token.as_ref();
        first(self.credentials_key.as_ref(), None, account, self.token_source_ref.as_ref())
    }
}

impl TokenInput {
    /// Where the token comes from.
    pub fn source(&self) -> Option<InputSource<'_>> {
        let account = self.service_account_token.as_ref();
        first(None, self.secret_key_ref.as_ref(), account, self.token_source_ref.as_ref())
    }
}
