//! The lifetime that follows from each form of expiry that servers send, and properties of any input.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::Duration;
use crate::oauth::token::Notice::{self, *};

const T0: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z

/// A response, and the lifetime that must follow from it.
struct Case {
    name: &'static str,
    members: Value,
    token: String,
    date: Option<i64>,
    unit: ExpiryUnit,
    seconds: Option<i64>,
    notices: Vec<Notice>,
}

fn case(name: &'static str, members: Value, seconds: impl Into<Option<i64>>, notices: &[Notice]) -> Case {
    Case {
        name,
        members,
        token: "opaque".into(),
        date: None,
        unit: ExpiryUnit::Auto,
        seconds: seconds.into(),
        notices: notices.to_vec(),
    }
}

/// A case with a value of `expires_in` only.
#[expect(clippy::needless_pass_by_value, reason = "the tables below read better without `&`")]
fn lasting(name: &'static str, value: Value, seconds: impl Into<Option<i64>>, notices: &[Notice]) -> Case {
    case(name, json!({ "expires_in": value }), seconds, notices)
}

impl Case {
    fn token(mut self, token: impl Into<String>) -> Self {
        self.token = token.into();
        self
    }

    fn jwt(self, exp: i64) -> Self {
        self.token(jwt(exp))
    }

    fn date(mut self, date: i64) -> Self {
        self.date = Some(date);
        self
    }

    fn minutes(mut self) -> Self {
        self.unit = ExpiryUnit::Minutes;
        self
    }

    fn milliseconds(mut self) -> Self {
        self.unit = ExpiryUnit::Milliseconds;
        self
    }

    fn check(&self) {
        let settings = ExpirySettings { unit: self.unit, ..ExpirySettings::default() };
        let found = lifetime(&self.members, &self.token, self.date, &settings).map(ignoring_declared_zero);
        let notices = self.notices.iter().copied().collect();
        let expected = self.seconds.map(|seconds| Lifetime { seconds, notices, declared_zero: false });
        assert_eq!(found, expected.ok_or(AlreadyExpired), "{}", self.name);
    }
}

/// Another test checks `declared_zero`.
fn ignoring_declared_zero(lifetime: Lifetime) -> Lifetime {
    Lifetime { declared_zero: false, ..lifetime }
}

#[test]
fn declared_zero_is_reported_if_nothing_else_gives_the_lifetime() {
    let cases = [
        ("a number", json!({"expires_in": 0}), "opaque", true),
        ("text", json!({"expires_in": "0"}), "opaque", true),
        ("a fraction", json!({"expires_in": " 0.0 "}), "opaque", true),
        ("zero as an instant", json!({"expires_at": 0}), "opaque", true),
        ("null", json!({"expires_in": null}), "opaque", false),
        ("nothing", json!({}), "opaque", false),
        ("another member has it", json!({"expires_in": 0, "expires_at": T0 + 60}), "opaque", false),
        ("the JWT has it", json!({"expires_in": 0}), &jwt(T0 + 60), false),
        ("a lifetime", json!({"expires_in": 60}), "opaque", false),
    ];
    for (name, members, token, zero) in cases {
        let found = lifetime(&members, token, None, &ExpirySettings::default()).unwrap();
        assert_eq!(found.declared_zero, zero, "{name}");
    }
    let ignoring = ExpirySettings { ignore_response: true, ..ExpirySettings::default() };
    assert!(
        !lifetime(&json!({"expires_in": 0}), "opaque", None, &ignoring).unwrap().declared_zero,
        "declared values are ignored"
    );
}

fn jwt(exp: i64) -> String {
    format!("eyJhbGciOiJub25lIn0.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(json!({ "exp": exp }).to_string()))
}

fn lifetime(
    members: &Value,
    token: &str,
    date: Option<i64>,
    settings: &ExpirySettings,
) -> Result<Lifetime, AlreadyExpired> {
    let declared = ["expires_in", "expires_at", "expires_on"].map(|name| members.get(name));
    determine(&declared, JwtPayload::of(token).as_ref(), Clocks { sent_at: T0, server: date }, settings)
}

#[test]
fn expires_in_as_number_and_as_text() {
    for case in [
        lasting("seconds", json!(3600), 3600, &[]),
        lasting("almost a day", json!(86399), 86399, &[]),
        lasting("seconds as text", json!("3600"), 3600, &[]),
        lasting("text with spaces", json!(" 14399 "), 14399, &[]),
        lasting("float", json!(3600.0), 3600, &[]),
        lasting("fraction, rounded down", json!(3599.97), 3599, &[]),
        lasting("fraction as text", json!("3599.5"), 3599, &[]),
        lasting("exponent", serde_json::from_str("3.6e3").unwrap(), 3600, &[]),
        lasting("epoch seconds", json!(1_767_229_200), 3600, &[]),
        lasting("epoch milliseconds", json!(1_767_227_400_000_i64), 1800, &[]),
        lasting("a week", json!(604_800), 604_800, &[]),
        lasting("twelve seconds", json!(12), 12, &[]),
    ] {
        case.check();
    }
}

#[test]
fn expires_at_and_expires_on() {
    for case in [
        case("expires_at in epoch milliseconds", json!({"expires_at": 1_767_227_400_000_i64}), 1800, &[]),
        case("expires_at in epoch milliseconds, as text", json!({"expires_at": "1767227400000"}), 1800, &[]),
        case("expires_at with a duration", json!({"expires_at": 1800}), 1800, &[]),
        case(
            "Entra v1, every number as text",
            json!({"expires_in": "3599", "ext_expires_in": "0", "expires_on": "1767229199"}),
            3599,
            &[],
        ),
        case("RFC 3339", json!({"expires_at": "2026-01-01T01:00:00Z"}), 3600, &[]),
        case(
            "RFC 3339 with fraction and offset",
            json!({"expires_at": "2026-01-01T02:00:00.123+01:00"}),
            3600,
            &[],
        ),
        case("offset without colon", json!({"expires_at": "2026-01-01T01:00:00.000+0000"}), 3600, &[]),
        case("HTTP date", json!({"expires_at": "Thu, 01 Jan 2026 01:00:00 GMT"}), 3600, &[]),
        case(
            "no offset",
            json!({"expires_at": "2026-01-01T01:00:00"}),
            3600,
            &[UnusableExpiry, ExpiryAssumed],
        ),
        case("expires_at in the past", json!({"expires_at": T0 - 10}), None, &[]),
        case("zero, then expires_at", json!({"expires_in": 0, "expires_at": T0 + 3600}), 3600, &[]),
        case(
            "unusable, then expires_at",
            json!({"expires_in": "1h", "expires_at": "2026-01-01T00:30:00Z"}),
            1800,
            &[UnusableExpiry],
        ),
    ] {
        case.check();
    }
}

#[test]
fn missing_and_unusable_values() {
    for case in [
        case("no member", json!({}), 3600, &[ExpiryAssumed]),
        lasting("null", json!(null), 3600, &[ExpiryAssumed]),
        lasting("zero", json!(0), 3600, &[ExpiryAssumed]),
        lasting("zero as text", json!("0"), 3600, &[ExpiryAssumed]),
        lasting("negative", json!(-1), None, &[]),
        lasting("negative text", json!("-1"), None, &[]),
        lasting("boolean", json!(true), 3600, &[UnusableExpiry, ExpiryAssumed]),
        lasting("object", json!({"seconds": 3600}), 3600, &[UnusableExpiry, ExpiryAssumed]),
        lasting("empty text", json!(""), 3600, &[ExpiryAssumed]),
        lasting("a unit in the text", json!("1h"), 3600, &[UnusableExpiry, ExpiryAssumed]),
        lasting("hexadecimal", json!("0xE10"), 3600, &[UnusableExpiry, ExpiryAssumed]),
        lasting("the year 3006", json!("32693148245"), 315_360_000, &[Capped]),
        lasting(
            "epoch nanoseconds",
            json!(1_767_225_600_000_000_000_i64),
            3600,
            &[UnusableExpiry, ExpiryAssumed],
        ),
        lasting(
            "23 digits",
            serde_json::from_str("99999999999999999999999").unwrap(),
            3600,
            &[UnusableExpiry, ExpiryAssumed],
        ),
    ] {
        case.check();
    }
}

#[test]
fn jwt_shortens_a_lifetime_or_fills_a_gap_or_proves_milliseconds() {
    for case in [
        case("only the JWT", json!({}), 3600, &[ExpiryFromJWT]).jwt(T0 + 3600),
        lasting("equal to the JWT", json!(3600), 3600, &[]).jwt(T0 + 3600),
        lasting("longer than the JWT", json!(86400), 3600, &[ExpiryMismatch]).jwt(T0 + 3600),
        lasting("shorter than the JWT", json!(300), 300, &[]).jwt(T0 + 3600),
        lasting("milliseconds, proved by the JWT", json!(86_399_999), 86399, &[InterpretedAsMilliseconds])
            .jwt(T0 + 86400),
        lasting("an opaque token proves nothing", json!(86_399_999), 86_399_999, &[]),
        lasting("unit Milliseconds", json!(86_399_999), 86399, &[]).milliseconds(),
        case("exp in milliseconds", json!({}), 3600, &[ExpiryFromJWT]).jwt((T0 + 3600) * 1000),
        lasting("five-part JWE", json!(900), 900, &[]).token("a.b.c.d.e"),
        lasting("three parts, but no JWT", json!(900), 900, &[]).token("aaa.bbb.ccc"),
        lasting("30 days in milliseconds", json!(2_592_000_000_i64), 2_592_000, &[]).milliseconds(),
        lasting("four years in milliseconds", json!(126_144_000_000_i64), 126_144_000, &[]).milliseconds(),
        lasting("over ten years in milliseconds", json!(999_999_999_999_i64), 315_360_000, &[Capped])
            .milliseconds(),
        lasting("unit Milliseconds, an instant", json!((T0 + 3600) * 1000), 3600, &[]).milliseconds(),
        lasting("a minute longer", json!(3660), 3660, &[]).jwt(T0 + 3600),
        lasting("a minute and a second", json!(3661), 3600, &[ExpiryMismatch]).jwt(T0 + 3600),
        // A tolerance of 60 s proves nothing about a JWT that is valid for less than that.
        lasting("nearly over", json!(3600), 50, &[ExpiryMismatch]).jwt(T0 + 50),
        lasting("just over, no Date", json!(3600), 3600, &[ClockSkewSuspected]).jwt(T0 - 50),
        // The unit setting applies to the response, not to the JWT.
        lasting("unit and JWT", json!(7_200_000), 3600, &[ExpiryMismatch]).milliseconds().jwt(T0 + 3600),
    ] {
        case.check();
    }
}

#[test]
fn minutes_are_converted_and_instants_are_not() {
    for case in [
        lasting("unit Minutes", json!(90), 5400, &[]).minutes(),
        lasting("unit Minutes, as text", json!("90"), 5400, &[]).minutes(),
        lasting("unit Minutes, with a fraction", json!(1.5), 90, &[]).minutes(),
        lasting("unit Minutes, zero", json!(0), 3600, &[ExpiryAssumed]).minutes(),
        lasting("unit Minutes, negative", json!(-1), None, &[]).minutes(),
        lasting("unit Minutes, an instant", json!(T0 + 3600), 3600, &[]).minutes(),
        lasting("unit Minutes, an instant in milliseconds", json!((T0 + 3600) * 1000), 3600, &[]).minutes(),
        lasting("unit Minutes, over ten years", json!(999_999_999), 315_360_000, &[Capped]).minutes(),
        lasting("unit Minutes, beside a shorter JWT", json!(90), 3600, &[ExpiryMismatch])
            .minutes()
            .jwt(T0 + 3600),
    ] {
        case.check();
    }
}

#[test]
fn lifetime_with_clocks_that_differ() {
    for case in [
        case("expires_at, slow local clock", json!({"expires_at": T0 + 4200}), 3600, &[ClockSkew])
            .date(T0 + 600),
        lasting("relative, slow local clock", json!(3600), 3600, &[ClockSkew]).date(T0 + 600),
        lasting("JWT, fast local clock", json!(3600), 3600, &[ClockSkew]).jwt(T0 - 3600).date(T0 - 7200),
        lasting("expired JWT, no Date", json!(3600), 3600, &[ClockSkewSuspected]).jwt(T0 - 3600),
        lasting("expired by the server's clock", json!(3600), None, &[]).jwt(T0 - 3600).date(T0),
        lasting("a difference of half a minute", json!(3600), 3600, &[]).date(T0 - 30),
    ] {
        case.check();
    }
}

#[test]
fn ignored_response_gives_the_assumed_lifetime_or_that_of_a_shorter_jwt() {
    let settings = ExpirySettings { ignore_response: true, ..ExpirySettings::default() };
    let members = json!({"expires_in": -1});
    let expected = |seconds, notices: &[Notice]| {
        Ok(Lifetime {
            seconds,
            notices: notices.iter().copied().collect::<BTreeSet<_>>(),
            declared_zero: false,
        })
    };
    assert_eq!(lifetime(&members, "opaque", None, &settings), expected(3600, &[ExpiryAssumed]));
    assert_eq!(lifetime(&members, &jwt(T0 + 9000), None, &settings), expected(3600, &[ExpiryAssumed]));
    let shortened = expected(3590, &[ExpiryFromJWT]);
    assert_eq!(lifetime(&members, &jwt(T0 + 3590), None, &settings), shortened);
}

#[test]
fn only_plain_decimals_are_numbers() {
    for (text, decimal) in [("1", true), ("1.5", true), ("00", true), ("12345678901234567890", true)] {
        assert_eq!(is_decimal(text), decimal, "{text}");
    }
    for text in
        ["", ".", "1.", ".5", "1e3", "+1", "inf", "NaN", "1_0", "1.2.3", "123456789012345678901", "１"]
    {
        assert!(!is_decimal(text), "{text}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-1e15..1e15_f64).prop_map(Value::from),
        (0..20_000_000_000_i64).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "-?[0-9]{1,21}(\\.[0-9]{0,4})?".prop_map(Value::from),
        "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](Z|[+-][0-9]{2}:?[0-9]{2})"
            .prop_map(Value::from),
        Just(json!([3600])),
        Just(json!({})),
    ]
}

proptest! {
    #[test]
    fn no_declared_value_panics_and_lifetimes_are_at_most_ten_years(
        expires_in in any_json(),
        expires_at in any_json(),
        expires_on in any_json(),
        exp in any::<Option<f64>>(),
        date in prop::option::of(-62_135_596_800_i64..253_402_300_800),
        sent_at in -8_000_000_000_000_i64..8_000_000_000_000,
        unit in prop::sample::select(vec![
            ExpiryUnit::Auto,
            ExpiryUnit::Seconds,
            ExpiryUnit::Milliseconds,
            ExpiryUnit::Minutes,
        ]),
        ignore_response: bool,
        assumed in any::<u64>(),
    ) {
        let declared = [Some(&expires_in), Some(&expires_at), Some(&expires_on)];
        let payload = JwtPayload { exp, bound: false };
        let settings = ExpirySettings { assumed_lifetime: Some(Duration::from_secs(assumed)), unit, ignore_response };
        let clocks = Clocks { sent_at, server: date };
        if let Ok(found) = determine(&declared, Some(&payload), clocks, &settings) {
            prop_assert!((1..=MAX_LIFETIME).contains(&found.seconds));
        }
    }

    #[test]
    fn no_lifetime_exceeds_the_declared_seconds(
        declared in 0.001..1e9_f64,
        exp in prop::option::of(T0..T0 + 1_000_000_000),
        as_text: bool,
    ) {
        let value = if as_text { json!(format!("{declared:.3}")) } else { json!(declared) };
        let limit = if as_text { format!("{declared:.3}").parse().unwrap() } else { declared };
        let token = exp.map_or_else(|| "opaque".to_owned(), jwt);
        if let Ok(found) = lifetime(&json!({"expires_in": value}), &token, None, &ExpirySettings::default()) {
            let seconds = i32::try_from(found.seconds).map(f64::from).unwrap();
            prop_assert!(seconds <= limit, "{seconds} from {limit}");
            if let Some(exp) = exp {
                prop_assert!(exp <= T0 || found.seconds <= exp - T0 + TOLERANCE);
            }
        }
    }

    #[test]
    fn no_lifetime_exceeds_the_declared_instant(instant in 1_000_000_000_i64..4_000_000_000, date in T0 - 9999..T0 + 9999) {
        for value in [json!(instant), json!(instant * 1000 + 999), json!(instant.to_string())] {
            match lifetime(&json!({ "expires_at": value }), "opaque", Some(date), &ExpirySettings::default()) {
                Ok(found) => prop_assert_eq!(found.seconds, (instant - date).min(MAX_LIFETIME)),
                Err(AlreadyExpired) => prop_assert!(instant <= date),
            }
        }
    }
}
