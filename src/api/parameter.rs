//! Parameters and headers that users can add to a token request, and the encoding of the request's body.
//! Knows the fields of the contract; must not know how a request is built.

use kube::KubeSchema;
use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::input::ValueSource;
use super::{is_default, rule};

/// How the parameters of the request are encoded.
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

/// The method of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RequestMethod {
    /// RFC 6749, section 3.2.
    #[default]
    Post,
    /// Everything is in the URL's query, and there is no body.
    Get,
}

impl RequestMethod {
    /// The method as HTTP names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Get => "GET",
        }
    }
}

/// Parameters that other fields of the spec set: an additional parameter of such a name would contradict them.
const RESERVED: [&str; 10] = [
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "refresh_token",
    "username",
    "password",
    "assertion",
    "resource",
    "audience",
];

/// Prefixes of further reserved names (RFC 8693 §2.1).
const RESERVED_PREFIXES: [&str; 2] = ["subject_token", "actor_token"];

/// Whether other fields of the spec set the parameter of this name, in every request. `scope`, `client_assertion_type` and
/// `requested_token_type` are reserved in some requests only.
pub fn is_reserved_parameter(name: &str) -> bool {
    RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The rule by which the API server refuses reserved parameters: [`is_reserved_parameter`] in CEL.
fn unreserved() -> Rule {
    let prefixes = RESERVED_PREFIXES.map(|prefix| format!(" && !self.startsWith('{prefix}')")).concat();
    Rule::new(format!("!(self in ['{}']){prefixes}", RESERVED.join("', '"))).message(
        "this name has a field of its own (token.scopes, token.audience, token.resources, credentialsRef, clientAuthentication, …): use that",
    )
}

/// An additional parameter of the request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) != has(self.valueFrom)").message("set exactly one of value and valueFrom"))]
#[x_kube(validation = Rule::new("self.name != 'scope' || (has(self.type) && self.type == 'JSON')").message("this name has a field of its own, token.scopes: use that; only a list of scopes in a JSON body is a parameter, with type: JSON"))]
#[x_kube(validation = Rule::new("!has(self.valueFrom) || !has(self.type) || self.type == 'String'").message("a value from elsewhere is sent as text: leave type out"))]
pub struct Parameter {
    /// Name of the parameter.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = rule::visible())]
    #[x_kube(validation = unreserved())]
    pub name: String,

    /// Value of the parameter. Not for secrets: everybody who may read this object can read the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,

    /// Where the value comes from, in place of value: for secrets and tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueSource>,

    /// The type of the value in a JSON body: String (the default), Number, Boolean, or JSON for a value that is JSON itself.
    #[serde(rename = "type", default, skip_serializing_if = "is_default")]
    pub type_: ParameterType,

    /// Body (the default) or Query.
    #[serde(rename = "in", default, skip_serializing_if = "is_default")]
    pub place: ParameterPlace,
}

/// The type of a parameter's value in a JSON body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // JSON's own types
pub enum ParameterType {
    #[default]
    String,
    Number,
    Boolean,
    #[serde(rename = "JSON")]
    Json,
}

/// Where a parameter is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ParameterPlace {
    /// With the other parameters of the request, as bodyFormat says.
    #[default]
    Body,
    /// In the URL's query.
    Query,
}

/// An additional header of the request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) != has(self.valueFrom)").message("set exactly one of value and valueFrom"))]
pub struct Header {
    /// Name of the header.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = rule::header_name())]
    #[x_kube(validation = Rule::new("!(self.lowerAscii() in ['accept', 'accept-encoding', 'authorization', 'connection', 'cookie', 'expect', 'host', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade']) && !self.lowerAscii().startsWith('content-') && !self.lowerAscii().startsWith('proxy-')").message("set no such header here: client authentication belongs in clientAuthentication, the body's form in bodyFormat"))]
    pub name: String,

    /// Value of the header. Not for secrets: everybody who may read this object can read the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    #[x_kube(validation = rule::header_value())]
    pub value: Option<String>,

    /// Where the value comes from, in place of value: for secrets and tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueSource>,
}
