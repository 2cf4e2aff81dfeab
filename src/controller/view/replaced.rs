//! The replaced tokens that must be revoked: at most one for each `TokenSource`.
//!
//! These tokens are in memory only, so a restart forgets them. A namespace whose tokens take too much memory loses the
//! tokens that were used least recently. Must not decide when a token is revoked.

use chrono::{DateTime, Utc};

use crate::decide::ReplacedToken;
use crate::issue::tenant_cache::{Limits, TenantCache};
use crate::oauth::Secret;

/// Enough for nine hundred tokens of a namespace, each of two kilobytes.
const LIMITS: Limits = Limits { share: 2 << 20, total: 32 << 20 };
/// The approximate size of an entry without its token.
const ENTRY: usize = 256;

/// The replaced tokens, by the uid of the TokenSource.
pub(crate) struct ReplacedTokens(TenantCache<String, (Secret, ReplacedToken)>);

impl Default for ReplacedTokens {
    fn default() -> Self {
        Self(TenantCache::new(LIMITS))
    }
}

impl ReplacedTokens {
    /// Remembers a token in place of the one before.
    pub(crate) fn remember(
        &self,
        namespace: &str,
        uid: &str,
        token: Secret,
        replaced_token: ReplacedToken,
        now: DateTime<Utc>,
    ) {
        self.0.retain(|(_, replaced_token)| now < replaced_token.expires_at);
        let size = ENTRY + token.expose().len();
        self.0.insert(namespace, uid.to_owned(), (token, replaced_token), size);
    }

    /// The token to revoke.
    pub(crate) fn get(
        &self,
        namespace: &str,
        uid: &str,
        now: DateTime<Utc>,
    ) -> Option<(Secret, ReplacedToken)> {
        self.0.get(namespace, uid).filter(|(_, replaced_token)| now < replaced_token.expires_at)
    }

    pub(crate) fn forget(&self, namespace: &str, uid: &str) {
        self.0.remove(namespace, &uid.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn each_source_has_one_token_until_it_expires() {
        let (tokens, now) = (ReplacedTokens::default(), DateTime::UNIX_EPOCH);
        let later = now + TimeDelta::minutes(5);
        let replaced_token = ReplacedToken::until(now, TimeDelta::minutes(1), later);
        for token in ["first", "second"] {
            tokens.remember("a", "uid", secret(token), replaced_token.clone(), now);
        }
        let found =
            |namespace, now| tokens.get(namespace, "uid", now).map(|(token, _)| token.expose().to_owned());
        assert_eq!(found("a", now).as_deref(), Some("second"));
        assert_eq!((found("b", now), found("a", later)), (None, None));
        tokens.forget("a", "uid");
        assert_eq!(found("a", now), None);
    }

    #[test]
    fn tokens_of_a_namespace_are_bounded() {
        let (tokens, now) = (ReplacedTokens::default(), DateTime::UNIX_EPOCH);
        let replaced_token = ReplacedToken::until(now, TimeDelta::minutes(1), now + TimeDelta::hours(1));
        tokens.remember("quiet", "uid", secret("quiet"), replaced_token.clone(), now);
        for number in 0..100 {
            let token = secret(&"x".repeat(64 << 10));
            tokens.remember("loud", &number.to_string(), token, replaced_token.clone(), now);
        }
        assert!(tokens.0.size() <= LIMITS.share + 1024, "{} bytes", tokens.0.size());
        assert!(tokens.get("quiet", "uid", now).is_some());
        assert!(tokens.get("loud", "99", now).is_some(), "the newest");
    }
}
