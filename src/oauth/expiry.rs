//! How long a token lives, from whatever the provider says about it (`oauth.md` §c.4).
//! Knows the shapes in which servers write an expiry, and how to tell seconds, milliseconds and instants apart.
//! Pure: knows no clock but the two instants it is given. Must not know headers, bodies or where a value stood.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::DateTime;
use serde_json::Value;

use super::token::{Notice, Payload};

/// Longest life that is believed, in seconds: ten years of 365 days.
const MAX_LIFE: i64 = 10 * 365 * 24 * 3600;
/// How far, in seconds, a declared life may exceed the JWT's without a notice: rounding and latency.
const TOLERANCE: i64 = 60;
/// How far, in seconds, two clocks may differ without a notice.
const SKEW: i64 = 30;

/// `response.expiry` of the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiryRules {
    /// The life where the answer tells none (default 1 h); fractions of a second are cut off.
    pub assumed_lifetime: Duration,
    /// How to read numbers.
    pub unit: ExpiryUnit,
    /// Declared values (`expires_in` and the like) are not even looked at: for servers that mean "never" by −1.
    /// The `assumed_lifetime` is used, still shortened by a JWT's `exp`.
    pub ignore_response: bool,
}

/// How numbers that are durations are read. Numbers too large for a duration are instants in any unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ExpiryUnit {
    /// Seconds, unless the JWT's own `exp` proves that milliseconds are meant.
    #[default]
    Auto,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// The two clocks of an exchange, both in whole seconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Clocks {
    /// Ours, when the request was sent.
    pub(super) sent_at: i64,
    /// The provider's, from the `Date` header.
    pub(super) server: Option<i64>,
}

/// A life and what was odd about finding it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// 1 to 315,360,000.
    pub(super) seconds: i64,
    pub(super) notices: BTreeSet<Notice>,
    /// Nothing tells the life, but a declared value is zero.
    pub(super) declared_zero: bool,
}

/// The token had expired before it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AlreadyExpired;

/// One declared value, as far as it is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// It says nothing.
    Silent,
    /// It says something nobody understands.
    Unusable,
    /// It is negative.
    Past,
    /// It says when.
    End(End),
}

/// An end of life, rounded down to whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Seconds after the request.
    Relative(i64),
    /// Seconds since 1970 by the provider's clock.
    Absolute(i64),
}

impl Default for ExpiryRules {
    fn default() -> Self {
        Self { assumed_lifetime: Duration::from_secs(3600), unit: ExpiryUnit::Auto, ignore_response: false }
    }
}

impl Clocks {
    /// Absolute times are compared with the clock that made them, where that one is known.
    fn server_now(self) -> i64 {
        self.server.unwrap_or(self.sent_at)
    }
}

/// Finds the life, counted from [`Clocks::sent_at`]; never longer than what was declared.
///
/// `declared` holds the values of `expires_in`, `expires_at` and `expires_on` in the order in which they are asked.
pub(super) fn determine(
    declared: &[Option<&Value>],
    payload: Option<&Payload>,
    clocks: Clocks,
    rules: &ExpiryRules,
) -> Result<Life, AlreadyExpired> {
    let mut notices = BTreeSet::new();
    if clocks.server.is_some_and(|server| (server - clocks.sent_at).abs() > SKEW) {
        notices.insert(Notice::ClockSkew);
    }
    let jwt = jwt_remainder(payload, clocks);
    let mut declared_zero = false;
    let seconds = if rules.ignore_response {
        ignoring_response(jwt, rules, &mut notices)
    } else {
        match (first_usable(declared, rules.unit, &mut notices)?, jwt) {
            (Some(End::Relative(seconds)), Some(remainder)) if rules.unit == ExpiryUnit::Auto => {
                milliseconds_by_proof(seconds, remainder, &mut notices)
            }
            (Some(End::Relative(seconds)), _) => seconds,
            (Some(End::Absolute(instant)), _) => instant - clocks.server_now(),
            (None, Some(remainder)) => {
                notices.insert(Notice::ExpiryFromJWT);
                remainder
            }
            (None, None) => {
                declared_zero = declared.iter().flatten().any(|value| is_zero(value));
                assumed(rules, &mut notices)
            }
        }
    };
    let mut seconds = cross_check(seconds, jwt, clocks, &mut notices)?;
    if seconds > MAX_LIFE {
        notices.insert(Notice::Capped);
        seconds = MAX_LIFE;
    }
    if seconds <= 0 { Err(AlreadyExpired) } else { Ok(Life { seconds, notices, declared_zero }) }
}

/// The first declared value that says when; a negative one ends the search.
fn first_usable(
    declared: &[Option<&Value>],
    unit: ExpiryUnit,
    notices: &mut BTreeSet<Notice>,
) -> Result<Option<End>, AlreadyExpired> {
    for value in declared.iter().flatten() {
        match parse(value, unit) {
            Claim::Silent => {}
            Claim::Unusable => {
                notices.insert(Notice::UnusableExpiry);
            }
            Claim::Past => return Err(AlreadyExpired),
            Claim::End(end) => return Ok(Some(end)),
        }
    }
    Ok(None)
}

fn assumed(rules: &ExpiryRules, notices: &mut BTreeSet<Notice>) -> i64 {
    notices.insert(Notice::ExpiryAssumed);
    i64::try_from(rules.assumed_lifetime.as_secs()).unwrap_or(i64::MAX)
}

/// The assumed life; a JWT may shorten it to the second, for nothing else bounds it.
fn ignoring_response(jwt: Option<i64>, rules: &ExpiryRules, notices: &mut BTreeSet<Notice>) -> i64 {
    let seconds = assumed(rules, notices);
    match jwt {
        Some(remainder) if 0 < remainder && remainder < seconds => {
            notices.insert(Notice::ExpiryFromJWT);
            remainder
        }
        _ => seconds,
    }
}

/// What is left of a JWT by its own `exp`. The unit rule does not apply: RFC 7519 defines seconds, and only an
/// instant makes sense there.
fn jwt_remainder(payload: Option<&Payload>, clocks: Clocks) -> Option<i64> {
    match classify(payload?.exp?, ExpiryUnit::Auto) {
        Claim::End(End::Absolute(instant)) => Some(instant - clocks.server_now()),
        _ => None,
    }
}

/// A duration a thousand times what the JWT has left was meant in milliseconds; its size alone proves nothing, as
/// a plausible number of milliseconds is a plausible number of seconds too (60 days = 5.2e6 s).
fn milliseconds_by_proof(seconds: i64, remainder: i64, notices: &mut BTreeSet<Notice>) -> i64 {
    let reduced = seconds / 1000;
    let close = (reduced - remainder).abs() <= TOLERANCE.max(remainder / 20);
    // Where the JWT has little left (or, by a wrong clock, nothing), the tolerance alone would prove anything:
    // then half of what is left must be reached, and the cross-check deals with the rest.
    if remainder > 0 && seconds > 10 * remainder && close && reduced >= remainder / 2 {
        notices.insert(Notice::InterpretedAsMilliseconds);
        reduced
    } else {
        seconds
    }
}

/// A JWT's own end may shorten the life, never lengthen it.
fn cross_check(
    seconds: i64,
    jwt: Option<i64>,
    clocks: Clocks,
    notices: &mut BTreeSet<Notice>,
) -> Result<i64, AlreadyExpired> {
    match jwt {
        Some(remainder) if remainder <= 0 && clocks.server.is_some() => Err(AlreadyExpired),
        Some(remainder) if remainder <= 0 => {
            notices.insert(Notice::ClockSkewSuspected);
            Ok(seconds)
        }
        Some(remainder) if seconds > remainder.saturating_add(TOLERANCE) => {
            notices.insert(Notice::ExpiryMismatch);
            Ok(remainder)
        }
        _ => Ok(seconds),
    }
}

fn parse(value: &Value, unit: ExpiryUnit) -> Claim {
    match value {
        Value::Null => Claim::Silent,
        Value::Number(number) => number.as_f64().map_or(Claim::Unusable, |number| classify(number, unit)),
        Value::String(text) => parse_text(text.trim(), unit),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Claim::Unusable,
    }
}

/// Zero as a number or in digits: of a token seen before it means that nothing is left, of a new one that nobody knows.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => is_decimal(text.trim()) && text.trim().parse() == Ok(0.0),
        _ => false,
    }
}

fn parse_text(text: &str, unit: ExpiryUnit) -> Claim {
    if text.is_empty() {
        Claim::Silent
    } else if is_decimal(text.strip_prefix('-').unwrap_or(text)) {
        text.parse().map_or(Claim::Unusable, |number| classify(number, unit))
    } else {
        instant(text).map_or(Claim::Unusable, |instant| Claim::End(End::Absolute(instant)))
    }
}

/// `digits[.digits]`, at most 20 characters: what servers write, and none of the other forms Rust would parse.
fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 20
        && match text.split_once('.') {
            Some((whole, fraction)) => digits(whole) && digits(fraction),
            None => digits(text),
        }
}

/// RFC 3339 with an offset, the same with an offset without colon, or an HTTP date (RFC 9110 §5.6.7). A time
/// without any offset is nobody's guess.
fn instant(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .map(|instant| instant.timestamp())
        .ok()
        .or_else(|| http_date(text))
}

/// An HTTP date in any of its three forms, as seconds since 1970.
pub(super) fn http_date(text: &str) -> Option<i64> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// Tells durations from instants by size: 1e9 s are 31.7 years, never a life; 1e11 s lie in the year 5138, never
/// an instant.
#[expect(
    clippy::cast_possible_truncation,
    reason = "every cast is of a number below 1e14, and rounding down is meant"
)]
fn classify(number: f64, unit: ExpiryUnit) -> Claim {
    if !number.is_finite() || number >= 1e14 {
        Claim::Unusable
    } else if number < 0.0 {
        Claim::Past
    } else if number == 0.0 {
        Claim::Silent
    } else if unit == ExpiryUnit::Milliseconds && number < 1e11 {
        Claim::End(End::Relative(number as i64 / 1000))
    } else if number < 1e9 {
        Claim::End(End::Relative(number as i64))
    } else if number < 1e11 {
        Claim::End(End::Absolute(number as i64))
    } else {
        Claim::End(End::Absolute(number as i64 / 1000))
    }
}

#[cfg(test)]
mod tests;
