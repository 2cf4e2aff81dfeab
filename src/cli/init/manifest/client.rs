//! The client authentication, from the parameters and headers that show it. Must not know grants.

use super::Builder;
use crate::api::{
    BasicEncoding, BearerToken, ClientAuthenticationMethod as Method, ObjectReference, SendClientId,
};
use crate::cli::init::error::LineError;
use crate::cli::init::request::Value;

impl Builder<'_> {
    /// Sets the client authentication.
    pub(super) fn client(
        &mut self,
        basic: Option<Value>,
        bearer: bool,
        certificate: bool,
    ) -> Result<(), LineError> {
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

    /// Sets the client id: in a field, because the client id is public, or in a key of the Secret if the line does not have
    /// it.
    fn client_id(&mut self, id: Option<Value>) {
        match id {
            Some(Value::Text { text, unfilled: false, .. }) => self.spec.client_id = Some(text),
            Some(_) => self.keys.insert(0, "client_id".to_owned()),
            None => {}
        }
    }
}
