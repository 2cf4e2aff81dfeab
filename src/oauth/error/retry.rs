//! The retry classes of failures. Must not know how the waits are computed.

use std::time::Duration;

/// How a failure is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// A request is repeated with exponential backoff.
    Transient {
        /// The minimum wait; zero if there is none.
        floor: Duration,
    },
    /// A response that may have cost a token, but has no usable one. Transient, but each attempt may cost another token, so
    /// waits are long from the third failure in a row.
    Wasteful,
    /// The provider refused an assertion. The request is repeated with new assertions: with exponential backoff for this
    /// many attempts in a row, then as in [`Repeat::BeforeExpiry`]. If the inputs have never worked, [`Repeat::WhileNew`]
    /// applies instead.
    Assertion {
        /// Attempts in total.
        attempts: u32,
    },
    /// Nothing helps until spec, provider or credentials change, or a renewal is requested.
    Terminal {
        /// When the request is repeated even without a change.
        repeat: Repeat,
    },
}

/// When a request that was refused is repeated although nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// The request is never repeated, because an account could be locked.
    Never,
    /// The request is repeated only once an hour, because each request sends a password.
    Hourly,
    /// The request is repeated once an hour, and once before the stored token expires.
    BeforeExpiry,
    /// The repeats of [`Repeat::BeforeExpiry`], and a few more within minutes if the inputs have never worked: a provider may
    /// need a while until it knows new inputs.
    WhileNew,
}

impl Retry {
    /// Transient without a minimum wait.
    pub const TRANSIENT: Retry = Retry::Transient { floor: Duration::ZERO };
    /// Terminal, for failures that minutes do not change.
    pub const TERMINAL: Retry = Retry::Terminal { repeat: Repeat::BeforeExpiry };
    /// Terminal, for refusals by a provider, which may not know new inputs yet.
    pub const REFUSED: Retry = Retry::Terminal { repeat: Repeat::WhileNew };
}
