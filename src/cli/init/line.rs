//! The request of a curl command, read from its words. Knows curl's options. Must not know OAuth. Its types hold secrets and
//! therefore have no Debug.

use super::error::LineError;
use super::options::{Effect, FILE, long_option, short_option};

/// The request that curl would send.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools)] // flags of a command line
pub(super) struct Call {
    pub(super) method: Option<String>,
    pub(super) url: String,
    /// Names and values, in order.
    pub(super) headers: Vec<(String, String)>,
    pub(super) data: Vec<Data>,
    /// `-G`: the data goes into the query.
    pub(super) get: bool,
    /// `-u`.
    pub(super) user: Option<String>,
    pub(super) certificate: bool,
    pub(super) authority: bool,
    pub(super) insecure: bool,
    /// Options without a counterpart in a manifest, which the output mentions.
    pub(super) left_out: Vec<&'static str>,
}

/// A part of the body.
pub(super) enum Data {
    /// Sent unchanged.
    Plain(String),
    /// A parameter whose value curl encodes.
    Parameter { name: String, value: String },
}

/// Reads a curl command.
pub(super) fn read(words: Vec<String>) -> Result<Call, LineError> {
    let mut words = words.into_iter().skip_while(|word| word == "$").peekable();
    let program = words.next().unwrap_or_default();
    let program = program.rsplit(['/', '\\']).next().unwrap_or_default();
    if program != "curl" && program != "curl.exe" {
        return Err(LineError::new(
            "it does not begin with curl: give the whole line, in single quotes or with --from-curl -",
        ));
    }
    let mut call = Call::default();
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--").filter(|name| !name.is_empty()) {
            let (name, attached) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let (known, effect) = long_option(name)?;
            let value = if effect.takes_value() { attached.or_else(|| words.next()) } else { None };
            call.apply(&format!("--{known}"), known, effect, value)?;
        } else if let Some(letters) =
            word.strip_prefix('-').filter(|letters| !letters.is_empty() && word != "--")
        {
            let mut rest = letters;
            while let Some(letter) = rest.chars().next() {
                rest = rest.get(letter.len_utf8()..).unwrap_or_default();
                let (known, effect) = short_option(letter)?;
                let mut value = None;
                if effect.takes_value() {
                    value = Some(rest.to_owned()).filter(|rest| !rest.is_empty()).or_else(|| words.next());
                    rest = "";
                }
                call.apply(&format!("-{letter}"), known, effect, value)?;
            }
        } else if word != "--" {
            call.set_url(word)?;
        }
    }
    if call.url.is_empty() {
        return Err(LineError::new("it has no URL: add the URL of the token endpoint"));
    }
    Ok(call)
}

impl Call {
    fn apply(
        &mut self,
        written: &str,
        known: &'static str,
        effect: Effect,
        value: Option<String>,
    ) -> Result<(), LineError> {
        let value = match value {
            None if effect.takes_value() => {
                return Err(LineError::new(format!(
                    "the option {written} has no value: copy the whole line"
                )));
            }
            value => value.unwrap_or_default(),
        };
        match effect {
            Effect::Method => self.method = Some(value),
            Effect::Data => {
                if value.starts_with('@') {
                    return Err(LineError::new(format!("the option {written} {FILE}")));
                }
                self.data.push(Data::Plain(value));
            }
            Effect::RawData => self.data.push(Data::Plain(value)),
            Effect::EncodedData => self.data.push(encoded(written, value)?),
            Effect::Json => {
                if value.starts_with('@') {
                    return Err(LineError::new(format!("the option {written} {FILE}")));
                }
                self.data.push(Data::Plain(value));
                self.headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
            }
            Effect::Header => self.header(&value)?,
            Effect::UserAgent => self.headers.push(("User-Agent".to_owned(), value)),
            Effect::Bearer => self.headers.push(("Authorization".to_owned(), format!("Bearer {value}"))),
            Effect::User => self.user = Some(value),
            Effect::Get => self.get = true,
            Effect::Url => self.set_url(value)?,
            Effect::Certificate => self.certificate = true,
            Effect::Authority => self.authority = true,
            Effect::Insecure => self.insecure = true,
            Effect::Flag | Effect::Value => {}
            Effect::LeftOut => self.left_out.push(known),
            Effect::Refused(why) => {
                return Err(LineError::new(format!("the option {written} cannot be used: {why}")));
            }
        }
        Ok(())
    }

    fn header(&mut self, text: &str) -> Result<(), LineError> {
        if text.starts_with('@') {
            return Err(LineError::new(format!("the option -H {FILE}")));
        }
        // `Name:` removes a header that curl adds, and `Name;` sends an empty header. Both are ignored.
        let Some((name, value)) = text.split_once(':') else {
            return if text.ends_with(';') {
                Ok(())
            } else {
                Err(LineError::new("a header in it has no colon: write -H 'Name: value'"))
            };
        };
        if !value.trim().is_empty() {
            self.headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        Ok(())
    }

    fn set_url(&mut self, url: String) -> Result<(), LineError> {
        if !self.url.is_empty() {
            return Err(LineError::new(
                "it has two URLs, or a word that belongs to no option: check the quotes of the line",
            ));
        }
        self.url = url;
        Ok(())
    }
}

/// The forms of `--data-urlencode`: `content`, `=content`, `name=content`, `@file`, `name@file`.
fn encoded(written: &str, value: String) -> Result<Data, LineError> {
    match value.find(['=', '@']).and_then(|at| value.split_at_checked(at)) {
        Some((_, rest)) if rest.starts_with('@') => {
            Err(LineError::new(format!("the option {written} {FILE}")))
        }
        Some((name, rest)) => Ok(Data::Parameter {
            name: name.to_owned(),
            value: rest.strip_prefix('=').unwrap_or_default().to_owned(),
        }),
        None => Ok(Data::Plain(value)),
    }
}
