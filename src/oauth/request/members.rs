//! The parameters of a token request, in a fixed order.
//! Knows which names are reserved and which values fit a parameter's type. Must not know how parameters are encoded.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{
    ClientAuthentication, Error, Grant, ParameterPlace, RequestParameter, SignedAssertions, TokenRequest,
};
use crate::api::{BodyFormat, ParameterType, is_reserved_parameter};

/// The value of `client_assertion_type` (RFC 7523 §2.2).
const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// One parameter of the request.
pub(super) struct Member<'a> {
    pub(super) name: &'a str,
    pub(super) value: Value<'a>,
    pub(super) place: ParameterPlace,
}

pub(super) enum Value<'a> {
    /// Text, in every format.
    Text(Cow<'a, str>),
    /// A JSON text, such as a number, `true` or an object. Unchanged in a JSON body, and sent as text in other formats.
    Literal(&'a str),
}

impl<'a> Member<'a> {
    fn text(name: &'a str, value: impl Into<Cow<'a, str>>) -> Self {
        Self { name, value: Value::Text(value.into()), place: ParameterPlace::Body }
    }

    /// The value as it is written in forms.
    pub(super) fn plain(&self) -> &str {
        match &self.value {
            Value::Text(text) => text,
            Value::Literal(text) => text,
        }
    }
}

/// All parameters of a request. Only `resource` may occur more than once, and then without others in between.
pub(super) fn list<'a>(
    request: &'a TokenRequest,
    signed: &'a SignedAssertions,
) -> Result<Vec<Member<'a>>, Error> {
    let mut members: Vec<_> = match request.grant.grant_type() {
        Some("") => return Err(Error::spec("`grantType` is empty")),
        grant_type => grant_type.map(|value| Member::text("grant_type", value)).into_iter().collect(),
    };
    if let Some(id) = request.client.id_parameter()? {
        members.push(Member::text("client_id", id));
    }
    if let ClientAuthentication::Post { secret } = &request.client.authentication {
        members.push(Member::text("client_secret", secret.expose()));
    }
    let issued = match &request.client.authentication {
        ClientAuthentication::IssuedAssertion { token } => Some(token),
        _ => None,
    };
    if let Some(assertion) = signed.client.as_ref().or(issued) {
        members.push(Member::text("client_assertion_type", CLIENT_ASSERTION_TYPE));
        members.push(Member::text("client_assertion", assertion.expose()));
    }
    append_grant(&mut members, &request.grant, signed);
    // An absent scope and an empty scope are different requests: some servers read an empty one as "no permissions".
    let scope = request.scopes.join(" ");
    if !scope.is_empty() && !has_scope_claim(&request.grant) {
        members.push(Member::text("scope", scope));
    }
    if let Some(audience) = request.audience.as_deref().filter(|audience| !audience.is_empty()) {
        members.push(Member::text("audience", audience));
    }
    members.extend(request.resources.iter().map(|resource| Member::text("resource", resource.as_str())));
    append_parameters(&mut members, request)?;
    Ok(members)
}

/// Appends the parameters of the grant.
fn append_grant<'a>(members: &mut Vec<Member<'a>>, grant: &'a Grant, signed: &'a SignedAssertions) {
    match grant {
        Grant::Password { username, password } => {
            members.push(Member::text("username", username.expose()));
            members.push(Member::text("password", password.expose()));
        }
        Grant::RefreshToken { token } => members.push(Member::text("refresh_token", token.expose())),
        Grant::JwtBearer { .. } => {
            members.extend(signed.grant.iter().map(|text| Member::text("assertion", text.expose())));
        }
        Grant::IssuedAssertion { assertion, .. } => {
            members.push(Member::text("assertion", assertion.expose()));
        }
        Grant::TokenExchange { subject, actor, requested_token_type } => {
            let requested = requested_token_type.as_deref();
            members.extend(requested.map(|urn| Member::text("requested_token_type", urn)));
            members.push(Member::text("subject_token", subject.token.expose()));
            members.push(Member::text("subject_token_type", subject.type_.as_str()));
            if let Some(actor) = actor {
                members.push(Member::text("actor_token", actor.token.expose()));
                members.push(Member::text("actor_token_type", actor.type_.as_str()));
            }
        }
        Grant::ClientCredentials | Grant::Extension { .. } | Grant::None => {}
    }
}

fn has_scope_claim(grant: &Grant) -> bool {
    matches!(grant, Grant::JwtBearer { assertion } if assertion.scope.is_some())
}

fn append_parameters<'a>(members: &mut Vec<Member<'a>>, request: &'a TokenRequest) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for parameter in &request.parameters {
        let RequestParameter { name, value, type_, place, .. } = parameter;
        if name.is_empty() {
            return Err(Error::spec("a parameter has no name"));
        }
        if name == "scope" && !is_list_of_scopes(parameter, request) {
            return Err(Error::spec(
                "the parameter scope is set by token.scopes; a list of scopes is a parameter with `type: JSON` in a JSON body, \
                 without token.scopes",
            ));
        }
        if is_reserved(name, request) {
            return Err(Error::spec(format!("the parameter {name:?} is set by other fields of the spec")));
        }
        if !seen.insert(name) {
            return Err(Error::spec(format!("the parameter {name:?} is given twice")));
        }
        members.push(Member { name, value: typed(name, value.expose(), *type_)?, place: *place });
    }
    Ok(())
}

/// Whether the parameter gives the scopes as JSON. `token.scopes` cannot do that: they are sent as one text.
fn is_list_of_scopes(parameter: &RequestParameter, request: &TokenRequest) -> bool {
    parameter.type_ == ParameterType::Json
        && parameter.place == ParameterPlace::Body
        && request.body_format == BodyFormat::Json
        && request.scopes.is_empty()
}

fn is_reserved(name: &str, request: &TokenRequest) -> bool {
    if name == "client_assertion_type" {
        // Without a client assertion the parameter contradicts nothing, and one provider requires it alone.
        return match request.client.authentication {
            ClientAuthentication::Assertion(_) | ClientAuthentication::IssuedAssertion { .. } => true,
            ClientAuthentication::Basic { .. }
            | ClientAuthentication::Post { .. }
            | ClientAuthentication::Bearer { .. }
            | ClientAuthentication::BearerAssertion(_)
            | ClientAuthentication::MutualTls
            | ClientAuthentication::None => false,
        };
    }
    if name == "requested_token_type" {
        return matches!(request.grant, Grant::TokenExchange { .. });
    }
    is_reserved_parameter(name)
}

/// The value, if its text fits its type.
fn typed<'a>(name: &str, text: &'a str, type_: ParameterType) -> Result<Value<'a>, Error> {
    match type_ {
        ParameterType::String => Ok(Value::Text(text.into())),
        ParameterType::Number if is_number(text) => Ok(Value::Literal(text)),
        ParameterType::Number => Err(Error::spec(format!("the parameter {name:?} is not a JSON number"))),
        ParameterType::Boolean if matches!(text, "true" | "false") => Ok(Value::Literal(text)),
        ParameterType::Boolean => {
            Err(Error::spec(format!("the parameter {name:?} is neither `true` nor `false`")))
        }
        ParameterType::Json if serde_json::from_str::<serde_json::Value>(text).is_ok() => {
            Ok(Value::Literal(text))
        }
        ParameterType::Json => Err(Error::spec(format!("the parameter {name:?} is not JSON"))),
    }
}

fn is_number(text: &str) -> bool {
    // The parser accepts white space around a number.
    !text.contains(char::is_whitespace) && serde_json::from_str::<serde_json::Number>(text).is_ok()
}
