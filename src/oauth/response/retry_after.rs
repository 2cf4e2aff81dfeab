//! How long a provider asks to wait before the next request.
//! Knows `Retry-After` (RFC 9110 §10.2.3) and the reset headers of Auth0 and Okta. Must not know how the wait affects the
//! retry schedule.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::oauth::expiry::{Clocks, http_date};

/// Bounds of the wait in seconds: zero would be a busy loop, and more than an hour would leave operators without news.
const SHORTEST: u64 = 1;
const LONGEST: u64 = 3600;
/// Headers with the instant when a rate limit ends, documented as seconds since 1970.
const RESET_HEADERS: [&str; 2] = ["x-ratelimit-reset", "x-rate-limit-reset"];
/// A smaller value of a reset header is a number of seconds, which some servers send instead of an instant.
const FIRST_INSTANT: i64 = 1_000_000_000;

/// The wait that the headers ask for, 1 s to 1 h. Reset headers are used only for a 429, because servers also send them with
/// successful responses.
pub(super) fn parse(headers: &HeaderMap, status: u16, clocks: Clocks) -> Option<Duration> {
    let now = clocks.server.unwrap_or(clocks.sent_at);
    let header = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let seconds = header(RETRY_AFTER.as_str())
        .and_then(|text| digits(text).or_else(|| http_date(text).map(|instant| instant - now)));
    let reset = || {
        let at = RESET_HEADERS.iter().find_map(|name| digits(header(name)?))?;
        Some(if at < FIRST_INSTANT { at } else { at.saturating_sub(now) })
    };
    let seconds = seconds.or_else(|| if status == 429 { reset() } else { None })?;
    // An instant in the past means the shortest wait.
    let seconds = u64::try_from(seconds).unwrap_or(0);
    Some(Duration::from_secs(seconds.clamp(SHORTEST, LONGEST)))
}

/// A whole number. A number that is too large becomes the largest.
fn digits(text: &str) -> Option<i64> {
    let whole = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    whole.then(|| text.parse().unwrap_or(i64::MAX))
}
