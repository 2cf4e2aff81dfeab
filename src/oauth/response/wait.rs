//! How long a provider asks to be left alone.
//! Knows `Retry-After` (RFC 9110 §10.2.3) and the reset headers of Auth0 and Okta. Must not know what the schedule
//! makes of it.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::oauth::expiry::{Clocks, http_date};

/// What a wait is held between, in seconds: none must be a busy loop, none must outlive an operator's patience.
const SHORTEST: u64 = 1;
const LONGEST: u64 = 3600;
/// When a limit ends, documented as seconds since 1970.
const RESET_HEADERS: [&str; 2] = ["x-ratelimit-reset", "x-rate-limit-reset"];
/// Below this a reset is a number of seconds: some servers send what is left instead of the instant.
const FIRST_INSTANT: i64 = 1_000_000_000;

/// The wait the headers ask for, 1 s to 1 h. The reset headers count on a 429 only: elsewhere they are sent with
/// good answers too.
pub(super) fn asked_for(headers: &HeaderMap, status: u16, clocks: Clocks) -> Option<Duration> {
    let now = clocks.server.unwrap_or(clocks.sent_at);
    let header = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let seconds = header(RETRY_AFTER.as_str())
        .and_then(|text| digits(text).or_else(|| http_date(text).map(|instant| instant - now)));
    let reset = || {
        let at = RESET_HEADERS.iter().find_map(|name| digits(header(name)?))?;
        Some(if at < FIRST_INSTANT { at } else { at.saturating_sub(now) })
    };
    let seconds = seconds.or_else(|| if status == 429 { reset() } else { None })?;
    // A time that has passed is a wait of none.
    let seconds = u64::try_from(seconds).unwrap_or(0);
    Some(Duration::from_secs(seconds.clamp(SHORTEST, LONGEST)))
}

/// A whole number; one too long to count is as good as for ever.
fn digits(text: &str) -> Option<i64> {
    let whole = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    whole.then(|| text.parse().unwrap_or(i64::MAX))
}
