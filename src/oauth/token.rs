//! An access token with its times, and the notices about a usable token.
//! Must not know how the response was parsed, or where the token is written.

mod payload;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::secret::Secret;
pub(super) use payload::JwtPayload;

/// A usable access token (RFC 6749 §5.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// 1 to 65,536 printable ASCII characters without a space at either end, so that it is safe in a header and in a file.
    pub access_token: Secret,
    /// The published type: `Bearer`, or the value of `response.tokenType`. Consists of `[A-Za-z0-9._~-]`.
    pub token_type: String,
    /// The granted scope in printable ASCII, at most 4 KiB, separated by spaces unless the provider used commas. None if the
    /// response has no such scope. A missing `scope` means the requested scope (RFC 6749 §5.1).
    pub scope: Option<String>,
    /// The refresh token of the response. None if the response has none: a stored refresh token remains valid (RFC 6749 §6).
    pub refresh_token: Option<Secret>,
    /// The members that `response.keep` names, by the names that templates use. None if the member is missing, or is not a
    /// text of one line, a number or a boolean of at most 4 KiB.
    pub kept: BTreeMap<String, Option<Secret>>,
    /// When the request was sent, in whole seconds. The lifetime counts from this instant, so that it is never overestimated.
    pub issued_at: DateTime<Utc>,
    /// When the token expires by the local clock, in whole seconds: 1 s to 10 years after `issued_at`.
    pub expires_at: DateTime<Utc>,
    /// The response declares a lifetime of zero. A token that was seen before has then expired; for a new token, zero means
    /// that the lifetime is unknown, and `expires_at` is assumed.
    pub declared_zero: bool,
    /// Notices about the response. Sorted, so that an unchanged set gives the same message.
    pub notices: BTreeSet<Notice>,
}

impl Token {
    /// Removes the refresh token if it is this one, which the provider has just refused.
    pub fn forget_refresh_token(&mut self, refused: &Secret) {
        self.refresh_token.take_if(|token| token == refused);
    }

    /// The standard claims of a JWT about parties, times and scope, unverified, for people to read. None if the token is not
    /// a JWT.
    pub fn standard_claims(&self) -> Option<Vec<(&'static str, Value)>> {
        payload::shown(self.access_token.expose())
    }
}

impl fmt::Debug for Token {
    /// Shows neither a token nor a kept member.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("token_type", &self.token_type)
            .field("scope", &self.scope)
            .field("has_refresh_token", &self.refresh_token.is_some())
            .field("issued_at", &self.issued_at)
            .field("expires_at", &self.expires_at)
            .field("notices", &self.notices)
            .finish_non_exhaustive()
    }
}

/// Declares [`Notice`] with a sentence for each notice, so that none can be missing.
macro_rules! notices {
    ($($name:ident: $sentence:literal,)+) => {
        /// A fact about a usable token that an operator should know. Not a failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Notice {
            $(#[doc = $sentence] $name,)+
        }

        impl Notice {
            /// Every notice, sorted.
            pub const ALL: &[Notice] = &[$(Notice::$name,)+];

            /// The name of the notice in `status.notices` and in the message of `Renewed`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Notice::$name => stringify!($name),)+
                }
            }

            /// One sentence for people, without numbers that change, so that an unchanged set of notices writes no status.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Notice::$name => $sentence,)+
                }
            }
        }
    };
}

notices! {
    BoundToken: "The token is bound to a key (`cnf`): an API that checks this refuses it as a plain bearer token.",
    Capped: "The provider declares a lifetime of more than ten years; ten years are assumed.",
    ClockSkew: "The provider's clock and the controller's differ; the provider's absolute times were converted.",
    ClockSkewSuspected: "By the controller's clock the JWT has already expired; the declared lifetime was used. Check the clock.",
    ExpiryAssumed: "No lifetime in the response was used; `response.expiry.assumedLifetime` was used instead.",
    ExpiryFromJWT: "The lifetime was taken from the `exp` of the JWT.",
    ExpiryMismatch: "The declared lifetime is longer than the JWT's lifetime, which was used.",
    InterpretedAsMilliseconds: "The declared lifetime makes sense in milliseconds only; set `response.expiry.unit`.",
    LegacyGrant: "The password grant is forbidden by RFC 9700; ask the provider for another.",
    ScopeReduced: "Not every requested scope was granted.",
    ShortLifetime: "The lifetime is short compared with the time that a mounted Secret needs to update.",
    StickyToken: "The provider returns the same token until shortly before it expires.",
    TokenTypeAssumed: "The response has no `token_type`; `Bearer` is assumed.",
    UnusableExpiry: "A declared expiry could not be understood and was ignored.",
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_sorted_by_name_and_their_sentences_have_no_numbers() {
        let names: Vec<_> = Notice::ALL.iter().map(ToString::to_string).collect();
        assert!(names.is_sorted(), "{names:?}");
        for notice in Notice::ALL {
            let sentence = notice.sentence();
            assert!(sentence.ends_with('.'), "{notice}");
            // The number of an RFC never changes. Any other number could give equal sets different messages.
            assert!(!sentence.replace("RFC 9700", "").contains(|c: char| c.is_ascii_digit()), "{notice}");
        }
    }

    #[test]
    fn debug_shows_neither_tokens_nor_kept_members() {
        let token = Token {
            access_token: Secret::new("canary-access".into()),
            token_type: "Bearer".into(),
            scope: None,
            refresh_token: Some(Secret::new("canary-refresh".into())),
            kept: BTreeMap::from([("id".into(), Some(Secret::new("canary-kept".into())))]),
            issued_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH,
            declared_zero: false,
            notices: BTreeSet::new(),
        };
        assert!(!format!("{token:?}").contains("canary"));
    }
}
