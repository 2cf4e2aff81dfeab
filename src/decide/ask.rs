//! From what the user wrote to one token request: which credentials are needed, and how the answer is to be read.
//! Knows both vocabularies, the contract's and the protocol's. Must not know how credentials are fetched or sent.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::ByteString;

mod grant;

use super::Failure;
use crate::api::{
    self, ClientAuthenticationMethod, CredentialKeys, Reason, RequestedToken, TokenProviderSpec,
    TokenSourceSpec,
};
use crate::oauth::{
    BasicEncoding, BodyFormat, Client, ClientAuthentication, Endpoint, ExpiryRules, ExpiryUnit,
    FieldPointers, Grant, GrantKind, Parameter, ParameterPlace, ParameterValue, ResponseRules, Secret,
    SendClientId, TokenRequest, trim_one_newline,
};

pub(super) use grant::{JWT_BEARER, TOKEN_EXCHANGE};

/// Where the answer says nothing of its life.
const ASSUMED_LIFETIME: Duration = Duration::from_secs(3600);

/// One token request, and how to read its answer.
pub struct Ask {
    /// The request.
    pub request: TokenRequest,
    /// How its answer is read.
    pub rules: ResponseRules,
    /// Which grant it is, for the classification of refusals.
    pub grant: GrantKind,
    /// What must not appear in anything shown.
    pub confidential: Vec<Secret>,
}

/// Puts the request together. `credentials` and `subject` are the data of the credentials Secret and of the one that
/// holds the token to exchange, each empty where the spec names none. With a stored refresh token it is a refresh
/// request (RFC 6749 §6) in place of the grant's own.
///
/// Fails with `CredentialsNotFound` for a missing key, `CredentialsInvalid` for a value that cannot be used.
pub fn ask(
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
    credentials: &BTreeMap<String, ByteString>,
    subject: &BTreeMap<String, ByteString>,
    refresh_token: Option<&Secret>,
) -> Result<Ask, Failure> {
    let endpoint = provider.token_endpoint.as_deref().unwrap_or_default();
    let endpoint = Endpoint::parse(endpoint).map_err(|error| Failure::from(&error))?;
    let reference = spec.credentials_ref.as_ref();
    let keys = reference.map(|reference| reference.keys.clone()).unwrap_or_default();
    let confidential = confidential(credentials, subject, refresh_token);
    let credentials = Values {
        data: credentials,
        secret: reference.map(|reference| reference.name.as_str()),
        field: "credentialsRef.keys",
    };
    let subject = Values {
        data: subject,
        secret: provider.subject_secret().map(|reference| reference.name.as_str()),
        field: "subjectToken.secretKeyRef.key",
    };
    let client = client(provider, &keys, &credentials)?;
    let (grant, kind) = match refresh_token {
        Some(token) => refresh(provider, token),
        None => grant::grant(spec, provider, &keys, &credentials, &subject)?,
    };
    // A refused assertion is a matter of its own, whatever it was to prove.
    let kind = match (&client.authentication, kind) {
        (ClientAuthentication::Assertion(_), GrantKind::ClientCredentials) => GrantKind::JwtBearer,
        (_, kind) => kind,
    };
    // A refresh request names no scope (RFC 6749 §6 would narrow it), and asks for nothing the grant did not.
    let token = if refresh_token.is_some() { RequestedToken::default() } else { spec.token.clone() };
    let parameters = match refresh_token {
        Some(_) if !provider.refresh.parameters.is_empty() => &provider.refresh.parameters,
        _ => &provider.parameters,
    };
    Ok(Ask {
        request: TokenRequest {
            endpoint,
            grant,
            client,
            scopes: token.scopes,
            audience: token.audience,
            resources: token.resources,
            parameters: parameters.iter().map(parameter).collect(),
            headers: provider.headers.iter().map(|h| (h.name.clone(), h.value.clone())).collect(),
            body_format: match provider.body_format {
                api::BodyFormat::Form => BodyFormat::Form,
                api::BodyFormat::Json => BodyFormat::Json,
                api::BodyFormat::Query => BodyFormat::Query,
            },
        },
        rules: response_rules(provider),
        grant: kind,
        confidential,
    })
}

/// The client.
fn client(
    provider: &TokenProviderSpec,
    keys: &CredentialKeys,
    values: &Values<'_>,
) -> Result<Client, Failure> {
    let settings = &provider.client_authentication;
    let id_needed = !matches!(settings.method, ClientAuthenticationMethod::None);
    let id =
        if id_needed || values.has(keys.client_id()) { Some(values.text(keys.client_id())?) } else { None };
    let authentication = match settings.method {
        ClientAuthenticationMethod::ClientSecretBasic => {
            let encoding = match settings.basic_encoding {
                api::BasicEncoding::Form => BasicEncoding::Form,
                api::BasicEncoding::Raw => BasicEncoding::Raw,
            };
            ClientAuthentication::Basic { secret: values.secret(keys.client_secret())?, encoding }
        }
        ClientAuthenticationMethod::ClientSecretPost => {
            ClientAuthentication::Post { secret: values.secret(keys.client_secret())? }
        }
        ClientAuthenticationMethod::ClientSecretJwt | ClientAuthenticationMethod::PrivateKeyJwt => {
            let id = id.as_deref().unwrap_or_default();
            ClientAuthentication::Assertion(grant::client(provider, keys, values, id)?)
        }
        // The others are refused before a request is put together (`admission::unserved`).
        _ => ClientAuthentication::None,
    };
    let send_client_id = match settings.send_client_id {
        api::SendClientId::Auto => SendClientId::Auto,
        api::SendClientId::Always => SendClientId::Always,
        api::SendClientId::Never => SendClientId::Never,
    };
    Ok(Client { id, authentication, send_client_id })
}

/// A refresh request. Where it is refused depends on whether another grant can take its place.
fn refresh(provider: &TokenProviderSpec, token: &Secret) -> (Grant, GrantKind) {
    let kind = match provider.grant_type.as_deref() {
        Some("refresh_token") => GrantKind::RefreshToken,
        _ => GrantKind::Refresh,
    };
    (Grant::RefreshToken { token: token.clone() }, kind)
}

/// What must not come back in anything shown: every value of the Secrets, whatever it is used for, for the keys are
/// the author's to name, and a `client_id` may point at a password. Only the key of that very name is known to hold no
/// secret.
fn confidential(
    credentials: &BTreeMap<String, ByteString>,
    subject: &BTreeMap<String, ByteString>,
    refresh_token: Option<&Secret>,
) -> Vec<Secret> {
    let values = credentials.iter().filter(|(key, _)| key.as_str() != "client_id").chain(subject);
    let texts = values.filter_map(|(_, value)| std::str::from_utf8(&value.0).ok()).map(without_pem_frame);
    let secrets = texts.filter(|text| !text.is_empty()).map(Secret::new);
    secrets.chain(refresh_token.cloned()).collect()
}

/// A key without PEM's first and last line: words such as "private key" stand in innocent explanations, too.
fn without_pem_frame(text: &str) -> String {
    if !text.starts_with("-----") {
        return trim_one_newline(text).to_owned();
    }
    text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect()
}

/// The values of a Secret.
struct Values<'a> {
    data: &'a BTreeMap<String, ByteString>,
    secret: Option<&'a str>,
    /// Where the spec names its keys.
    field: &'static str,
}

impl Values<'_> {
    fn has(&self, key: &str) -> bool {
        self.data.contains_key(key)
    }

    fn secret(&self, key: &str) -> Result<Secret, Failure> {
        self.text(key).map(Secret::new)
    }

    /// The value without the one newline that `echo` leaves at the end of a file.
    fn text(&self, key: &str) -> Result<String, Failure> {
        let secret = self.secret.unwrap_or("(none)");
        let bytes = self.data.get(key).ok_or_else(|| {
            Failure::local(
                Reason::CredentialsNotFound,
                format!("Secret {secret} has no key {key}: add it, or name the right key in {}.", self.field),
            )
        })?;
        let invalid = |why: &str| {
            Failure::local(
                Reason::CredentialsInvalid,
                format!("Key {key} of Secret {secret} {why}: correct it."),
            )
        };
        let text = std::str::from_utf8(&bytes.0).map_err(|_| invalid("is not UTF-8 text"))?;
        match trim_one_newline(text) {
            "" => Err(invalid("is empty")),
            text => Ok(text.to_owned()),
        }
    }
}

fn parameter(parameter: &api::Parameter) -> Parameter {
    let value = parameter.value.clone();
    Parameter {
        name: parameter.name.clone(),
        value: match parameter.type_ {
            api::ParameterType::String => ParameterValue::String(value),
            api::ParameterType::Number => ParameterValue::Number(value),
            api::ParameterType::Boolean => ParameterValue::Boolean(value),
        },
        place: match parameter.place {
            api::ParameterPlace::Body => ParameterPlace::Body,
            api::ParameterPlace::Query => ParameterPlace::Query,
        },
    }
}

fn response_rules(provider: &TokenProviderSpec) -> ResponseRules {
    let response = &provider.response;
    ResponseRules {
        fields: FieldPointers {
            access_token: response.fields.access_token.clone(),
            expires_in: response.fields.expires_in.clone(),
            expires_at: response.fields.expires_at.clone(),
            refresh_token: response.fields.refresh_token.clone(),
            token_type: response.fields.token_type.clone(),
            error: response.fields.error.clone(),
        },
        token_type: response.token_type.clone(),
        expiry: ExpiryRules {
            assumed_lifetime: response.expiry.assumed_lifetime.map_or(ASSUMED_LIFETIME, api::Duration::get),
            unit: match response.expiry.unit {
                api::ExpiryUnit::Auto => ExpiryUnit::Auto,
                api::ExpiryUnit::Seconds => ExpiryUnit::Seconds,
                api::ExpiryUnit::Milliseconds => ExpiryUnit::Milliseconds,
            },
            ignore_response: response.expiry.ignore_response,
        },
    }
}

#[cfg(test)]
mod tests;
