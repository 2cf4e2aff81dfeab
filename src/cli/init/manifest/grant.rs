//! The grant, and the parameters that only this grant has. Knows whether the client authenticates; must not know how.

use super::{Builder, PLACEHOLDER};
use crate::api::{AssertionGrant, ExchangeToken, KeyReference, TokenInput};
use crate::cli::init::error::LineError;
use crate::oauth::{JWT_BEARER, TOKEN_EXCHANGE};

/// Grants that need a person with a browser.
const INTERACTIVE: [&str; 4] =
    ["authorization_code", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "device_code"];

impl Builder<'_> {
    /// The grant with its own parameters.
    pub(super) fn grant(&mut self, proves_itself: bool) -> Result<(), LineError> {
        let Some((grant, _)) = self.take_text("grant_type")? else {
            self.provider.grant_type = Some("None".to_owned());
            self.notes.push("The line has no grant_type (grantType: None).".to_owned());
            return Ok(());
        };
        if INTERACTIVE.contains(&grant.as_str()) {
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
            self.assertion(
                proves_itself || self.members.iter().any(|member| member.name == "client_secret"),
            )?;
        }
        if grant == TOKEN_EXCHANGE {
            self.exchange()?;
        }
        self.provider.grant_type = Some(grant).filter(|grant| grant != "client_credentials");
        Ok(())
    }

    /// The assertion of the grant. If the client authenticates in another way (RFC 7521, section 4.1), another issuer is
    /// assumed to sign the assertion.
    fn assertion(&mut self, proves_itself: bool) -> Result<(), LineError> {
        self.has("assertion")?;
        let mut grant = AssertionGrant::default();
        if proves_itself {
            let secret_key_ref = Some(self.other("assertion", "assertionGrant.assertionFrom"));
            grant.assertion_from = Some(TokenInput { secret_key_ref, ..TokenInput::default() });
            self.notes.push(
                "The assertion is taken for somebody else's. If the client signs it, remove assertionFrom, set the claims in \
                 assertionGrant, and put the key into private_key."
                    .to_owned(),
            );
        } else {
            self.keys.push("private_key".to_owned());
            let knows_client = self.members.iter().any(|member| member.name == "client_id");
            grant.issuer = Some(PLACEHOLDER.to_owned()).filter(|_| !knows_client);
            self.to_do.push(
                "Fill in provider.assertionGrant with the claims that the provider documents: issuer (default: the client id), \
                 subject, audience (default: the token endpoint), and scopeClaim: true if the scope is a claim. The controller \
                 signs a new assertion for each request with the key private_key; the assertion of the line is not used."
                    .to_owned(),
            );
        }
        self.provider.assertion_grant = Some(grant);
        Ok(())
    }

    fn exchange(&mut self) -> Result<(), LineError> {
        self.provider.requested_token_type = self.take_text("requested_token_type")?.map(|(text, _)| text);
        self.provider.subject_token = Some(self.exchanged("subject")?.unwrap_or_default());
        self.provider.actor_token = self.exchanged("actor")?;
        Ok(())
    }

    /// The token that is exchanged, or the token of the actor.
    fn exchanged(&mut self, role: &'static str) -> Result<Option<ExchangeToken>, LineError> {
        let is_given = self.has(&format!("{role}_token"))?;
        let type_ = self.take_text(&format!("{role}_token_type"))?.map(|(text, _)| text);
        if !is_given && role != "subject" {
            return Ok(None);
        }
        let secret_key_ref = Some(self.other(role, &format!("{role}Token")));
        Ok(Some(ExchangeToken { secret_key_ref, type_, ..ExchangeToken::default() }))
    }

    /// The Secret with a token of another issuer, for this field of the provider.
    fn other(&mut self, role: &'static str, field: &str) -> KeyReference {
        let name = self.named(role);
        self.others.push(role);
        self.to_do.push(format!(
            "Put the token into Secret {name}, key token, and keep it fresh; or set provider.{field}.serviceAccountToken or \
             tokenSourceRef in place of secretKeyRef."
        ));
        KeyReference { name, key: "token".to_owned() }
    }
}
