//! Makes manifests from a request: a `TokenSource`, and Secrets whose values the user fills in. Knows the field of each
//! parameter. Must not know how the request was described.

mod client;
mod grant;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use kube::core::ObjectMeta;

use super::error::LineError;
use super::request::{Member, Request, Value};
use crate::api::{
    CredentialsReference, Header, Parameter, ParameterPlace, ParameterType, RequestMethod, Target,
    TokenProviderSpec, TokenSource, TokenSourceSpec, ValueSource, annotation, is_reserved_parameter,
};

/// The value that the user has to replace. The controller sends nothing while a key of a Secret or a field that the request
/// uses has this value.
const PLACEHOLDER: &str = "replace-me";

/// The objects for one line, and the remaining tasks of the user.
pub(super) struct Manifests {
    pub(super) secrets: Vec<Secret>,
    pub(super) source: TokenSource,
    pub(super) to_do: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// The manifests with this name, in this namespace.
pub(super) fn build(request: Request, name: &str, namespace: Option<&str>) -> Result<Manifests, LineError> {
    let mut builder = Builder {
        name,
        members: request.members,
        provider: TokenProviderSpec {
            token_endpoint: Some(request.endpoint),
            method: request.method,
            body_format: request.format,
            ..TokenProviderSpec::default()
        },
        spec: TokenSourceSpec::default(),
        keys: Vec::new(),
        others: Vec::new(),
        to_do: request.to_do,
        notes: request.notes,
    };
    if request.bearer && builder.members.is_empty() && request.method == RequestMethod::Get {
        return Err(LineError::new(
            "it uses a token and gets none: give the line that asks the token endpoint for a token",
        ));
    }
    builder.grant(request.basic.is_some() || request.bearer)?;
    builder.client(request.basic, request.bearer, request.certificate)?;
    builder.token()?;
    builder.headers(request.headers);
    builder.parameters()?;
    Ok(builder.finish(&request.host, namespace))
}

struct Builder<'a> {
    name: &'a str,
    members: Vec<Member>,
    provider: TokenProviderSpec,
    spec: TokenSourceSpec,
    /// Keys of the credentials Secret.
    keys: Vec<String>,
    /// Suffixes of the names of further Secrets, each with one token.
    others: Vec<&'static str>,
    to_do: Vec<String>,
    notes: Vec<String>,
}

impl Builder<'_> {
    /// Takes the parameter of this name, which may occur once.
    fn take(&mut self, name: &str) -> Result<Option<Value>, LineError> {
        let Some(at) = self.members.iter().position(|member| member.name == name) else { return Ok(None) };
        let Member { value, place, .. } = self.members.remove(at);
        if place == ParameterPlace::Query {
            return Err(LineError::new(format!(
                "{name} is in the URL's query, beside a body: move it to where the other parameters are, if the provider \
                 accepts that"
            )));
        }
        if self.members.iter().any(|member| member.name == name) {
            return Err(twice(name));
        }
        Ok(Some(value))
    }

    fn has(&mut self, name: &str) -> Result<bool, LineError> {
        Ok(self.take(name)?.is_some())
    }

    fn take_text(&mut self, name: &str) -> Result<Option<(String, bool)>, LineError> {
        Ok(match self.take(name)? {
            Some(Value::Text { type_: ParameterType::Json, .. }) => {
                return Err(LineError::new(format!(
                    "{name} is a list or an object in the body, but the manifest's field for it holds text: write it as a string"
                )));
            }
            Some(Value::Text { text, unfilled, .. }) => Some((text, unfilled)),
            Some(Value::Secret) => {
                return Err(LineError::new(format!(
                    "{name} looks like a secret, but the manifest's field for it is not for secrets: correct the line"
                )));
            }
            None => None,
        })
    }

    fn token(&mut self) -> Result<(), LineError> {
        // A list in the body is a parameter: token.scopes is sent as one text, as RFC 6749 has it.
        let is_list = |member: &Member| {
            member.name == "scope" && matches!(member.value, Value::Text { type_: ParameterType::Json, .. })
        };
        if !self.members.iter().any(is_list)
            && let Some((scope, unfilled)) = self.take_text("scope")?
        {
            if unfilled {
                self.to_do
                    .push("Replace the scopes in token.scopes: the line has a placeholder there.".to_owned());
                self.spec.token.scopes = vec![scope.split_whitespace().collect::<Vec<_>>().join("-")];
            } else {
                self.spec.token.scopes = scope.split_whitespace().map(str::to_owned).collect();
            }
        }
        if let Some((audience, unfilled)) = self.take_text("audience")? {
            if unfilled {
                self.to_do.push("Replace token.audience: the line has a placeholder there.".to_owned());
            }
            self.spec.token.audience = Some(audience);
        }
        let is_resource = |member: &Member| member.name == "resource" && member.place == ParameterPlace::Body;
        let (resources, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.members).into_iter().partition(is_resource);
        self.members = others;
        for resource in resources {
            match resource.value {
                Value::Text { text, type_: ParameterType::Json, .. } => {
                    let list: Vec<String> = serde_json::from_str(&text).map_err(|_| {
                        LineError::new(
                            "resource in its body is neither a string nor a list of strings: correct the line",
                        )
                    })?;
                    self.spec.token.resources.extend(list);
                }
                Value::Text { text, unfilled, .. } => {
                    if unfilled {
                        self.to_do
                            .push("Replace token.resources: the line has a placeholder there.".to_owned());
                    }
                    self.spec.token.resources.push(text);
                }
                Value::Secret => {
                    return Err(LineError::new(
                        "resource looks like a secret, but the manifest's field for it is not for secrets: correct the line",
                    ));
                }
            }
        }
        Ok(())
    }

    fn headers(&mut self, headers: Vec<Member>) {
        for Member { name, value, .. } in headers {
            let (value, value_from, _) = self.value("header", &name, value);
            self.provider.headers.push(Header { name, value, value_from });
        }
    }

    /// The value of a parameter or header: in the spec, or in a key of the Secret if it is secret.
    fn value(
        &mut self,
        what: &str,
        name: &str,
        value: Value,
    ) -> (Option<String>, Option<ValueSource>, ParameterType) {
        match value {
            Value::Text { text, type_, unfilled } => {
                if unfilled {
                    self.to_do.push(format!(
                        "Replace the value of the {what} {name}: the line has a placeholder there."
                    ));
                }
                (Some(text), None, type_)
            }
            Value::Secret => {
                let is_of_key = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
                let key: String =
                    name.chars().map(|letter| if is_of_key(letter) { letter } else { '_' }).collect();
                if name == "jwt" {
                    self.to_do.push(
                        "If jwt is a ServiceAccount's token, set valueFrom.serviceAccountToken in place of credentialsKey."
                            .to_owned(),
                    );
                }
                self.keys.push(key.clone());
                let source = ValueSource { credentials_key: Some(key), ..ValueSource::default() };
                (None, Some(source), ParameterType::String)
            }
        }
    }

    /// All parameters that have no field of their own.
    fn parameters(&mut self) -> Result<(), LineError> {
        for Member { name, value, place } in std::mem::take(&mut self.members) {
            if is_reserved_parameter(&name) {
                return Err(LineError::new(format!(
                    "no field of a TokenSource sends {name} with this grant_type: ask the provider for a request without {name}"
                )));
            }
            if self.provider.parameters.iter().any(|other| other.name == name) {
                return Err(twice(&name));
            }
            let (value, value_from, type_) = self.value("parameter", &name, value);
            self.provider.parameters.push(Parameter { name, value, value_from, type_, place });
        }
        if self.provider.parameters.len() > 32 {
            return Err(LineError::new(
                "it has more than 32 parameters: leave out those that the token does not depend on",
            ));
        }
        Ok(())
    }

    fn named(&self, what: &str) -> String {
        format!("{}-{what}", self.name)
    }

    fn finish(mut self, host: &str, namespace: Option<&str>) -> Manifests {
        let metadata = |name: String| ObjectMeta {
            name: Some(name),
            namespace: namespace.map(str::to_owned),
            ..ObjectMeta::default()
        };
        let secret = |name: String, keys: &[String], type_: Option<&str>| Secret {
            metadata: ObjectMeta {
                annotations: Some(BTreeMap::from([(annotation::ALLOWED_HOSTS.to_owned(), host.to_owned())])),
                ..metadata(name)
            },
            string_data: Some(keys.iter().map(|key| (key.clone(), PLACEHOLDER.to_owned())).collect()),
            type_: type_.map(str::to_owned),
            ..Secret::default()
        };
        let mut secrets = Vec::new();
        let mut seen = BTreeSet::new();
        self.keys.retain(|key| seen.insert(key.clone()));
        if !self.keys.is_empty() {
            let name = self.named("client");
            self.to_do.insert(
                0,
                format!(
                    "Put the values that the provider issued into Secret {name}: {}.",
                    self.keys.join(", ")
                ),
            );
            secrets.push(secret(name.clone(), &self.keys, None));
            self.spec.credentials_ref =
                Some(CredentialsReference { name, ..CredentialsReference::default() });
        }
        for role in &self.others {
            secrets.push(secret(self.named(role), &["token".to_owned()], None));
        }
        if self.provider.tls.client_certificate_ref.is_some() {
            let name = self.named("certificate");
            self.to_do.push(format!(
                "Put the client's certificate and its key into Secret {name}: tls.crt, tls.key."
            ));
            secrets.push(secret(name, &["tls.crt", "tls.key"].map(str::to_owned), Some("kubernetes.io/tls")));
        }
        self.spec.target = Target { name: Some(self.named("token")), ..Target::default() };
        self.spec.provider = Some(Box::new(self.provider));
        let mut source = TokenSource::new(self.name, self.spec);
        source.metadata.namespace = namespace.map(str::to_owned);
        Manifests { secrets, source, to_do: self.to_do, notes: self.notes }
    }
}

fn twice(name: &str) -> LineError {
    LineError::new(format!("{name} is in it twice: leave one out"))
}
