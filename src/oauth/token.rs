//! An access token as the rest of the program sees it, and the facts worth telling about it.
//! Knows when it was asked for, when it ends, and what was odd about a good answer.
//! Must not know how any of that was found out, nor where the token is going.

mod payload;

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::secret::Secret;
pub(super) use payload::Payload;

/// A usable access token (RFC 6749 §5.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// 1 to 65,536 printable ASCII characters with no space at either end: safe in a header and in a file.
    pub access_token: Secret,
    /// How to present it, as published: `Bearer`, or the override of `response.tokenType`.
    /// Always of `[A-Za-z0-9._~-]`.
    pub token_type: String,
    /// What was granted, space-separated unless the provider used commas; printable ASCII. None where the provider
    /// did not say, which by RFC 6749 §5.1 means "as asked for".
    pub scope: Option<String>,
    /// The refresh token that came along. None means that a stored one stays good (RFC 6749 §6).
    pub refresh_token: Option<Secret>,
    /// When the request was sent, whole seconds: life counts from here, so it is never over-estimated.
    pub issued_at: DateTime<Utc>,
    /// When it ends by the local clock, whole seconds, later than `issued_at` by 1 s to 10 years.
    pub expires_at: DateTime<Utc>,
    /// The answer leaves it no time to live: a life of zero. Of a token not seen before that says nothing, and
    /// `expires_at` is assumed; one seen before has expired.
    pub declared_zero: bool,
    /// What was odd about the answer. Sorted, so that an unchanged set reads the same.
    pub notices: BTreeSet<Notice>,
}

impl Token {
    /// Leaves out the refresh token if it is this one: it has just been refused.
    pub fn forget_refresh_token(&mut self, refused: &Secret) {
        self.refresh_token.take_if(|token| token == refused);
    }

    /// What a JWT says of parties and times, for a person: the standard claims alone, unverified. None where the token
    /// is no JWT.
    pub fn standard_claims(&self) -> Option<Vec<(&'static str, Value)>> {
        payload::shown(self.access_token.expose())
    }
}

impl fmt::Debug for Token {
    /// Shows neither token.
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

/// Declares [`Notice`] with its sentences, so that no notice can exist without one.
macro_rules! notices {
    ($($name:ident: $sentence:literal,)+) => {
        /// A fact about a good answer: not a failure, but worth an operator's eye.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Notice {
            $(#[doc = $sentence] $name,)+
        }

        impl Notice {
            /// Every notice, in the order in which they sort.
            pub const ALL: &[Notice] = &[$(Notice::$name,)+];

            /// The word as it stands in the message of `Renewed`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Notice::$name => stringify!($name),)+
                }
            }

            /// One sentence for a person, without numbers: an unchanged set of notices must write nothing.
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
    Capped: "The provider declares a life of more than ten years; ten years are assumed.",
    ClockSkew: "The provider's clock and ours differ; its absolute times were converted.",
    ClockSkewSuspected: "By our clock the JWT has expired already; the declared life was believed. Check the clock.",
    ExpiryAssumed: "The life is not taken from the answer; `response.expiry.assumedLifetime` was used.",
    ExpiryFromJWT: "The life was taken from the `exp` of the JWT.",
    ExpiryMismatch: "The declared life is longer than that of the JWT, which was believed.",
    InterpretedAsMilliseconds: "The declared life makes sense in milliseconds only; set `response.expiry.unit`.",
    LegacyGrant: "The password grant is forbidden by RFC 9700; ask the provider for another.",
    ScopeReduced: "Not every scope asked for was granted.",
    ShortLifetime: "The life is short against the time a mounted Secret needs to change.",
    StickyToken: "The provider returns the same token until shortly before its end.",
    TokenTypeAssumed: "The answer has no `token_type`; `Bearer` is assumed.",
    UnusableExpiry: "A declared expiry could not be understood and was passed over.",
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
    fn notices_sort_by_name_and_say_something_without_numbers() {
        let names: Vec<_> = Notice::ALL.iter().map(ToString::to_string).collect();
        assert!(names.is_sorted(), "{names:?}");
        for notice in Notice::ALL {
            let sentence = notice.sentence();
            assert!(sentence.ends_with('.'), "{notice}");
            // An RFC's number never changes; any other would make equal sets write different messages.
            assert!(!sentence.replace("RFC 9700", "").contains(|c: char| c.is_ascii_digit()), "{notice}");
        }
    }

    #[test]
    fn debug_shows_neither_token() {
        let token = Token {
            access_token: Secret::new("canary-access".into()),
            token_type: "Bearer".into(),
            scope: None,
            refresh_token: Some(Secret::new("canary-refresh".into())),
            issued_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH,
            declared_zero: false,
            notices: BTreeSet::new(),
        };
        assert!(!format!("{token:?}").contains("canary"));
    }
}
