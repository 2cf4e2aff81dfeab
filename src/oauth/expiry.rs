//! Determines the lifetime of a token from what the provider says about it.
//! Knows the forms in which servers write an expiry, and how to distinguish seconds, milliseconds and instants.
//! Pure: the instants are arguments. Must not know headers, bodies, or which member a value is from.

use std::collections::BTreeSet;

use chrono::DateTime;
use serde_json::Value;

use super::token::{JwtPayload, Notice};
use crate::api::{ExpirySettings, ExpiryUnit};

/// The longest lifetime that is accepted, in seconds: ten years of 365 days.
const MAX_LIFETIME: i64 = 10 * 365 * 24 * 3600;
/// How far, in seconds, a declared lifetime may exceed the JWT's lifetime without a notice, because of rounding and latency.
const TOLERANCE: i64 = 60;
/// How far, in seconds, the two clocks may differ without a notice.
const SKEW: i64 = 30;

/// The two clocks of a request, in whole seconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Clocks {
    /// The local clock when the request was sent.
    pub(super) sent_at: i64,
    /// The provider's clock, from the `Date` header.
    pub(super) server: Option<i64>,
}

/// The lifetime of a token, and notices about how it was determined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    /// 1 to 315,360,000.
    pub(super) seconds: i64,
    pub(super) notices: BTreeSet<Notice>,
    /// The lifetime is assumed, but the response declares zero.
    pub(super) declared_zero: bool,
}

/// The token had expired before it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AlreadyExpired;

/// The meaning of one declared value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Declared {
    /// Null, empty or zero, which does not give a lifetime.
    Nothing,
    /// A value in an unknown form.
    Unusable,
    /// A negative value.
    Past,
    /// A usable expiry.
    Expiry(Expiry),
}

/// An expiry, rounded down to whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    /// Seconds after the request.
    Relative(i64),
    /// Seconds since 1970 by the provider's clock.
    Absolute(i64),
}

impl Clocks {
    /// The clock with which absolute times are compared: the provider's, or the local clock if the provider's is unknown.
    fn server_now(self) -> i64 {
        self.server.unwrap_or(self.sent_at)
    }
}

/// Determines the lifetime, counted from [`Clocks::sent_at`]. Unless the settings ignore the response, the result is never
/// longer than the first usable declared value.
///
/// `declared` holds the values of `expires_in`, `expires_at` and `expires_on`, in the order of precedence.
pub(super) fn determine(
    declared: &[Option<&Value>],
    payload: Option<&JwtPayload>,
    clocks: Clocks,
    settings: &ExpirySettings,
) -> Result<Lifetime, AlreadyExpired> {
    let mut notices = BTreeSet::new();
    if clocks.server.is_some_and(|server| (server - clocks.sent_at).abs() > SKEW) {
        notices.insert(Notice::ClockSkew);
    }
    let jwt = jwt_remainder(payload, clocks);
    let mut declared_zero = false;
    let seconds = if settings.ignore_response {
        ignoring_response(jwt, settings, &mut notices)
    } else {
        match (first_usable(declared, settings.unit, &mut notices)?, jwt) {
            (Some(Expiry::Relative(seconds)), Some(remainder)) if settings.unit == ExpiryUnit::Auto => {
                milliseconds_by_proof(seconds, remainder, &mut notices)
            }
            (Some(Expiry::Relative(seconds)), _) => seconds,
            (Some(Expiry::Absolute(instant)), _) => instant - clocks.server_now(),
            (None, Some(remainder)) => {
                notices.insert(Notice::ExpiryFromJWT);
                remainder
            }
            (None, None) => {
                declared_zero = declared.iter().flatten().any(|value| is_zero(value));
                assumed(settings, &mut notices)
            }
        }
    };
    let mut seconds = cross_check(seconds, jwt, clocks, &mut notices)?;
    if seconds > MAX_LIFETIME {
        notices.insert(Notice::Capped);
        seconds = MAX_LIFETIME;
    }
    if seconds <= 0 { Err(AlreadyExpired) } else { Ok(Lifetime { seconds, notices, declared_zero }) }
}

/// The first usable declared value. A negative value ends the search.
fn first_usable(
    declared: &[Option<&Value>],
    unit: ExpiryUnit,
    notices: &mut BTreeSet<Notice>,
) -> Result<Option<Expiry>, AlreadyExpired> {
    for value in declared.iter().flatten() {
        match parse(value, unit) {
            Declared::Nothing => {}
            Declared::Unusable => {
                notices.insert(Notice::UnusableExpiry);
            }
            Declared::Past => return Err(AlreadyExpired),
            Declared::Expiry(expiry) => return Ok(Some(expiry)),
        }
    }
    Ok(None)
}

fn assumed(settings: &ExpirySettings, notices: &mut BTreeSet<Notice>) -> i64 {
    notices.insert(Notice::ExpiryAssumed);
    assumed_seconds(settings)
}

fn assumed_seconds(settings: &ExpirySettings) -> i64 {
    i64::try_from(settings.assumed_lifetime().as_secs()).unwrap_or(i64::MAX)
}

/// The assumed lifetime, or the JWT's lifetime if that is shorter, even by less than [`TOLERANCE`]: no declared value confirms
/// the assumption.
fn ignoring_response(jwt: Option<i64>, settings: &ExpirySettings, notices: &mut BTreeSet<Notice>) -> i64 {
    let seconds = assumed_seconds(settings);
    match jwt {
        Some(remainder) if 0 < remainder && remainder < seconds => {
            notices.insert(Notice::ExpiryFromJWT);
            remainder
        }
        _ => assumed(settings, notices),
    }
}

/// How long a JWT is still valid by its `exp`. The unit setting does not apply, because `exp` is an instant and RFC 7519
/// defines its unit.
fn jwt_remainder(payload: Option<&JwtPayload>, clocks: Clocks) -> Option<i64> {
    match classify(payload?.exp?, ExpiryUnit::Auto) {
        Declared::Expiry(Expiry::Absolute(instant)) => Some(instant - clocks.server_now()),
        _ => None,
    }
}

/// Reads a lifetime as milliseconds if it is about a thousand times the JWT's lifetime. The size of the number alone proves
/// nothing, because a plausible number of milliseconds is also a plausible number of seconds (60 days = 5.2e6 s).
fn milliseconds_by_proof(seconds: i64, remainder: i64, notices: &mut BTreeSet<Notice>) -> i64 {
    let reduced = seconds / 1000;
    let close = (reduced - remainder).abs() <= TOLERANCE.max(remainder / 20);
    // If the JWT is valid for less than the tolerance (or, by a wrong clock, not at all), most numbers of seconds would be
    // close. So at least half of the JWT's lifetime is required, and the cross-check handles the other cases.
    if remainder > 0 && seconds > 10 * remainder && close && reduced >= remainder / 2 {
        notices.insert(Notice::InterpretedAsMilliseconds);
        reduced
    } else {
        seconds
    }
}

/// The expiry of a JWT may shorten the lifetime, but never extend it.
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

fn parse(value: &Value, unit: ExpiryUnit) -> Declared {
    match value {
        Value::Null => Declared::Nothing,
        Value::Number(number) => number.as_f64().map_or(Declared::Unusable, |number| classify(number, unit)),
        Value::String(text) => parse_text(text.trim(), unit),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Declared::Unusable,
    }
}

/// Whether a value is zero, as a number or as text. For a token that was seen before, zero means that it has expired; for a
/// new token, that its lifetime is unknown.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => is_decimal(text.trim()) && text.trim().parse() == Ok(0.0),
        _ => false,
    }
}

fn parse_text(text: &str, unit: ExpiryUnit) -> Declared {
    if text.is_empty() {
        Declared::Nothing
    } else if is_decimal(text.strip_prefix('-').unwrap_or(text)) {
        text.parse().map_or(Declared::Unusable, |number| classify(number, unit))
    } else {
        instant(text).map_or(Declared::Unusable, |instant| Declared::Expiry(Expiry::Absolute(instant)))
    }
}

/// Whether the text is `digits[.digits]` of at most 20 characters. Excludes other forms that Rust's parser accepts.
fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 20
        && match text.split_once('.') {
            Some((whole, fraction)) => digits(whole) && digits(fraction),
            None => digits(text),
        }
}

/// Parses RFC 3339, with or without a colon in the offset, or an HTTP date (RFC 9110 §5.6.7), which is always in UTC. A time
/// in the form of RFC 3339 without an offset is ambiguous and not accepted.
fn instant(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .map(|instant| instant.timestamp())
        .ok()
        .or_else(|| http_date(text))
}

/// Parses an HTTP date in any of its three forms, as seconds since 1970.
pub(super) fn http_date(text: &str) -> Option<i64> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// Distinguishes durations from instants by size: 1e9 s are 31.7 years, which is no lifetime; 1e11 s since 1970 are the year
/// 5138, so larger numbers are milliseconds. If the unit is milliseconds, numbers below 1e12 are lifetimes: as instants they
/// would lie before September 2001.
#[expect(
    clippy::cast_possible_truncation,
    reason = "every cast is of a number below 1e14, and rounding down is meant"
)]
fn classify(number: f64, unit: ExpiryUnit) -> Declared {
    if !number.is_finite() || number >= 1e14 {
        Declared::Unusable
    } else if number < 0.0 {
        Declared::Past
    } else if number == 0.0 {
        Declared::Nothing
    } else if unit == ExpiryUnit::Milliseconds && number < 1e12 {
        Declared::Expiry(Expiry::Relative(number as i64 / 1000))
    } else if unit == ExpiryUnit::Minutes && number < 1e9 {
        Declared::Expiry(Expiry::Relative((number * 60.0) as i64))
    } else if number < 1e9 {
        Declared::Expiry(Expiry::Relative(number as i64))
    } else if number < 1e11 {
        Declared::Expiry(Expiry::Absolute(number as i64))
    } else {
        Declared::Expiry(Expiry::Absolute(number as i64 / 1000))
    }
}

#[cfg(test)]
mod tests;
