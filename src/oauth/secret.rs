//! A value that must never be seen: client secrets, passwords, tokens, keys.
//! Knows how to hold text, wipe it when dropped and compare it without telling where it differs.
//! Must not know what the text means, and must never gain Debug, Display or Serialize: what cannot be printed
//! cannot leak into a log line by an innocent `{:?}` somewhere above.

use std::hint::black_box;

use zeroize::Zeroizing;

/// Confidential text, wiped from memory when dropped.
///
/// The only way to the text is [`Secret::expose`], so that a search for that word finds every use:
///
/// ```
/// use tokensource::oauth::Secret;
///
/// let secret = Secret::new("open sesame".to_owned());
/// assert_eq!(secret.expose(), "open sesame");
/// ```
///
/// It can neither be printed nor serialized, and no structure that derives Debug can hold it:
///
/// ```compile_fail,E0277
/// let secret = tokensource::oauth::Secret::new("open sesame".to_owned());
/// println!("{secret:?}");
/// ```
///
/// ```compile_fail,E0277
/// let secret = tokensource::oauth::Secret::new("open sesame".to_owned());
/// println!("{secret}");
/// ```
///
/// ```compile_fail,E0277
/// let secret = tokensource::oauth::Secret::new("open sesame".to_owned());
/// serde_json::to_string(&secret);
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over; the caller should keep no other copy.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Whoever calls this is responsible for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Secret {
    /// Takes the same time for any two texts of one length. Only the length may show in the timing.
    fn eq(&self, other: &Self) -> bool {
        let (left, right) = (self.0.as_bytes(), other.0.as_bytes());
        // black_box keeps the optimiser from stopping at the first difference.
        let difference = left.iter().zip(right).fold(0, |seen, (a, b)| black_box(seen | (a ^ b)));
        left.len() == right.len() && difference == 0
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn equality_is_that_of_the_text() {
        let cases = [
            ("", "", true),
            ("a", "", false),
            ("abc", "abc", true),
            ("abc", "abd", false),
            ("abc", "bbc", false),
            ("abc", "abcd", false),
            ("abcd", "abc", false),
            ("\u{1}\u{2}", "\u{3}\u{0}", false),
        ];
        for (left, right, equal) in cases {
            let same = Secret::new(left.to_owned()) == Secret::new(right.to_owned());
            assert_eq!(same, equal, "{left:?} and {right:?}");
        }
    }

    #[test]
    fn a_clone_holds_the_same_text() {
        let secret = Secret::new("pässwörd".to_owned());
        assert_eq!(secret.clone().expose(), "pässwörd");
    }
}
