//! Accepts and refuses the tokens that an API is shown. Knows which tokens are valid now; must not know which program shows
//! them, nor what the API answers.

use std::sync::{Arc, Mutex, MutexGuard};

use tokensource_kit::scripted_provider::RecordedRequest;

/// The user name beside a token that is presented as a password.
const USER: &str = "oauth2";

/// The valid tokens, and what was presented. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Tokens(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    valid: Vec<String>,
    last_was_presented: bool,
    refused: usize,
}

impl Tokens {
    /// Accepts one more token.
    pub(crate) fn accept(&self, token: String) {
        let mut state = self.state();
        state.valid.push(token);
        state.last_was_presented = false;
    }

    /// Refuses all tokens but the last from now on, as when they expire.
    pub(crate) fn expire_the_others(&self) {
        let last = self.state().valid.pop();
        self.state().valid = last.into_iter().collect();
    }

    /// Whether a request presents a valid token. A request without credentials counts as a question, not as a mistake.
    pub(crate) fn admit(&self, request: &RecordedRequest) -> bool {
        let basic =
            request.basic().map(|(user, password)| if user == USER { password } else { String::new() });
        let Some(token) = request.bearer().map(ToOwned::to_owned).or(basic) else { return false };
        let mut state = self.state();
        let valid = state.valid.contains(&token);
        state.last_was_presented |= state.valid.last() == Some(&token);
        state.refused += usize::from(!valid);
        valid
    }

    /// Whether the newest token was presented.
    pub(crate) fn last_was_presented(&self) -> bool {
        self.state().last_was_presented
    }

    /// The number of requests with credentials that were not valid.
    pub(crate) fn refused(&self) -> usize {
        self.state().refused
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of this lock panics")
    }
}
