//! The members of a body in JSON. Knows the types of values. Must not know the meaning of a member, and must quote no value.

use serde_json::Value as Json;

use super::{Request, is_parameter_name};
use crate::api::{BodyFormat, ParameterPlace, ParameterType};
use crate::cli::init::error::LineError;
use crate::cli::init::line::Data;
use crate::cli::init::secrecy::is_secret;

impl Request {
    /// Takes the members of a JSON object, each with its type.
    pub(super) fn read_json(&mut self, data: &[Data]) -> Result<(), LineError> {
        self.format = BodyFormat::Json;
        let text: String = data
            .iter()
            .map(|part| match part {
                Data::Plain(text) => text.as_str(),
                Data::Parameter { value, .. } => value.as_str(),
            })
            .collect();
        // The library's error is not shown, because it may quote a value.
        let body: Json = serde_json::from_str(&text).map_err(|error| {
            LineError::new(format!(
                "its body is not JSON: see line {}, column {} of the body, and the quotes around it",
                error.line(),
                error.column()
            ))
        })?;
        let Json::Object(members) = body else {
            return Err(LineError::new(
                "its body is JSON but not an object: the JSON body of a token request must be an object",
            ));
        };
        for (name, value) in members {
            let (text, type_) = match value {
                Json::String(text) => (text, ParameterType::String),
                Json::Number(number) => (number.to_string(), ParameterType::Number),
                Json::Bool(flag) => (flag.to_string(), ParameterType::Boolean),
                nested if holds_secret(&nested) => {
                    let shown = if is_parameter_name(&name) { name.as_str() } else { "a member" };
                    return Err(LineError::new(format!(
                        "{shown} in its body is a list or an object with a secret in it, and only a whole string can be read from \
                         a Secret: ask the provider for another request"
                    )));
                }
                nested => (nested.to_string(), ParameterType::Json),
            };
            self.push(&name, text, type_, ParameterPlace::Body)?;
        }
        Ok(())
    }
}

/// Whether a list or an object may hold a secret at any depth. Everything under the name of a secret counts, whatever its
/// type.
fn holds_secret(value: &Json) -> bool {
    match value {
        Json::Object(members) => members.iter().any(|(name, value)| match value {
            Json::String(text) => is_secret(name, text),
            Json::Null | Json::Bool(_) => false,
            value => is_secret(name, "") || holds_secret(value),
        }),
        Json::Array(values) => values.iter().any(holds_secret),
        Json::String(text) => is_secret("", text),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}
