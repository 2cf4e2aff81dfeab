//! What a provider's words must pass before a person sees them (`oauth.md` §d.6).
//! Knows the few shapes that may be shown and how a credential can hide in them: raw, percent-encoded, in base64.
//! Must not know what the words mean. When in doubt a text is dropped: the status and our own sentence remain.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use reqwest::header::HeaderMap;

/// Longest error code and correlation id, in characters.
const MAX_WORD: usize = 64;
/// Longest description shown, in characters.
const MAX_DESCRIPTION: usize = 200;
/// How far a text is searched for credentials: further than it is shown, so that one cut in half is still found.
const SEARCHED: usize = 4 * MAX_DESCRIPTION;
/// A piece of a credential this long gives it away; shorter credentials are looked for whole.
const FRAGMENT: usize = 8;
/// Credentials shorter than this are looked for as whole words: they stand within innocent words, too.
const WITHIN_WORDS: usize = 6;
/// Still shorter ones are not looked for: a letter or two stand in every text, and are guessed sooner than read.
const SHORTEST: usize = 3;

/// Headers in which providers name a request, the most common first (Entra, Cloudflare after it).
const CORRELATION_HEADERS: [&str; 3] = ["x-request-id", "x-ms-request-id", "cf-ray"];

/// Base64 cut out of running text: padding may be there or not, and the last bits may be anybody's.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The credentials of one exchange, which nothing shown may contain. A text is searched in time proportional to its own
/// length and to that of all credentials together.
pub(super) struct Screen<'a> {
    confidential: Vec<&'a str>,
}

impl<'a> Screen<'a> {
    /// Texts of a letter or two are no credentials.
    pub(super) fn new(confidential: impl IntoIterator<Item = &'a str>) -> Self {
        Self { confidential: confidential.into_iter().filter(|text| text.len() >= SHORTEST).collect() }
    }

    /// An error code, if it has the form of one.
    pub(super) fn code(&self, text: &str) -> Option<String> {
        (is_word(text, b" _.:-") && self.passes(text)).then(|| text.to_owned())
    }

    /// An explanation: control characters (Entra sends CR LF) become spaces, other characters outside printable
    /// ASCII question marks, and the rest is cut off.
    pub(super) fn description(&self, text: &str) -> Option<String> {
        let searched: String = text.chars().take(SEARCHED).collect();
        let cleaned: String = searched.chars().map(printable).collect();
        let line = cleaned.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() || !self.passes(&searched) || !self.passes(&line) {
            return None;
        }
        Some(line.chars().take(MAX_DESCRIPTION).collect())
    }

    /// The provider's own id for the request, by which its support can find it.
    pub(super) fn correlation(&self, headers: &HeaderMap) -> Option<String> {
        CORRELATION_HEADERS
            .iter()
            .filter_map(|name| headers.get(*name)?.to_str().ok())
            .find(|id| is_word(id, b"_.:/+=-") && self.passes(id))
            .map(str::to_owned)
    }

    fn passes(&self, text: &str) -> bool {
        let readings = readings(text);
        let pieces = Pieces::of(&readings);
        !self.confidential.iter().any(|secret| match secret.len() {
            FRAGMENT.. => pieces.contain_any_of(secret),
            length => readings.iter().any(|reading| contains(reading, secret, length < WITHIN_WORDS)),
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

/// Everything a person with a decoder could make of a text, in lower case.
fn readings(text: &str) -> Vec<Vec<u8>> {
    let mut readings = vec![text.as_bytes().to_vec()];
    // As a form value, where `+` is a space, and as a path, where it is itself.
    for form in [text.replace('+', " "), text.to_owned()] {
        readings.push(percent_decoded(&form));
    }
    let encoded: Vec<Vec<u8>> = readings.iter().flat_map(|reading| base64_decoded(reading)).collect();
    readings.extend(encoded);
    for reading in &mut readings {
        reading.make_ascii_lowercase();
    }
    readings
}

fn percent_decoded(text: &str) -> Vec<u8> {
    // The form decoder splits at `&` and `=` and turns `+` into a space: hide them from it.
    let hidden = text.replace('&', "%26").replace('=', "%3D").replace('+', "%2B");
    form_urlencoded::parse(hidden.as_bytes()).flat_map(|(name, _)| name.into_owned().into_bytes()).collect()
}

/// Decodes every run of base64 at each of its four phases, for a credential rarely starts where the run does.
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
    // A single character beyond the last group of four holds no whole byte, and the decoder refuses it.
    let whole = if run.len() % 4 == 1 { run.split_last()?.1 } else { run };
    BASE64.decode(whole).ok()
}

/// All pieces of [`FRAGMENT`] bytes of some texts, each as a number.
struct Pieces {
    exact: HashSet<u64>,
    /// A bit for each piece's hash. Most pieces of a long credential are found missing here, without a look-up.
    filter: Vec<bool>,
}

impl Pieces {
    fn of(texts: &[Vec<u8>]) -> Self {
        let exact: HashSet<u64> = texts.iter().flat_map(|text| pieces(text.iter().copied())).collect();
        let mut filter = vec![false; 1 << FILTER_BITS];
        for piece in &exact {
            if let Some(bit) = filter.get_mut(filter_index(*piece)) {
                *bit = true;
            }
        }
        Self { exact, filter }
    }

    fn contain_any_of(&self, secret: &str) -> bool {
        pieces(secret.bytes().map(|byte| byte.to_ascii_lowercase())).any(|piece| {
            self.filter.get(filter_index(piece)).copied().unwrap_or_default() && self.exact.contains(&piece)
        })
    }
}

/// So many bits of a piece's hash choose its place in the filter.
const FILTER_BITS: u32 = 16;

fn filter_index(piece: u64) -> usize {
    // The golden ratio spreads the pieces (Knuth's multiplicative hash).
    usize::try_from(piece.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - FILTER_BITS))
        .unwrap_or_default()
}

/// Every run of [`FRAGMENT`] bytes, as the number that they make.
fn pieces(text: impl Iterator<Item = u8>) -> impl Iterator<Item = u64> {
    text.scan(0_u64, |piece, byte| {
        *piece = (*piece << 8) | u64::from(byte);
        Some(*piece)
    })
    .skip(FRAGMENT - 1)
}

/// Whether the secret stands in the text; with `whole` only where no letter or digit touches it.
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
