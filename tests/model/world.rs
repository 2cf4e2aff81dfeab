//! One state of the modelled world: API server, provider, the controller's caches and memory, and what the properties
//! have to remember. Knows no behaviour.
//!
//! Times are seconds from now and versions are ranks, so that a world that has come round is the same state again.

use tokensource::decide::Cause;

/// Seconds from now: past ones are negative.
pub(crate) type Seconds = i32;

/// What lies further back is moved up to here. Nothing decides by more than the hour of a wait and an hour's step.
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

/// What a token was asked for with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    pub(crate) scope: u8,
    pub(crate) credentials: u8,
}

/// A Secret of the target's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Secret {
    pub(crate) uid: u8,
    pub(crate) version: u8,
    pub(crate) ours: bool,
    /// Somebody else has changed its data.
    pub(crate) altered: bool,
    /// Which token it holds.
    pub(crate) token: u8,
    pub(crate) asked: Asked,
    /// The renewal request that it answers; 0 for none.
    pub(crate) answers: u8,
    pub(crate) issued_at: Seconds,
    pub(crate) expires_at: Seconds,
}

/// A refresh token, as the provider sees it: the one that is good, or one that has been used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RefreshToken {
    Current,
    Used,
}

/// The Secret that keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stored {
    pub(crate) token: RefreshToken,
    pub(crate) asked: Asked,
}

/// The provider's view of the refresh tokens it has issued to these credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Family {
    /// The token that the credentials begin with has been used.
    pub(crate) begun: bool,
    /// A used one has been shown again: none of them is good any more.
    pub(crate) revoked: bool,
}

/// A token in the controller's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HeldToken {
    pub(crate) token: u8,
    pub(crate) asked: Asked,
    pub(crate) issued_at: Seconds,
    pub(crate) expires_at: Seconds,
    pub(crate) cause: Cause,
    pub(crate) answers: u8,
    /// The same, whatever a mutation makes of that; for the properties alone.
    pub(crate) saw: u8,
    pub(crate) refresh: Option<RefreshToken>,
    pub(crate) fell_back: bool,
}

/// What `observe` has gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Look {
    pub(crate) now: Seconds,
    pub(crate) source: Source,
    /// The status is ahead of the API server's.
    pub(crate) owed: bool,
    pub(crate) target: Option<Secret>,
    pub(crate) credentials: u8,
    pub(crate) held: Option<HeldToken>,
}

/// Where the controller stands in a reconcile: a step is one call to the API server or the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Idle,
    /// The refresh token that came with a token nobody wants any more is stored first.
    KeepHeld(Look, Cause),
    /// About to send the token request.
    Ask(Look, Cause),
    /// The stored refresh token was refused, and is about to be deleted.
    Drop(Look, Cause),
    /// About to send the request of the grant itself.
    AskAgain(Look, Cause),
    /// A token is in hand: about to store its refresh token, then to write the target.
    Write(Look, HeldToken),
    /// About to write the status; then to look again after so many seconds, or because of a trouble.
    Record {
        status: Status,
        wake: Seconds,
        trouble: bool,
    },
}

/// What has become of the last request for a renewal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Requested {
    /// There was none, or it was answered.
    #[default]
    No,
    Open,
    /// It was tried in vain, with this generation and these credentials.
    Tried(u8, u8),
    /// It may have been answered.
    Unknown,
}

/// What the properties remember; nothing acts on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // facts, not modes
pub(crate) struct Ghost {
    /// When a token was last asked for, within the last minute.
    pub(crate) asked_at: Option<Seconds>,
    /// The process has crashed before it could write a status: only the target can tell of the request.
    pub(crate) crashed: bool,
    /// No status has been written since.
    pub(crate) unrecorded: bool,
    /// A token came for these inputs, good for so long, and has not been written yet.
    pub(crate) came: Option<(Asked, Seconds)>,
    /// The last request failed: with what generation and inputs, and until when it must not be repeated.
    pub(crate) failed: Option<(u8, Asked, Seconds)>,
    /// How often in a row the provider has refused: with what generation and inputs.
    pub(crate) refusals: Option<(u8, Asked, u8)>,
    /// A renewal that somebody has asked for, and for which no token has been published yet.
    pub(crate) requested: Requested,
    /// The clock was set since the controller last looked.
    pub(crate) clock_set: bool,
    /// The process was started with lists that were out of date, and has not asked for a token yet.
    pub(crate) in_the_past: bool,
    /// A rotated refresh token was lost: by a crash, with an answer, or with its TokenSource.
    pub(crate) refresh_lost: bool,
    /// Too little is remembered here to judge a request.
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

    /// What the watches have brought.
    pub(crate) seen_source: Option<Source>,
    pub(crate) seen_target: Option<Secret>,
    pub(crate) seen_credentials: u8,
    /// The watches are cut off: time passes without events.
    pub(crate) cut_off: bool,

    /// The controller's knowledge of the target: the watch's, or what its own calls have returned since.
    pub(crate) known_target: Option<Secret>,
    /// The object as the last status write returned it.
    pub(crate) written: Option<Source>,
    pub(crate) unwritten: Option<Status>,
    pub(crate) held: Option<HeldToken>,
    pub(crate) troubles: u8,
    pub(crate) step: Step,
    /// Something has happened since the last look.
    pub(crate) woken: bool,
    pub(crate) timer: Option<Seconds>,
    /// No look since the process started.
    pub(crate) started: bool,

    /// How many disturbances may still come.
    pub(crate) left: u8,
    pub(crate) ghost: Ghost,
}

impl World {
    /// Whether the watches have something to bring.
    pub(crate) fn undelivered(&self) -> bool {
        self.source != self.seen_source
            || self.target_undelivered()
            || self.credentials != self.seen_credentials
    }

    /// The same for the target. One that came and went is an event, too: the controller may have met it.
    pub(crate) fn target_undelivered(&self) -> bool {
        self.target != self.seen_target || self.target != self.known_target
    }

    /// The world without what only the search and the properties of single moves need.
    pub(crate) fn bare(mut self) -> Self {
        self.left = 0;
        let Ghost { refresh_lost, requested, clock_set, .. } = self.ghost;
        self.ghost = Ghost { refresh_lost, requested, clock_set, unwatched: true, ..Ghost::default() };
        self
    }

    /// A version of the target, a uid or a token that nothing has had before.
    pub(crate) fn unused() -> u8 {
        u8::MAX
    }
}

impl Step {
    pub(crate) fn look_mut(&mut self) -> Option<&mut Look> {
        match self {
            Step::Idle | Step::Record { .. } => None,
            Step::KeepHeld(look, _)
            | Step::Ask(look, _)
            | Step::Drop(look, _)
            | Step::AskAgain(look, _)
            | Step::Write(look, _) => Some(look),
        }
    }
}
