//! The type of values that must never be shown: client secrets, passwords, tokens, keys.
//! Knows how to wipe text when it is dropped, and how to compare it in constant time.
//! Must never implement Debug, Display or Serialize, so that no `{:?}` in another module can leak a secret.

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
    /// Takes ownership of the text. The caller should keep no copy.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text. The caller is responsible for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Secret {
    /// Takes the same time for all texts of equal length, so that only the length can be measured.
    fn eq(&self, other: &Self) -> bool {
        let (left, right) = (self.0.as_bytes(), other.0.as_bytes());
        // black_box prevents the optimiser from stopping at the first difference.
        let difference = left.iter().zip(right).fold(0, |seen, (a, b)| black_box(seen | (a ^ b)));
        left.len() == right.len() && difference == 0
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn secrets_are_equal_if_their_texts_are_equal() {
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
