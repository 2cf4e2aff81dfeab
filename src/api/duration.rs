//! Durations as Kubernetes users write them: `15m`, `1h30m`, `500ms`.
//!
//! This replaces kube's own type, which panics on very large numbers: a single stored object could then crash the
//! controller at every start. Here such a number becomes [`LONGEST`].

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration as Span;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::rule;

/// The longest duration: ten thousand days. Longer durations are cut to it.
const LONGEST: Span = Span::from_secs(10_000 * 24 * 3600);
const NANOSECONDS_A_SECOND: u128 = 1_000_000_000;

/// A non-negative span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration(Span);

impl Duration {
    /// A duration of whole seconds.
    pub fn from_secs(seconds: u64) -> Self {
        Self(Span::from_secs(seconds).min(LONGEST))
    }

    /// The standard library's duration.
    pub fn get(self) -> Span {
        self.0
    }

    /// Parses numbers with units, in any order. None if the text is anything else.
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut total = 0_u128;
        while !rest.is_empty() {
            let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let (digits, after) = rest.split_at_checked(number)?;
            let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
            let (unit, next) = after.split_at_checked(unit)?;
            total = total.saturating_add(nanoseconds(digits, unit)?);
            rest = next;
        }
        let seconds = u64::try_from(total / NANOSECONDS_A_SECOND).unwrap_or(u64::MAX);
        let nanoseconds = u32::try_from(total % NANOSECONDS_A_SECOND).unwrap_or_default();
        (!text.is_empty()).then(|| Self(Span::new(seconds, nanoseconds).min(LONGEST)))
    }
}

impl FromStr for Duration {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or("write a duration such as 90s, 15m or 1h30m")
    }
}

/// Parses one number with its unit. A number that is too large for a `u64` counts as its largest value.
fn nanoseconds(digits: &str, unit: &str) -> Option<u128> {
    let factor: u128 = match unit {
        "h" => 3600 * NANOSECONDS_A_SECOND,
        "m" => 60 * NANOSECONDS_A_SECOND,
        "s" => NANOSECONDS_A_SECOND,
        "ms" => NANOSECONDS_A_SECOND / 1000,
        _ => return None,
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let whole: u128 = whole.parse::<u64>().unwrap_or(u64::MAX).into();
    let fraction: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let fraction: u128 = fraction.parse().ok()?;
    Some(whole.saturating_mul(factor).saturating_add(fraction * factor / NANOSECONDS_A_SECOND))
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("a duration looks like 15m, 1h30m or 500ms"))
    }
}

impl Serialize for Duration {
    /// Writes equal durations alike, so that `60m` and `1h` give the same fingerprint.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.subsec_nanos() == 0 {
            serializer.collect_str(&format_args!("{}s", self.0.as_secs()))
        } else {
            serializer.collect_str(&format_args!("{}.{:09}s", self.0.as_secs(), self.0.subsec_nanos()))
        }
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 32,
            "x-kubernetes-validations": [rule::duration()],
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_numbers_with_units_are_parsed() {
        let cases = [
            ("15m", Some(900_000)),
            ("1h30m", Some(5_400_000)),
            ("500ms", Some(500)),
            ("1.5s", Some(1500)),
            ("0s", Some(0)),
            ("99999999999999999999h", Some(u64::try_from(LONGEST.as_millis()).unwrap())),
            ("", None),
            ("15", None),
            ("m", None),
            ("-5m", None),
            ("5 m", None),
            ("1.2.3s", None),
            ("1d", None),
        ];
        for (text, milliseconds) in cases {
            let read =
                Duration::parse(text).map(|duration| u64::try_from(duration.get().as_millis()).unwrap());
            assert_eq!(read, milliseconds, "{text}");
        }
    }

    #[test]
    fn equal_durations_are_serialized_alike_and_read_back() {
        for (text, written) in [("60m", "\"3600s\""), ("1h", "\"3600s\""), ("1500ms", "\"1.500000000s\"")] {
            let duration = Duration::parse(text).unwrap();
            assert_eq!(serde_json::to_string(&duration).unwrap(), written);
            assert_eq!(serde_json::from_str::<Duration>(written).unwrap(), duration);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}", shaped in "([0-9.]{1,25}(ms|s|m|h)){1,3}") {
            let _ = (Duration::parse(&text), Duration::parse(&shaped));
        }
    }
}
