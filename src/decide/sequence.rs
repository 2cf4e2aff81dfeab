//! The order of the calls that get a token and write it. The controller makes the calls, `tests/model` follows the same
//! order, and `tests/simulation` follows the part that TokenSources without refresh tokens need. Must not know how a call
//! is made, nor whether a token is needed.

/// A call of the sequence that gets a token. The result of the last call is the result of the sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObtainCall {
    /// Store the refresh token of the unwritten token that the request is about to replace.
    StoreUnwritten,
    /// Request a token: with the stored refresh token if it may be used, else with the configured grant.
    Request,
    /// Delete the stored refresh token, which brought no token.
    DropRefreshToken,
    /// Request a token with the configured grant.
    RequestAgain,
}

impl ObtainCall {
    /// The first call. `unstored` means that an unwritten token has a refresh token that is not stored yet: there is no
    /// other copy of a rotated one.
    pub fn first(unstored: bool) -> Self {
        if unstored { Self::StoreUnwritten } else { Self::Request }
    }

    /// The call after this one has succeeded; None if the sequence has brought a token.
    pub fn after_success(self) -> Option<Self> {
        match self {
            Self::StoreUnwritten => Some(Self::Request),
            Self::DropRefreshToken => Some(Self::RequestAgain),
            Self::Request | Self::RequestAgain => None,
        }
    }

    /// The call after this one has failed; None if the sequence ends without a token. `falls_back_to_grant` means that the
    /// configured grant replaces the refresh token that was sent (see [`super::refresh::falls_back_to_grant`]).
    pub fn after_failure(self, falls_back_to_grant: bool) -> Option<Self> {
        match self {
            Self::Request if falls_back_to_grant => Some(Self::DropRefreshToken),
            // A token can still be issued now, although the next renewal sends the same refresh token again.
            Self::DropRefreshToken => Some(Self::RequestAgain),
            Self::StoreUnwritten | Self::Request | Self::RequestAgain => None,
        }
    }
}

/// A call that writes an issued token. If a call fails, no other is made, and the token is kept in memory. A later reconcile
/// makes these calls before it requests another token, unless the inputs have changed or the token has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublishCall {
    /// Store the token's refresh token in a Secret of its own.
    StoreRefreshToken,
    /// Write the token into the target.
    WriteTarget,
}

impl PublishCall {
    /// The first call. `unstored` means that the token has a refresh token that is not stored yet. The refresh token is
    /// stored first: there is no other copy of a rotated one, while an access token can be requested again.
    pub fn first(unstored: bool) -> Self {
        if unstored { Self::StoreRefreshToken } else { Self::WriteTarget }
    }

    /// The call after this one has succeeded; None if the token is published.
    pub fn after_success(self) -> Option<Self> {
        match self {
            Self::StoreRefreshToken => Some(Self::WriteTarget),
            Self::WriteTarget => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refresh_tokens_are_stored_before_anything_that_could_lose_them() {
        use ObtainCall::{DropRefreshToken, Request, RequestAgain, StoreUnwritten};
        use PublishCall::{StoreRefreshToken, WriteTarget};
        assert_eq!((ObtainCall::first(true), ObtainCall::first(false)), (StoreUnwritten, Request));
        for (call, success, failure, fallback) in [
            (StoreUnwritten, Some(Request), None, None),
            (Request, None, None, Some(DropRefreshToken)),
            (DropRefreshToken, Some(RequestAgain), Some(RequestAgain), Some(RequestAgain)),
            (RequestAgain, None, None, None),
        ] {
            let found = (call.after_success(), call.after_failure(false), call.after_failure(true));
            assert_eq!(found, (success, failure, fallback), "{call:?}");
        }
        assert_eq!((PublishCall::first(true), PublishCall::first(false)), (StoreRefreshToken, WriteTarget));
        assert_eq!(StoreRefreshToken.after_success(), Some(WriteTarget));
        assert_eq!(WriteTarget.after_success(), None);
    }
}
