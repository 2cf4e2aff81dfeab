//! Decides which texts of a provider's response people may see.
//! Knows the forms of text that may be shown, and the encodings in which a credential can be hidden: raw, percent-encoded,
//! base64. Must not know what a text means. A doubtful text is dropped; the HTTP status and the controller's own message
//! remain.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use reqwest::header::HeaderMap;

/// Longest error code and correlation id, in characters.
const MAX_WORD: usize = 64;
/// Longest description shown, in characters.
const MAX_DESCRIPTION: usize = 200;
/// How many characters of a description are searched for credentials: more than are shown, so that a credential which is
/// cut off at the end is still found.
const SEARCHED: usize = 4 * MAX_DESCRIPTION;
/// A fragment of this many bytes reveals a credential. Shorter credentials are searched for as a whole.
const FRAGMENT: usize = 8;
/// Credentials shorter than this are searched for as whole words only, because they occur inside ordinary words.
const WITHIN_WORDS: usize = 6;
/// Credentials shorter than this are not searched for, because one or two letters occur in every text.
const SHORTEST: usize = 3;

/// Headers in which providers send an id of the request, the most common first.
const CORRELATION_HEADERS: [&str; 3] = ["x-request-id", "x-ms-request-id", "cf-ray"];

/// Base64 inside running text: padding is optional, and the last bits may belong to the following text.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Withholds texts that contain a credential of the request. A search takes time proportional to the length of the text plus
/// the length of all credentials of at least [`FRAGMENT`] bytes. Each shorter credential costs another pass over the text.
pub(super) struct Redactor<'a> {
    confidential: Vec<&'a str>,
}

impl<'a> Redactor<'a> {
    /// Ignores credentials that are too short to be searched for.
    pub(super) fn new(confidential: impl IntoIterator<Item = &'a str>) -> Self {
        Self { confidential: confidential.into_iter().filter(|text| text.len() >= SHORTEST).collect() }
    }

    /// The error code, if it has the form of an error code.
    pub(super) fn code(&self, text: &str) -> Option<String> {
        (is_word(text, b" _.:-") && self.is_clean(text)).then(|| text.to_owned())
    }

    /// The description as one line: control characters become spaces (Entra sends CR LF), other characters outside printable
    /// ASCII become question marks, and the end is cut off.
    pub(super) fn description(&self, text: &str) -> Option<String> {
        let searched: String = text.chars().take(SEARCHED).collect();
        let cleaned: String = searched.chars().map(printable).collect();
        let line = cleaned.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() || !self.is_clean(&searched) || !self.is_clean(&line) {
            return None;
        }
        Some(line.chars().take(MAX_DESCRIPTION).collect())
    }

    /// The provider's id of the request, by which the provider's support can find the request.
    pub(super) fn correlation(&self, headers: &HeaderMap) -> Option<String> {
        CORRELATION_HEADERS
            .iter()
            .filter_map(|name| headers.get(*name)?.to_str().ok())
            .find(|id| is_word(id, b"_.:/+=-") && self.is_clean(id))
            .map(str::to_owned)
    }

    fn is_clean(&self, text: &str) -> bool {
        let decodings = decodings(text);
        let fragments = Fragments::of(&decodings);
        !self.confidential.iter().any(|secret| match secret.len() {
            FRAGMENT.. => fragments.contain_any_of(secret),
            length => decodings.iter().any(|decoding| contains(decoding, secret, length < WITHIN_WORDS)),
        })
    }
}

fn is_word(text: &str, punctuation: &[u8]) -> bool {
    (1..=MAX_WORD).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || punctuation.contains(&byte))
}

fn printable(character: char) -> char {
    match character {
        ' '..='~' => character,
        _ if character.is_control() => ' ',
        _ => '?',
    }
}

/// The text, its percent-decoded forms, and everything to which base64 in these decodes, in lower case.
fn decodings(text: &str) -> Vec<Vec<u8>> {
    let mut decodings = vec![text.as_bytes().to_vec()];
    // The text is decoded as a form value, in which `+` is a space, and as a path, in which `+` is a plus.
    for form in [text.replace('+', " "), text.to_owned()] {
        decodings.push(percent_decoded(&form));
    }
    let from_base64: Vec<Vec<u8>> = decodings.iter().flat_map(|decoding| base64_decoded(decoding)).collect();
    decodings.extend(from_base64);
    for decoding in &mut decodings {
        decoding.make_ascii_lowercase();
    }
    decodings
}

fn percent_decoded(text: &str) -> Vec<u8> {
    // The form decoder splits at `&` and `=` and turns `+` into a space, so these are escaped first.
    let escaped = text.replace('&', "%26").replace('=', "%3D").replace('+', "%2B");
    form_urlencoded::parse(escaped.as_bytes()).flat_map(|(name, _)| name.into_owned().into_bytes()).collect()
}

/// Decodes every run of base64 at each of its four phases, because a credential rarely begins where the run begins.
fn base64_decoded(text: &[u8]) -> Vec<Vec<u8>> {
    let standard: Vec<u8> = text
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    standard
        .split(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'/'))
        .flat_map(|run| (0..4).filter_map(|phase| decode_run(run.get(phase..)?)))
        .collect()
}

fn decode_run(run: &[u8]) -> Option<Vec<u8>> {
    // A single character after the last group of four holds no whole byte, and the decoder would refuse it.
    let whole = if run.len() % 4 == 1 { run.split_last()?.1 } else { run };
    BASE64.decode(whole).ok()
}

/// All fragments of [`FRAGMENT`] bytes of some texts, each as a number.
struct Fragments {
    exact: HashSet<u64>,
    /// One bit for each hash. Most fragments of a long credential are ruled out here, without a look-up in `exact`.
    filter: Vec<bool>,
}

impl Fragments {
    fn of(texts: &[Vec<u8>]) -> Self {
        let exact: HashSet<u64> = texts.iter().flat_map(|text| fragments(text.iter().copied())).collect();
        let mut filter = vec![false; 1 << FILTER_BITS];
        for fragment in &exact {
            if let Some(bit) = filter.get_mut(filter_index(*fragment)) {
                *bit = true;
            }
        }
        Self { exact, filter }
    }

    fn contain_any_of(&self, secret: &str) -> bool {
        fragments(secret.bytes().map(|byte| byte.to_ascii_lowercase())).any(|fragment| {
            let may_contain = self.filter.get(filter_index(fragment)).copied().unwrap_or_default();
            may_contain && self.exact.contains(&fragment)
        })
    }
}

/// How many bits of a fragment's hash select its bit in the filter.
const FILTER_BITS: u32 = 16;

fn filter_index(fragment: u64) -> usize {
    // Multiplying by the golden ratio distributes the fragments evenly (Knuth's multiplicative hash).
    usize::try_from(fragment.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - FILTER_BITS))
        .unwrap_or_default()
}

/// Every run of [`FRAGMENT`] bytes, as a number.
fn fragments(text: impl Iterator<Item = u8>) -> impl Iterator<Item = u64> {
    text.scan(0_u64, |fragment, byte| {
        *fragment = (*fragment << 8) | u64::from(byte);
        Some(*fragment)
    })
    .skip(FRAGMENT - 1)
}

/// Whether the text contains the secret; with `whole`, only where no letter or digit is next to it.
fn contains(text: &[u8], secret: &str, whole: bool) -> bool {
    let secret = secret.to_ascii_lowercase().into_bytes();
    let touches = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    text.windows(secret.len()).enumerate().any(|(start, piece)| {
        let before = start.checked_sub(1).and_then(|place| text.get(place));
        piece == secret && !(whole && (touches(before) || touches(text.get(start + secret.len()))))
    })
}

#[cfg(test)]
mod tests;
