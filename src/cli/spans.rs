//! Times and durations as people write them. Except in [`exact`], long durations are less precise. The present is an
//! argument.

use chrono::{DateTime, TimeDelta, Utc};

/// `59s`, `2m5s`, `12m`, `3h20m`, `2d3h`, `45d`: at most two units.
pub(super) fn span(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |count: i64, unit: &str, rest: i64, lesser: &str| match rest {
        0 => format!("{count}{unit}"),
        rest => format!("{count}{unit}{rest}{lesser}"),
    };
    match () {
        () if seconds < 60 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if hours < 1 => format!("{minutes}m"),
        () if hours < 24 => two(hours, "h", minutes % 60, "m"),
        () if days < 10 => two(days, "d", hours % 24, "h"),
        () => format!("{days}d"),
    }
}

/// A duration to the second: `17h24m`, `44m15s`.
pub(super) fn exact(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    let parts =
        [("d", seconds / 86_400), ("h", seconds / 3600 % 24), ("m", seconds / 60 % 60), ("s", seconds % 60)];
    let parts = parts.into_iter().filter(|(_, count)| *count > 0);
    let text = parts.fold(String::new(), |text, (unit, count)| text + &count.to_string() + unit);
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// For a column: the time left, `now`, how long ago, or `-`.
pub(super) fn countdown(at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> String {
    match at.map(|at| at - now) {
        None => "-".to_owned(),
        Some(left) if left.num_seconds() == 0 => "now".to_owned(),
        Some(left) if left < TimeDelta::zero() => format!("{} ago", span(-left)),
        Some(left) => span(left),
    }
}

/// For a sentence: `in 12m`, `now`, `3m ago`.
pub(super) fn relative(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let text = countdown(Some(at), now);
    if at > now && text != "now" { format!("in {text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600 + seconds, 0).unwrap()
    }

    #[test]
    fn span_has_at_most_two_units() {
        for (seconds, text) in [
            (-5, "0s"),
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (125, "2m5s"),
            (599, "9m59s"),
            (600, "10m"),
            (659, "10m"),
            (3599, "59m"),
            (3600, "1h"),
            (12_000, "3h20m"),
            (86_399, "23h59m"),
            (86_400, "1d"),
            (183_600, "2d3h"),
            (864_000, "10d"),
            (315_360_000, "3650d"),
        ] {
            assert_eq!(span(TimeDelta::seconds(seconds)), text, "{seconds} s");
        }
    }

    #[test]
    fn exact_span_has_every_unit_that_is_not_zero() {
        for (seconds, text) in [(0, "0s"), (2655, "44m15s"), (62_640, "17h24m"), (90_061, "1d1h1m1s")] {
            assert_eq!(exact(TimeDelta::seconds(seconds)), text);
        }
    }

    #[test]
    fn countdown_passes_through_now_into_the_past() {
        for (seconds, column, sentence) in [
            (61, "1m1s", "in 1m1s"),
            (1, "1s", "in 1s"),
            (0, "now", "now"),
            (-1, "1s ago", "1s ago"),
            (-7200, "2h ago", "2h ago"),
        ] {
            assert_eq!(countdown(Some(after(seconds)), after(0)), column);
            assert_eq!(relative(after(seconds), after(0)), sentence);
        }
        assert_eq!(countdown(None, after(0)), "-");
        // Less than a second before or after is "now".
        let nearly = after(0) + TimeDelta::milliseconds(900);
        assert_eq!(
            (countdown(Some(nearly), after(0)), relative(nearly, after(0))),
            ("now".into(), "now".into())
        );
    }
}
