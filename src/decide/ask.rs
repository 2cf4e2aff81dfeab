//! From what the user wrote to one token request: which credentials are needed, and how the answer is to be read.
//! Knows both vocabularies, the contract's and the protocol's. Must not know how credentials are fetched or sent.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::ByteString;

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

/// Puts the request together. `credentials` is the data of the credentials Secret, empty where the spec names none.
/// With a stored refresh token it is a refresh request (RFC 6749 §6) in place of the grant's own.
///
/// Fails with `CredentialsNotFound` for a missing key, `CredentialsInvalid` for a value that cannot be used.
pub fn ask(
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
    credentials: &BTreeMap<String, ByteString>,
    refresh_token: Option<&Secret>,
) -> Result<Ask, Failure> {
    let endpoint = provider.token_endpoint.as_deref().unwrap_or_default();
    let endpoint = Endpoint::parse(endpoint).map_err(|error| Failure::from(&error))?;
    let keys = spec.credentials_ref.as_ref().map(|reference| &reference.keys);
    let values = Values { data: credentials, secret: spec.credentials_ref.as_ref().map(|r| r.name.as_str()) };
    let default_keys = CredentialKeys::default();
    let keys = keys.unwrap_or(&default_keys);
    let client = client(provider, keys, &values)?;
    let (grant, kind) = match refresh_token {
        Some(token) => refresh(provider, token),
        None => grant(provider, keys, &values)?,
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
        confidential: confidential(credentials, refresh_token),
    })
}

fn grant(
    provider: &TokenProviderSpec,
    keys: &CredentialKeys,
    values: &Values<'_>,
) -> Result<(Grant, GrantKind), Failure> {
    Ok(match provider.grant_type.as_deref() {
        None | Some("client_credentials") => (Grant::ClientCredentials, GrantKind::ClientCredentials),
        Some("password") => {
            let (username, password) = (values.secret(keys.username())?, values.secret(keys.password())?);
            (Grant::Password { username, password }, GrantKind::Password)
        }
        Some("refresh_token") => {
            (Grant::RefreshToken { token: values.secret(keys.refresh_token())? }, GrantKind::RefreshToken)
        }
        Some(vendors) => (Grant::Extension { grant_type: vendors.to_owned() }, GrantKind::Extension),
    })
}

/// A refresh request. Where it is refused depends on whether another grant can take its place.
fn refresh(provider: &TokenProviderSpec, token: &Secret) -> (Grant, GrantKind) {
    (
        Grant::RefreshToken { token: token.clone() },
        match provider.grant_type.as_deref() {
            Some("refresh_token") => GrantKind::RefreshToken,
            _ => GrantKind::Refresh,
        },
    )
}

/// What must not come back in anything shown: every value of the credentials Secret, whatever it is used for, for the
/// keys are the author's to name, and a `client_id` may point at a password. Only the key of that very name is known to
/// hold no secret.
fn confidential(credentials: &BTreeMap<String, ByteString>, refresh_token: Option<&Secret>) -> Vec<Secret> {
    let values = credentials.iter().filter(|(key, _)| key.as_str() != "client_id").map(|(_, value)| &value.0);
    let texts = values.filter_map(|value| std::str::from_utf8(value).ok()).map(trim_one_newline);
    let secrets = texts.filter(|text| !text.is_empty()).map(|text| Secret::new(text.to_owned()));
    secrets.chain(refresh_token.cloned()).collect()
}

/// The client and its proof.
fn client(
    provider: &TokenProviderSpec,
    keys: &CredentialKeys,
    values: &Values<'_>,
) -> Result<Client, Failure> {
    let settings = &provider.client_authentication;
    let (authentication, id_needed) = match settings.method {
        ClientAuthenticationMethod::ClientSecretBasic => {
            let encoding = match settings.basic_encoding {
                api::BasicEncoding::Form => BasicEncoding::Form,
                api::BasicEncoding::Raw => BasicEncoding::Raw,
            };
            (ClientAuthentication::Basic { secret: values.secret(keys.client_secret())?, encoding }, true)
        }
        ClientAuthenticationMethod::ClientSecretPost => {
            (ClientAuthentication::Post { secret: values.secret(keys.client_secret())? }, true)
        }
        // The others are refused before a request is put together (`admission::unserved`).
        _ => (ClientAuthentication::None, false),
    };
    let id =
        if id_needed || values.has(keys.client_id()) { Some(values.text(keys.client_id())?) } else { None };
    let send_client_id = match settings.send_client_id {
        api::SendClientId::Auto => SendClientId::Auto,
        api::SendClientId::Always => SendClientId::Always,
        api::SendClientId::Never => SendClientId::Never,
    };
    Ok(Client { id, authentication, send_client_id })
}

/// The values of the credentials Secret.
struct Values<'a> {
    data: &'a BTreeMap<String, ByteString>,
    secret: Option<&'a str>,
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
                format!(
                    "Secret {secret} has no key {key}: add it, or name the right key in credentialsRef.keys."
                ),
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
