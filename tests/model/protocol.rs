//! The product's protocol code, called once for each question: requests as `ask` makes them, answers as `read` understands
//! them, refresh tokens as `RefreshBinding` permits. Must not know when a request is made.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use tokensource::decide::refresh::{RefreshBinding, falls_back_to_grant, stores_refresh_token};
use tokensource::decide::{Failure, RequestInputs, ask};
use tokensource::oauth::{ResponseContext, Secret, read};

use crate::real::{Real, Reply};
use crate::samples::{HOST, LIFETIME, at, credentials, http_response, remembered, seconds};
use crate::world::{Look, TokenInputs};

impl Real {
    /// Returns how the controller's code reads this reply: Ok for a token, else the failure.
    pub(crate) fn answer(
        &mut self,
        token_inputs: TokenInputs,
        refreshing: bool,
        reply: Reply,
    ) -> Result<(), u16> {
        remembered(&self.answers, &(token_inputs, refreshing, reply)).unwrap_or_else(|| {
            let read = self.read(token_inputs, refreshing, reply).map_err(|failure| self.failure(failure));
            self.answers.insert((token_inputs, refreshing, reply), read);
            read
        })
    }

    fn read(&self, token_inputs: TokenInputs, refreshing: bool, reply: Reply) -> Result<(), Failure> {
        let spec = &self.specs[usize::from(token_inputs.scope) * 2];
        let stored = refreshing.then(|| Secret::new("rt-stored".to_owned()));
        let inputs =
            RequestInputs { credentials: credentials(token_inputs.credentials), ..RequestInputs::default() };
        let ask = ask(spec, &self.provider, &inputs, stored.as_ref())?;
        let context = ResponseContext {
            sent_at: at(0),
            host: HOST,
            settings: &self.provider.response,
            disclosure: ask.disclosure,
            requested_scopes: &spec.token.scopes,
            grant: ask.grant,
            confidential: &ask.confidential.iter().collect::<Vec<_>>(),
            requested_token_type: None,
        };
        let token = read(&http_response(reply), &context).map_err(|error| Failure::from(&error))?;
        assert_eq!((seconds(token.issued_at), seconds(token.expires_at)), (0, LIFETIME));
        assert_eq!(token.refresh_token.is_some(), reply == Reply::Token { refresh: true });
        Ok(())
    }

    /// Whether the configured grant replaces a refused refresh request.
    pub(crate) fn falls_back_to_grant(&mut self, look: &Look, failure: u16) -> bool {
        let status = self.status(look.source.status);
        let inputs = self.inputs(look);
        let before = self.observed(look, &status, inputs).failures_in_a_row();
        falls_back_to_grant(&self.provider, &self.failures[usize::from(failure)], before + 1)
    }

    /// Whether refresh tokens are stored.
    pub(crate) fn keeps_refresh_tokens(&self) -> bool {
        stores_refresh_token(&self.provider)
    }

    /// Whether a refresh token that was stored with these inputs may be sent with those.
    pub(crate) fn may_refresh(&mut self, kept: TokenInputs, now: TokenInputs) -> bool {
        remembered(&self.bonds, &(kept, now)).unwrap_or_else(|| {
            let token = Secret::new("rt".to_owned());
            let secret = self.binding(kept).to_secret("source", OwnerReference::default(), &token);
            let usable = self.binding(now).usable(&secret).is_some();
            self.bonds.insert((kept, now), usable);
            usable
        })
    }

    fn binding(&mut self, token_inputs: TokenInputs) -> RefreshBinding {
        let inputs = self.fingerprint(1, token_inputs);
        let spec = &self.specs[usize::from(token_inputs.scope) * 2];
        RefreshBinding::now(spec, &self.provider, &inputs.token, &credentials(token_inputs.credentials))
    }
}
