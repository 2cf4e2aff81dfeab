//! From a request to manifests: a `TokenSource`, and Secrets whose values are still to be filled in.
//! Knows which field of the contract each parameter has. Must not know how the request was described.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::core::ObjectMeta;

use super::error::LineError;
use super::request::{Member, Request, Value};
use crate::api::{
    AssertionGrant, BasicEncoding, BearerToken, ClientAuthenticationMethod as Method, CredentialsReference,
    Header, KeyReference, ObjectReference, Parameter, ParameterPlace, ParameterType, RequestMethod,
    SendClientId, SubjectToken, Target, TokenProviderSpec, TokenSource, TokenSourceSpec, ValueSource,
    annotation,
};
use crate::oauth::{JWT_BEARER, TOKEN_EXCHANGE};

/// A value that the controller recognizes as not filled in, and sends to nobody.
const PLACEHOLDER: &str = "replace-me";

/// Grants that need a person with a browser.
const OF_PERSONS: [&str; 4] =
    ["authorization_code", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "device_code"];

/// Parameters that have a field, and are no additional parameters therefore.
const RESERVED: [&str; 6] =
    ["client_assertion", "client_secret", "refresh_token", "username", "password", "assertion"];

/// The objects for one line, and what a person has to do with them.
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
    builder.grant()?;
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
    /// Ends of the names of further Secrets, each with one token.
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
            Some(Value::Text { text, unfilled, .. }) => Some((text, unfilled)),
            Some(Value::Secret) => {
                return Err(LineError::new(format!(
                    "{name} looks like a secret, and its field is none: correct the line"
                )));
            }
            None => None,
        })
    }

    /// The grant, and the parameters of its own.
    fn grant(&mut self) -> Result<(), LineError> {
        let Some((grant, _)) = self.take_text("grant_type")? else {
            self.provider.grant_type = Some("None".to_owned());
            self.notes.push("The line has no grant_type (grantType: None).".to_owned());
            return Ok(());
        };
        if OF_PERSONS.contains(&grant.as_str()) {
            return Err(LineError::new(
                "its grant needs a person with a browser: get a refresh token that way once, and give the line that uses it, \
                 with grant_type=refresh_token",
            ));
        }
        let required: &[&'static str] = match grant.as_str() {
            "password" => &["username", "password"],
            "refresh_token" => &["refresh_token"],
            _ => &[],
        };
        for name in required {
            if !self.has(name)? {
                return Err(LineError::new(format!(
                    "it has no {name}, which its grant_type needs: copy the whole line"
                )));
            }
            self.keys.push((*name).to_owned());
        }
        if grant == JWT_BEARER {
            self.assertion()?;
        }
        if grant == TOKEN_EXCHANGE {
            self.exchange()?;
        }
        self.provider.grant_type = Some(grant).filter(|grant| grant != "client_credentials");
        Ok(())
    }

    fn assertion(&mut self) -> Result<(), LineError> {
        self.has("assertion")?;
        self.keys.push("private_key".to_owned());
        let knows_client = self.members.iter().any(|member| member.name == "client_id");
        let issuer = Some(PLACEHOLDER.to_owned()).filter(|_| !knows_client);
        self.provider.assertion_grant = Some(AssertionGrant { issuer, ..AssertionGrant::default() });
        self.to_do.push(
            "Fill in provider.assertionGrant with the claims that the provider documents: issuer (default: the client id), \
             subject, audience (default: the token endpoint), and scopeClaim: true if the scope is a claim. The controller \
             signs a new assertion for each request with the key private_key. If somebody else issues the assertion, name it in \
             assertionFrom in place of all of these. The assertion of the line is not used."
                .to_owned(),
        );
        Ok(())
    }

    fn exchange(&mut self) -> Result<(), LineError> {
        self.provider.requested_token_type = self.take_text("requested_token_type")?.map(|(text, _)| text);
        self.provider.subject_token = Some(self.exchanged("subject")?.unwrap_or_default());
        self.provider.actor_token = self.exchanged("actor")?;
        Ok(())
    }

    /// The token that is exchanged, or the token of the actor.
    fn exchanged(&mut self, role: &'static str) -> Result<Option<SubjectToken>, LineError> {
        let is_given = self.has(&format!("{role}_token"))?;
        let type_ = self.take_text(&format!("{role}_token_type"))?.map(|(text, _)| text);
        if !is_given && role != "subject" {
            return Ok(None);
        }
        let name = self.named(role);
        self.others.push(role);
        self.to_do.push(format!(
            "Put the token into Secret {name}, key token, and keep it fresh; or set provider.{role}Token.serviceAccountToken or \
             tokenSourceRef in place of secretKeyRef."
        ));
        let secret_key_ref = Some(KeyReference { name, key: "token".to_owned() });
        Ok(Some(SubjectToken { secret_key_ref, type_, ..SubjectToken::default() }))
    }

    /// How the client proves itself.
    fn client(&mut self, basic: Option<Value>, bearer: bool, certificate: bool) -> Result<(), LineError> {
        let id = self.take("client_id")?;
        let (secret, assertion) = (self.has("client_secret")?, self.has("client_assertion")?);
        if [basic.is_some(), bearer, secret, assertion].into_iter().filter(|proof| *proof).count() > 1 {
            return Err(LineError::new(
                "it proves the client's identity in two ways (Authorization, client_secret, client_assertion), and RFC 6749 \
                 allows one: leave the others out",
            ));
        }
        if certificate {
            self.provider.tls.client_certificate_ref =
                Some(ObjectReference { name: self.named("certificate") });
        }
        if let Some(basic_id) = basic {
            self.basic(id, basic_id);
            return Ok(());
        }
        let authentication = &mut self.provider.client_authentication;
        authentication.method = if bearer {
            Method::BearerToken
        } else if secret {
            Method::ClientSecretPost
        } else if assertion {
            Method::PrivateKeyJwt
        } else if certificate && id.is_some() {
            Method::TlsClientAuth
        } else {
            Method::None
        };
        if bearer {
            let credentials_key = Some("bearer_token".to_owned());
            authentication.bearer_token = Some(BearerToken { credentials_key, ..BearerToken::default() });
            self.keys.push("bearer_token".to_owned());
            self.to_do.push(
                "If the bearer token is a JWT that you sign, set clientAuthentication.bearerToken.assertion in place of \
                 credentialsKey, and put the key into private_key."
                    .to_owned(),
            );
        }
        if secret {
            self.keys.push("client_secret".to_owned());
        }
        if assertion {
            self.has("client_assertion_type")?;
            self.keys.push("private_key".to_owned());
            self.to_do.push(
                "The controller signs a new client assertion for each request with the key private_key; the one in the line is \
                 not used. If the provider wants it signed with the client secret, set method: client_secret_jwt. \
                 provider.clientAuthentication.assertion has the other claims."
                    .to_owned(),
            );
        }
        let needs_id = secret || assertion;
        self.client_id(id.or_else(|| needs_id.then_some(Value::Secret)));
        Ok(())
    }

    fn basic(&mut self, id: Option<Value>, basic_id: Value) {
        let authentication = &mut self.provider.client_authentication;
        authentication.method = Method::ClientSecretBasic;
        authentication.basic_encoding = BasicEncoding::Raw;
        if id.is_some() {
            authentication.send_client_id = SendClientId::Always;
        }
        self.notes.push(
            "curl sends client id and secret unencoded (basicEncoding: Raw). If the provider refuses a secret with other \
             characters than letters, digits, '-', '.' and '_', remove the field: the default is RFC 6749's encoding."
                .to_owned(),
        );
        self.client_id(Some(id.unwrap_or(basic_id)));
        self.keys.push("client_secret".to_owned());
    }

    /// A client id is public, so that it is a field; one that is not known becomes a key of the Secret.
    fn client_id(&mut self, id: Option<Value>) {
        match id {
            Some(Value::Text { text, unfilled: false, .. }) => self.spec.client_id = Some(text),
            Some(_) => self.keys.insert(0, "client_id".to_owned()),
            None => {}
        }
    }

    fn token(&mut self) -> Result<(), LineError> {
        if let Some((scope, unfilled)) = self.take_text("scope")? {
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
        let (resources, others) = std::mem::take(&mut self.members)
            .into_iter()
            .partition(|member| member.name == "resource" && member.place == ParameterPlace::Body);
        self.members = others;
        for resource in Vec::<Member>::from(resources) {
            if let Value::Text { text, unfilled, .. } = resource.value {
                if unfilled {
                    self.to_do.push("Replace token.resources: the line has a placeholder there.".to_owned());
                }
                self.spec.token.resources.push(text);
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
                self.keys.push(key.clone());
                let source = ValueSource { credentials_key: Some(key), ..ValueSource::default() };
                (None, Some(source), ParameterType::String)
            }
        }
    }

    /// All parameters that have no field of their own.
    fn parameters(&mut self) -> Result<(), LineError> {
        for Member { name, value, place } in std::mem::take(&mut self.members) {
            let is_of_exchange = name.starts_with("subject_token") || name.starts_with("actor_token");
            if is_of_exchange || RESERVED.contains(&name.as_str()) {
                return Err(LineError::new(format!(
                    "{name} has no field for this grant_type: ask the provider for a request without it"
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
        self.keys.dedup();
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
