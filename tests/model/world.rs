//! One state of the model: API server, provider, the controller's caches and memory, and the record for the properties.
//! Knows no behaviour.
//!
//! Times are seconds from now and versions are ranks, so that a repeated state is recognized.

use tokensource::decide::{Cause, ObtainCall, PublishCall};

/// Seconds from now: instants in the past are negative.
pub(crate) type Seconds = i32;

/// The earliest instant of the model: earlier instants are replaced by this instant. No decision depends on more than an hour's wait
/// and an hour's change of the clock.
pub(crate) const LONG_AGO: Seconds = -2 * 3600;

/// A status: its content (see `real::Real`), and the version of the target it has recorded as intact; 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Status {
    pub(crate) id: u32,
    pub(crate) target: u8,
}

/// The `TokenSource`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    pub(crate) version: u8,
    pub(crate) generation: u8,
    pub(crate) scope: u8,
    pub(crate) suspend: bool,
    /// The `renew-requested-at` annotation; 0 for none.
    pub(crate) request: u8,
    pub(crate) deleting: bool,
    pub(crate) status: Status,
}

/// The inputs of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenInputs {
    pub(crate) scope: u8,
    pub(crate) credentials: u8,
}

/// A Secret with the target's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Secret {
    pub(crate) uid: u8,
    pub(crate) version: u8,
    pub(crate) ours: bool,
    /// Whether another client has changed its data.
    pub(crate) altered: bool,
    /// The number of its token.
    pub(crate) token: u8,
    pub(crate) token_inputs: TokenInputs,
    /// The renewal request that it handles; 0 for none.
    pub(crate) handled_renew_request: u8,
    pub(crate) issued_at: Seconds,
    pub(crate) expires_at: Seconds,
}

/// A refresh token in the provider's view: the valid refresh token, or a used refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RefreshToken {
    Current,
    Used,
}

/// The Secret that stores a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stored {
    pub(crate) token: RefreshToken,
    pub(crate) token_inputs: TokenInputs,
}

/// The provider's view of the refresh tokens it has issued to these credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Family {
    /// Whether the credentials' own refresh token has been used.
    pub(crate) begun: bool,
    /// Whether a used refresh token was sent again, so that all refresh tokens are invalid.
    pub(crate) revoked: bool,
}

/// A token in the controller's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HeldToken {
    pub(crate) token: u8,
    pub(crate) token_inputs: TokenInputs,
    pub(crate) issued_at: Seconds,
    pub(crate) expires_at: Seconds,
    pub(crate) cause: Cause,
    pub(crate) handled_renew_request: u8,
    /// `handled_renew_request` without the effect of mutations; only the properties read it.
    pub(crate) saw: u8,
    pub(crate) refresh: Option<RefreshToken>,
    pub(crate) fell_back: bool,
}

/// The observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Look {
    pub(crate) now: Seconds,
    pub(crate) source: Source,
    /// Whether the status is newer than the status in the API server.
    pub(crate) owed: bool,
    pub(crate) target: Option<Secret>,
    pub(crate) credentials: u8,
    pub(crate) held: Option<HeldToken>,
}

/// The position of the controller in a reconcile. A step is one call to the API server or the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Idle,
    /// A token must be requested. Next: this call.
    Obtain(ObtainCall, Look, Cause),
    /// A token was issued. Next: this call.
    Publish(PublishCall, Look, HeldToken),
    /// Next: writing the status. The next reconcile then starts after this number of seconds, or is a retry after an error.
    Record {
        status: Status,
        /// Whether the status reports on a token that was requested.
        reports_request: bool,
        after: Seconds,
        failed: bool,
    },
}

/// The result of the last renewal request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Requested {
    /// There was no renewal request, or the last renewal request is done.
    #[default]
    No,
    Open,
    /// The renewal failed with this generation and these credentials.
    Tried(u8, u8),
    /// The renewal may have succeeded.
    Unknown,
}

/// The record for the properties. Nothing that the controller does depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // facts, not modes
pub(crate) struct Ghost {
    /// When a token was last requested; None if that is more than a minute ago.
    pub(crate) asked_at: Option<Seconds>,
    /// Whether the process crashed before a written status recorded the last token request. Only the target can then contain
    /// a record of the request.
    pub(crate) crashed: bool,
    /// Whether no written status records the last token request.
    pub(crate) unrecorded: bool,
    /// A token that was issued for these inputs, expires at this time, and is not written yet.
    pub(crate) came: Option<(TokenInputs, Seconds)>,
    /// The last failed request: generation, inputs, and until when it must not be repeated.
    pub(crate) failed: Option<(u8, TokenInputs, Seconds)>,
    /// Refusals in a row: generation, inputs and count.
    pub(crate) refusals: Option<(u8, TokenInputs, u8)>,
    /// A requested renewal without a published token so far.
    pub(crate) requested: Requested,
    /// Whether the clock was changed since the last observation.
    pub(crate) clock_set: bool,
    /// Whether the process started with outdated lists and has not requested a token yet.
    pub(crate) in_the_past: bool,
    /// Whether a rotated refresh token was lost: by a crash, with an answer, or with its TokenSource.
    pub(crate) refresh_lost: bool,
    /// Whether this record is too incomplete to check a request.
    pub(crate) unwatched: bool,
}

/// A state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // facts, not modes
pub(crate) struct World {
    pub(crate) source: Option<Source>,
    pub(crate) target: Option<Secret>,
    pub(crate) stored: Option<Stored>,
    /// The version of the credentials Secret.
    pub(crate) credentials: u8,
    pub(crate) family: Family,

    /// The last state that the watches have delivered.
    pub(crate) seen_source: Option<Source>,
    pub(crate) seen_target: Option<Secret>,
    pub(crate) seen_credentials: u8,
    /// Whether the watches are interrupted: time passes without events.
    pub(crate) cut_off: bool,

    /// The controller's knowledge of the target: from the watch, or from its own later calls.
    pub(crate) known_target: Option<Secret>,
    /// The object as the last status write returned it.
    pub(crate) written: Option<Source>,
    pub(crate) unwritten: Option<Status>,
    pub(crate) held: Option<HeldToken>,
    pub(crate) consecutive_errors: u8,
    pub(crate) step: Step,
    /// Whether a reconcile was triggered after the last observation.
    pub(crate) triggered: bool,
    pub(crate) timer: Option<Seconds>,
    /// Whether the process has made an observation after its restart; also true for the first process.
    pub(crate) started: bool,

    /// The number of disturbances that may still happen.
    pub(crate) left: u8,
    pub(crate) ghost: Ghost,
}

impl World {
    /// Whether the watches have undelivered events.
    pub(crate) fn undelivered(&self) -> bool {
        self.source != self.seen_source
            || self.target_undelivered()
            || self.credentials != self.seen_credentials
    }

    /// Whether the watch of the target has undelivered events. A target that was created and deleted meanwhile counts, too,
    /// because the controller may know of it from its own calls.
    pub(crate) fn target_undelivered(&self) -> bool {
        self.target != self.seen_target || self.target != self.known_target
    }

    /// The state without the data that only the search and the properties of single events need.
    pub(crate) fn bare(mut self) -> Self {
        self.left = 0;
        let Ghost { refresh_lost, requested, clock_set, .. } = self.ghost;
        self.ghost = Ghost { refresh_lost, requested, clock_set, unwatched: true, ..Ghost::default() };
        self
    }

    /// A new version, uid or token number, which is greater than all others until `normalise` replaces it by its rank.
    pub(crate) fn unused() -> u8 {
        u8::MAX
    }
}

impl Step {
    pub(crate) fn look_mut(&mut self) -> Option<&mut Look> {
        match self {
            Step::Idle | Step::Record { .. } => None,
            Step::Obtain(_, look, _) | Step::Publish(_, look, _) => Some(look),
        }
    }

    /// Whether the next call is a token request.
    pub(crate) fn is_request(&self) -> bool {
        matches!(self, Step::Obtain(ObtainCall::Request | ObtainCall::RequestAgain, ..))
    }
}
