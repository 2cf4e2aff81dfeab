//! Makes one token request from a spec: which credentials are needed, and how the answer is read. Knows the fields of the
//! API and of the protocol. Must not know how credentials are fetched or sent.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

mod client;
mod grant;
mod revocation;
mod signed_token;

use super::Failure;
use super::refresh::is_own_grant;
use super::secrets::Data;
use super::versions::Role;
use crate::api::{
    CredentialKeys, Header, InputSource, Parameter, Reason, RequestPart, RequestedToken, TokenProviderSpec,
    TokenSourceSpec,
};
use crate::oauth::{
    ClientAuthentication, Disclosure, Endpoint, Grant, GrantKind, RequestHeader, RequestParameter,
    ResponseContext, Secret, TokenRequest, trim_one_newline,
};

pub use revocation::ask_revocation;
pub use signed_token::{TokenToSign, token_to_sign};

/// The maximum size of a credential, in bytes. Searching an answer for the credentials takes longer with each byte of them.
const MAX_CREDENTIAL: usize = 64 * 1024;

/// One token request, and how to read its answer.
pub struct Ask {
    /// The request.
    pub request: TokenRequest,
    /// How much of the response may be shown.
    pub disclosure: Disclosure,
    /// The kind of the grant, which decides how a refusal is classified.
    pub grant: GrantKind,
    /// The values that must not appear in any message.
    pub confidential: Vec<Secret>,
}

impl Ask {
    /// How to read the answer to a request that was sent at `sent_at`. `confidential` has the values of the field of this
    /// name, to which the caller has added everything that was signed for the request.
    pub fn reading<'a>(
        &'a self,
        spec: &'a TokenSourceSpec,
        provider: &'a TokenProviderSpec,
        sent_at: DateTime<Utc>,
        confidential: &'a [&'a Secret],
    ) -> ResponseContext<'a> {
        ResponseContext {
            sent_at,
            host: self.request.endpoint.host(),
            settings: &provider.response,
            disclosure: self.disclosure,
            requested_scopes: &spec.token.scopes,
            grant: self.grant,
            confidential,
            requested_token_type: provider.requested_token_type.as_deref(),
        }
    }
}

/// The secret values of one request, which are dropped with the request.
#[derive(Default)]
pub struct RequestInputs {
    /// The data of the credentials Secret; empty if the spec names none.
    pub credentials: Data,
    /// The data of the Secrets that hold tokens of other issuers, by role.
    pub secrets: BTreeMap<Role, Data>,
    /// The tokens of ServiceAccounts and other TokenSources.
    pub tokens: BTreeMap<RequestPart, Secret>,
}

/// The inputs of a request.
struct RequestContext<'a> {
    spec: &'a TokenSourceSpec,
    provider: &'a TokenProviderSpec,
    inputs: &'a RequestInputs,
    /// The names of the keys in the credentials Secret.
    keys: CredentialKeys,
    /// The values of the credentials Secret.
    credentials: Values<'a>,
}

impl<'a> RequestContext<'a> {
    fn new(spec: &'a TokenSourceSpec, provider: &'a TokenProviderSpec, inputs: &'a RequestInputs) -> Self {
        let reference = spec.credentials_ref.as_ref();
        let keys = reference.map(|reference| reference.keys.clone()).unwrap_or_default();
        let secret = reference.map(|reference| reference.name.as_str());
        let credentials = Values { data: &inputs.credentials, secret, field: "credentialsRef.keys" };
        Self { spec, provider, inputs, keys, credentials }
    }

    /// The client id of the spec, or else of the credentials.
    fn client_id(&self) -> Result<String, Failure> {
        self.spec.client_id.clone().map_or_else(|| self.credentials.text(self.keys.client_id()), Ok)
    }

    /// The token for this part of the request. Empty if the provider block names no source, which the CRD's rules or
    /// `validation` refuse earlier.
    fn token(&self, part: RequestPart) -> Result<Secret, Failure> {
        Ok(self.value(part)?.unwrap_or_else(|| Secret::new(String::new())))
    }

    /// The value for this part of the request; None if the provider block names no source.
    fn value(&self, part: RequestPart) -> Result<Option<Secret>, Failure> {
        let Some((_, source)) = self.provider.inputs().find(|(found, _)| *found == part) else {
            return Ok(None);
        };
        match source {
            InputSource::CredentialsKey(key) => {
                let field = match part {
                    RequestPart::BearerToken => "clientAuthentication.bearerToken.credentialsKey",
                    _ => "valueFrom.credentialsKey",
                };
                Values { field, ..self.credentials }.secret(key).map(Some)
            }
            InputSource::SecretKey(reference) => {
                let none = Data::new();
                let data = Role::at(part).and_then(|role| self.inputs.secrets.get(&role)).unwrap_or(&none);
                let secret = Some(reference.name.as_str());
                let field = match part {
                    RequestPart::SubjectToken => "subjectToken.secretKeyRef.key",
                    RequestPart::ActorToken => "actorToken.secretKeyRef.key",
                    _ => "assertionGrant.assertionFrom.secretKeyRef.key",
                };
                Values { data, secret, field }.secret(&reference.key).map(Some)
            }
            // The caller has obtained these tokens. A missing one becomes an empty value.
            InputSource::ServiceAccount(_) | InputSource::TokenSource(_) => {
                let token = self.inputs.tokens.get(&part).cloned();
                Ok(Some(token.unwrap_or_else(|| Secret::new(String::new()))))
            }
        }
    }

    /// The additional parameters with their values.
    fn parameters(
        &self,
        written: &[Parameter],
        part: fn(usize) -> RequestPart,
    ) -> Result<Vec<RequestParameter>, Failure> {
        let parameter = |(index, parameter): (usize, &Parameter)| {
            let read = self.value(part(index))?;
            let is_confidential = read.is_some();
            Ok(RequestParameter {
                name: parameter.name.clone(),
                value: read.unwrap_or_else(|| Secret::new(parameter.value.clone().unwrap_or_default())),
                is_confidential,
                type_: parameter.type_,
                place: parameter.place,
            })
        };
        written.iter().enumerate().map(parameter).collect()
    }

    /// The additional headers with their values.
    fn headers(&self) -> Result<Vec<RequestHeader>, Failure> {
        let header = |(index, header): (usize, &Header)| {
            let read = self.value(RequestPart::Header(index))?;
            let is_confidential = read.is_some();
            let value = read.unwrap_or_else(|| Secret::new(header.value.clone().unwrap_or_default()));
            Ok(RequestHeader { name: header.name.clone(), value, is_confidential })
        };
        self.provider.headers.iter().enumerate().map(header).collect()
    }

    /// The values that must not appear in any message: all tokens, and the values of all keys that the spec names, whatever
    /// the keys are used for, because the author chooses the keys and `client_id` may name a password. Only the key called
    /// `client_id` is known not to be secret. Other values of the Secrets are not sent, and may be thousands.
    fn confidential(&self, refresh_token: Option<&Secret>) -> Vec<Secret> {
        let Self { provider, keys, inputs: RequestInputs { credentials, secrets, tokens }, .. } = self;
        let mut named = BTreeSet::from([
            keys.client_id(),
            keys.client_secret(),
            keys.username(),
            keys.password(),
            keys.private_key(),
            keys.certificate(),
            keys.refresh_token(),
        ]);
        named.extend(provider.credentials_keys());
        let named =
            named.into_iter().filter(|key| *key != "client_id").filter_map(|key| credentials.get(key));
        let of_others = secrets.iter().filter_map(|(role, data)| data.get(&role.reference(provider)?.key));
        let texts = named.chain(of_others).filter(|value| value.0.len() <= MAX_CREDENTIAL);
        let texts = texts.filter_map(|value| std::str::from_utf8(&value.0).ok()).map(without_pem_frame);
        let secrets = texts.filter(|text| !text.is_empty()).map(Secret::new);
        secrets.chain(tokens.values().chain(refresh_token).cloned()).collect()
    }
}

/// Builds the request. With a stored refresh token it is a refresh request (RFC 6749 §6) instead of the configured grant.
/// `tokenEndpoint` must be known: with an `issuer`, the caller has read it from the metadata.
///
/// Fails with `CredentialsNotFound` for a missing key, `CredentialsInvalid` for a value that cannot be used.
pub fn ask(
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
    inputs: &RequestInputs,
    refresh_token: Option<&Secret>,
) -> Result<Ask, Failure> {
    let provider = &*with_refresh_endpoint(provider, refresh_token.is_some());
    let endpoint = provider.token_endpoint.as_deref().unwrap_or_default();
    let endpoint = Endpoint::parse(endpoint).map_err(|error| Failure::from(&error))?;
    let context = RequestContext::new(spec, provider, inputs);
    let client = context.client()?;
    let (grant, kind) = match refresh_token {
        Some(token) => refresh(provider, token),
        None => context.grant()?,
    };
    // A refused assertion has a class of its own, also if it authenticates the client of a client credentials grant.
    let kind = match (&client.authentication, kind) {
        (
            ClientAuthentication::Assertion(_)
            | ClientAuthentication::BearerAssertion(_)
            | ClientAuthentication::IssuedAssertion { .. },
            GrantKind::ClientCredentials,
        ) => GrantKind::JwtBearer,
        (_, kind) => kind,
    };
    // A refresh request of another grant names neither audience nor resources, and the scopes only with
    // `refresh.sendScope`: without them, the provider keeps the granted scope (RFC 6749 §6). If `refresh_token` is the
    // grant, the first request and all later ones name the same.
    let own = is_own_grant(provider);
    let beside = refresh_token.is_some() && !own;
    let token = match (beside, provider.refresh.send_scope) {
        (false, _) => spec.token.clone(),
        (true, true) => RequestedToken { scopes: spec.token.scopes.clone(), ..RequestedToken::default() },
        (true, false) => RequestedToken::default(),
    };
    let parameters = if (beside || own) && !provider.refresh.parameters.is_empty() {
        context.parameters(&provider.refresh.parameters, RequestPart::RefreshParameter)?
    } else {
        context.parameters(&provider.parameters, RequestPart::Parameter)?
    };
    Ok(Ask {
        request: TokenRequest {
            endpoint,
            grant,
            client,
            scopes: token.scopes,
            audience: token.audience,
            resources: token.resources,
            parameters,
            headers: context.headers()?,
            method: provider.method,
            body_format: provider.body_format,
        },
        disclosure: Disclosure::default(),
        grant: kind,
        confidential: context.confidential(refresh_token),
    })
}

/// The provider block with the endpoint that a request goes to, which is also the default audience of its assertions.
fn with_refresh_endpoint(provider: &TokenProviderSpec, is_refresh: bool) -> Cow<'_, TokenProviderSpec> {
    match provider.refresh_endpoint().filter(|_| is_refresh) {
        Some(url) => {
            Cow::Owned(TokenProviderSpec { token_endpoint: Some(url.to_owned()), ..provider.clone() })
        }
        None => Cow::Borrowed(provider),
    }
}

/// A refresh request. The class of a refusal depends on whether another grant can replace the request.
fn refresh(provider: &TokenProviderSpec, token: &Secret) -> (Grant, GrantKind) {
    let kind = if is_own_grant(provider) { GrantKind::RefreshToken } else { GrantKind::Refresh };
    (Grant::RefreshToken { token: token.clone() }, kind)
}

/// The value without the first and last lines of PEM. These lines contain words such as "private key", which also appear in
/// harmless messages.
fn without_pem_frame(text: &str) -> String {
    if !text.starts_with("-----") {
        return trim_one_newline(text).to_owned();
    }
    text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect()
}

/// The values of a Secret.
#[derive(Clone, Copy)]
struct Values<'a> {
    data: &'a Data,
    secret: Option<&'a str>,
    /// The field of the spec that names the keys.
    field: &'static str,
}

impl Values<'_> {
    fn secret(&self, key: &str) -> Result<Secret, Failure> {
        self.text(key).map(Secret::new)
    }

    /// The value without one trailing newline, which `echo` adds to a file.
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
        if bytes.0.len() > MAX_CREDENTIAL {
            return Err(invalid("is longer than 64 KiB"));
        }
        let text = std::str::from_utf8(&bytes.0).map_err(|_| invalid("is not UTF-8 text"))?;
        match trim_one_newline(text) {
            "" => Err(invalid("is empty")),
            text => Ok(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
