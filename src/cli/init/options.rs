//! The options of curl: those that shape the manifests, those that do not, and those that cannot be used. Knows names and
//! effects. Must not know a value.

use super::error::LineError;

/// The effect of an option.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    Method,
    Data,
    RawData,
    EncodedData,
    Json,
    Header,
    UserAgent,
    Bearer,
    User,
    Get,
    Url,
    Certificate,
    Authority,
    Insecure,
    /// A flag without an effect on the manifests.
    Flag,
    /// An option with a value, without an effect on the manifests.
    Value,
    /// An option with a value, without an effect on the manifests, which the output mentions.
    LeftOut,
    Refused(&'static str),
}
use Effect::{Flag, LeftOut, Refused, Value};

const FORM: &str = "it sends multipart/form-data, which is no format of a token request: try -d in its place, and ask the \
                    provider which of application/x-www-form-urlencoded and JSON it accepts";
const ONE_CALL: &str = "it begins a second request: give the line of the token request alone";
const SCHEME: &str = "this way to authenticate is not one of OAuth: see the methods of clientAuthentication in \
                      docs/reference.md";
pub(super) const FILE: &str = "it reads a file of your machine: write its content into the line";

/// Long name, short name, effect.
const OPTIONS: &[(&str, &str, Effect)] = &[
    ("request", "X", Effect::Method),
    ("data", "d", Effect::Data),
    ("data-ascii", "", Effect::Data),
    ("data-binary", "", Effect::Data),
    ("data-raw", "", Effect::RawData),
    ("data-urlencode", "", Effect::EncodedData),
    ("json", "", Effect::Json),
    ("header", "H", Effect::Header),
    ("user-agent", "A", Effect::UserAgent),
    ("oauth2-bearer", "", Effect::Bearer),
    ("user", "u", Effect::User),
    ("get", "G", Effect::Get),
    ("url", "", Effect::Url),
    ("cert", "E", Effect::Certificate),
    ("cacert", "", Effect::Authority),
    ("capath", "", Effect::Authority),
    ("insecure", "k", Effect::Insecure),
    ("form", "F", Refused(FORM)),
    ("form-string", "", Refused(FORM)),
    ("next", ":", Refused(ONE_CALL)),
    ("config", "K", Refused(FILE)),
    ("netrc", "n", Refused(FILE)),
    ("netrc-file", "", Refused(FILE)),
    ("upload-file", "T", Refused(FILE)),
    ("digest", "", Refused(SCHEME)),
    ("ntlm", "", Refused(SCHEME)),
    ("negotiate", "", Refused(SCHEME)),
    ("aws-sigv4", "", Refused(SCHEME)),
    ("head", "I", Refused("it sends HEAD, which no token endpoint answers with a token: leave it out")),
    ("cookie", "b", LeftOut),
    ("proxy", "x", LeftOut),
    ("proxy-user", "U", LeftOut),
    ("resolve", "", LeftOut),
    ("connect-to", "", LeftOut),
    ("key", "", Value),
    ("pass", "", Value),
    ("cert-type", "", Value),
    ("key-type", "", Value),
    ("ciphers", "", Value),
    ("tls-max", "", Value),
    ("max-time", "m", Value),
    ("connect-timeout", "", Value),
    ("output", "o", Value),
    ("write-out", "w", Value),
    ("dump-header", "D", Value),
    ("cookie-jar", "c", Value),
    ("referer", "e", Value),
    ("retry", "", Value),
    ("retry-delay", "", Value),
    ("retry-max-time", "", Value),
    ("max-redirs", "", Value),
    ("noproxy", "", Value),
    ("interface", "", Value),
    ("limit-rate", "", Value),
    ("proto", "", Value),
    ("stderr", "", Value),
    ("trace", "", Value),
    ("trace-ascii", "", Value),
    ("silent", "s", Flag),
    ("show-error", "S", Flag),
    ("verbose", "v", Flag),
    ("include", "i", Flag),
    ("location", "L", Flag),
    ("location-trusted", "", Flag),
    ("fail", "f", Flag),
    ("fail-with-body", "", Flag),
    ("fail-early", "", Flag),
    ("globoff", "g", Flag),
    ("compressed", "", Flag),
    ("progress-bar", "#", Flag),
    ("progress-meter", "", Flag),
    ("buffer", "N", Flag),
    ("remote-name", "O", Flag),
    ("remote-header-name", "J", Flag),
    ("disable", "q", Flag),
    ("basic", "", Flag),
    ("anyauth", "", Flag),
    ("http1.0", "0", Flag),
    ("http1.1", "", Flag),
    ("http2", "", Flag),
    ("http2-prior-knowledge", "", Flag),
    ("http3", "", Flag),
    ("tlsv1", "1", Flag),
    ("tlsv1.2", "", Flag),
    ("tlsv1.3", "", Flag),
    ("ssl-reqd", "", Flag),
    ("ssl-no-revoke", "", Flag),
    ("ipv4", "4", Flag),
    ("ipv6", "6", Flag),
    ("keepalive", "", Flag),
    ("alpn", "", Flag),
    ("sessionid", "", Flag),
    ("tcp-nodelay", "", Flag),
    ("retry-all-errors", "", Flag),
    ("retry-connrefused", "", Flag),
    ("path-as-is", "", Flag),
    ("raw", "", Flag),
    ("styled-output", "", Flag),
];

impl Effect {
    pub(super) fn takes_value(self) -> bool {
        !matches!(self, Effect::Get | Effect::Insecure | Effect::Flag | Effect::Refused(_))
    }
}

/// The option with this long name.
pub(super) fn long_option(name: &str) -> Result<(&'static str, Effect), LineError> {
    let find = |name: &str| OPTIONS.iter().find(|(long, ..)| *long == name);
    let negated =
        || name.strip_prefix("no-").and_then(find).filter(|(.., effect)| matches!(effect, Effect::Flag));
    if let Some((known, _, effect)) = find(name).or_else(negated) {
        return Ok((known, *effect));
    }
    // A word that only looks like an option may be part of a secret, so only plausible names are repeated.
    let plausible =
        name.len() <= 24 && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
    Err(unknown(&if plausible { format!("--{name}") } else { "one that begins with --".to_owned() }))
}

/// The option with this letter.
pub(super) fn short_option(letter: char) -> Result<(&'static str, Effect), LineError> {
    let mut text = [0; 4];
    let text: &str = letter.encode_utf8(&mut text);
    let found = OPTIONS.iter().find(|(_, short, _)| *short == text);
    found
        .map(|(known, _, effect)| (*known, *effect))
        .ok_or_else(|| unknown(&format!("-{}", letter.escape_default())))
}

fn unknown(option: &str) -> LineError {
    LineError::new(format!(
        "the option {option} is not known here: leave it out if the request is the same without it"
    ))
}
