//! The expiry vectors, and what holds for any input.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::oauth::token::Notice::{self, *};

const T0: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z

/// A row of `oauth.md` §c.5: what the provider says, and what it must come to.
struct Vector {
    id: &'static str,
    members: Value,
    token: String,
    date: Option<i64>,
    unit: ExpiryUnit,
    seconds: Option<i64>,
    notices: Vec<Notice>,
}

fn vector(id: &'static str, members: Value, seconds: impl Into<Option<i64>>, notices: &[Notice]) -> Vector {
    Vector {
        id,
        members,
        token: "opaque".into(),
        date: None,
        unit: ExpiryUnit::Auto,
        seconds: seconds.into(),
        notices: notices.to_vec(),
    }
}

/// The most frequent kind: the value of `expires_in`.
#[expect(clippy::needless_pass_by_value, reason = "the tables below read better without `&`")]
fn lasting(id: &'static str, value: Value, seconds: impl Into<Option<i64>>, notices: &[Notice]) -> Vector {
    vector(id, json!({ "expires_in": value }), seconds, notices)
}

impl Vector {
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

    fn milliseconds(mut self) -> Self {
        self.unit = ExpiryUnit::Milliseconds;
        self
    }

    fn check(&self) {
        let rules = ExpiryRules { unit: self.unit, ..ExpiryRules::default() };
        let found = life(&self.members, &self.token, self.date, &rules).map(without_zero);
        let expected = self
            .seconds
            .map(|seconds| Life {
                seconds,
                notices: self.notices.iter().copied().collect(),
                declared_zero: false,
            })
            .ok_or(AlreadyExpired);
        assert_eq!(found, expected, "{}", self.id);
    }
}

/// That a zero was declared has a test of its own.
fn without_zero(life: Life) -> Life {
    Life { declared_zero: false, ..life }
}

#[test]
fn a_zero_is_known_where_nothing_else_tells_the_life() {
    let cases = [
        ("a number", json!({"expires_in": 0}), "opaque", true),
        ("text", json!({"expires_in": "0"}), "opaque", true),
        ("a fraction", json!({"expires_in": " 0.0 "}), "opaque", true),
        ("as an instant", json!({"expires_at": 0}), "opaque", true),
        ("null", json!({"expires_in": null}), "opaque", false),
        ("nothing", json!({}), "opaque", false),
        ("another member tells", json!({"expires_in": 0, "expires_at": T0 + 60}), "opaque", false),
        ("the JWT tells", json!({"expires_in": 0}), &jwt(T0 + 60), false),
        ("a life", json!({"expires_in": 60}), "opaque", false),
    ];
    for (name, members, token, zero) in cases {
        let found = life(&members, token, None, &ExpiryRules::default()).unwrap();
        assert_eq!(found.declared_zero, zero, "{name}");
    }
    let ignoring = ExpiryRules { ignore_response: true, ..ExpiryRules::default() };
    assert!(
        !life(&json!({"expires_in": 0}), "opaque", None, &ignoring).unwrap().declared_zero,
        "it is not looked at"
    );
}

fn jwt(exp: i64) -> String {
    format!("eyJhbGciOiJub25lIn0.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(json!({ "exp": exp }).to_string()))
}

fn life(
    members: &Value,
    token: &str,
    date: Option<i64>,
    rules: &ExpiryRules,
) -> Result<Life, AlreadyExpired> {
    let declared = ["expires_in", "expires_at", "expires_on"].map(|name| members.get(name));
    determine(&declared, Payload::of(token).as_ref(), Clocks { sent_at: T0, server: date }, rules)
}

#[test]
fn numbers_and_strings_of_expires_in() {
    for case in [
        lasting("V01", json!(3600), 3600, &[]),
        lasting("V02", json!(86399), 86399, &[]),
        lasting("V03", json!("3600"), 3600, &[]),
        lasting("V04", json!(" 14399 "), 14399, &[]),
        lasting("V05", json!(3600.0), 3600, &[]),
        lasting("V06", json!(3599.97), 3599, &[]),
        lasting("V07", json!("3599.5"), 3599, &[]),
        lasting("V08", serde_json::from_str("3.6e3").unwrap(), 3600, &[]),
        lasting("V09", json!(1_767_229_200), 3600, &[]),
        lasting("V10", json!(1_767_227_400_000_i64), 1800, &[]),
        lasting("V47", json!(604_800), 604_800, &[]),
        lasting("V48", json!(12), 12, &[]),
    ] {
        case.check();
    }
}

#[test]
fn instants_and_other_names() {
    for case in [
        vector("V11", json!({"expires_at": 1_767_227_400_000_i64}), 1800, &[]),
        vector("V12", json!({"expires_at": "1767227400000"}), 1800, &[]),
        vector("V13", json!({"expires_at": 1800}), 1800, &[]),
        vector(
            "V14",
            json!({"expires_in": "3599", "ext_expires_in": "0", "expires_on": "1767229199"}),
            3599,
            &[],
        ),
        vector("V15", json!({"expires_at": "2026-01-01T01:00:00Z"}), 3600, &[]),
        vector("V16", json!({"expires_at": "2026-01-01T02:00:00.123+01:00"}), 3600, &[]),
        vector("V17", json!({"expires_at": "2026-01-01T01:00:00.000+0000"}), 3600, &[]),
        vector("V18", json!({"expires_at": "Thu, 01 Jan 2026 01:00:00 GMT"}), 3600, &[]),
        vector("V19", json!({"expires_at": "2026-01-01T01:00:00"}), 3600, &[UnusableExpiry, ExpiryAssumed]),
        vector("V43", json!({"expires_at": T0 - 10}), None, &[]),
        vector("V52", json!({"expires_in": 0, "expires_at": T0 + 3600}), 3600, &[]),
        vector(
            "V53",
            json!({"expires_in": "1h", "expires_at": "2026-01-01T00:30:00Z"}),
            1800,
            &[UnusableExpiry],
        ),
    ] {
        case.check();
    }
}

#[test]
fn nothing_said_and_nonsense() {
    for case in [
        vector("V20", json!({}), 3600, &[ExpiryAssumed]),
        lasting("V21", json!(null), 3600, &[ExpiryAssumed]),
        lasting("V22", json!(0), 3600, &[ExpiryAssumed]),
        lasting("V23", json!("0"), 3600, &[ExpiryAssumed]),
        lasting("V24", json!(-1), None, &[]),
        lasting("V25", json!("-1"), None, &[]),
        lasting("V26", json!(true), 3600, &[UnusableExpiry, ExpiryAssumed]),
        lasting("V27", json!({"seconds": 3600}), 3600, &[UnusableExpiry, ExpiryAssumed]),
        lasting("V28", json!(""), 3600, &[ExpiryAssumed]),
        lasting("V29", json!("1h"), 3600, &[UnusableExpiry, ExpiryAssumed]),
        lasting("V30", json!("0xE10"), 3600, &[UnusableExpiry, ExpiryAssumed]),
        lasting("V44", json!("32693148245"), 315_360_000, &[Capped]),
        lasting("V45", json!(1_767_225_600_000_000_000_i64), 3600, &[UnusableExpiry, ExpiryAssumed]),
        lasting(
            "V46",
            serde_json::from_str("99999999999999999999999").unwrap(),
            3600,
            &[UnusableExpiry, ExpiryAssumed],
        ),
    ] {
        case.check();
    }
}

#[test]
fn the_jwt_shortens_fills_a_gap_or_proves_milliseconds() {
    for case in [
        vector("V31", json!({}), 3600, &[ExpiryFromJWT]).jwt(T0 + 3600),
        lasting("V32", json!(3600), 3600, &[]).jwt(T0 + 3600),
        lasting("V33", json!(86400), 3600, &[ExpiryMismatch]).jwt(T0 + 3600),
        lasting("V34", json!(300), 300, &[]).jwt(T0 + 3600),
        lasting("V35", json!(86_399_999), 86399, &[InterpretedAsMilliseconds]).jwt(T0 + 86400),
        lasting("V36", json!(86_399_999), 86_399_999, &[]),
        lasting("V37", json!(86_399_999), 86399, &[]).milliseconds(),
        vector("V38", json!({}), 3600, &[ExpiryFromJWT]).jwt((T0 + 3600) * 1000),
        lasting("V49", json!(900), 900, &[]).token("a.b.c.d.e"),
        lasting("V50", json!(900), 900, &[]).token("aaa.bbb.ccc"),
        lasting("V51", json!(2_592_000_000_i64), 2_592_000, &[]).milliseconds(),
        lasting("a minute longer", json!(3660), 3660, &[]).jwt(T0 + 3600),
        lasting("a minute and a second", json!(3661), 3600, &[ExpiryMismatch]).jwt(T0 + 3600),
        // Beyond the document: a tolerance of 60 s proves nothing about a JWT that has less than that left.
        lasting("nearly over", json!(3600), 50, &[ExpiryMismatch]).jwt(T0 + 50),
        lasting("just over, no Date", json!(3600), 3600, &[ClockSkewSuspected]).jwt(T0 - 50),
        // The unit rule is about the answer, not about the JWT.
        lasting("unit and JWT", json!(7_200_000), 3600, &[ExpiryMismatch]).milliseconds().jwt(T0 + 3600),
    ] {
        case.check();
    }
}

#[test]
fn clocks_that_differ() {
    for case in [
        vector("V39", json!({"expires_at": T0 + 4200}), 3600, &[ClockSkew]).date(T0 + 600),
        lasting("V40", json!(3600), 3600, &[ClockSkew]).date(T0 + 600),
        lasting("V41", json!(3600), 3600, &[ClockSkew]).jwt(T0 - 3600).date(T0 - 7200),
        lasting("V42", json!(3600), 3600, &[ClockSkewSuspected]).jwt(T0 - 3600),
        lasting("expired by the server's clock", json!(3600), None, &[]).jwt(T0 - 3600).date(T0),
        lasting("half a minute is no skew", json!(3600), 3600, &[]).date(T0 - 30),
    ] {
        case.check();
    }
}

#[test]
fn an_ignored_answer_gives_the_assumed_life_unless_a_jwt_ends_sooner() {
    let rules = ExpiryRules { ignore_response: true, ..ExpiryRules::default() };
    let members = json!({"expires_in": -1});
    let expected = |seconds, notices: &[Notice]| {
        Ok(Life { seconds, notices: notices.iter().copied().collect::<BTreeSet<_>>(), declared_zero: false })
    };
    assert_eq!(life(&members, "opaque", None, &rules), expected(3600, &[ExpiryAssumed]));
    assert_eq!(life(&members, &jwt(T0 + 9000), None, &rules), expected(3600, &[ExpiryAssumed]));
    let shortened = expected(3590, &[ExpiryAssumed, ExpiryFromJWT]);
    assert_eq!(life(&members, &jwt(T0 + 3590), None, &rules), shortened);
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
    fn whatever_is_declared_nothing_panics_and_lives_stay_within_ten_years(
        expires_in in any_json(),
        expires_at in any_json(),
        expires_on in any_json(),
        exp in any::<Option<f64>>(),
        date in prop::option::of(-62_135_596_800_i64..253_402_300_800),
        sent_at in -8_000_000_000_000_i64..8_000_000_000_000,
        unit in prop_oneof![Just(ExpiryUnit::Auto), Just(ExpiryUnit::Seconds), Just(ExpiryUnit::Milliseconds)],
        ignore_response: bool,
        assumed in any::<u64>(),
    ) {
        let declared = [Some(&expires_in), Some(&expires_at), Some(&expires_on)];
        let payload = Payload { exp, bound: false };
        let rules = ExpiryRules { assumed_lifetime: Duration::from_secs(assumed), unit, ignore_response };
        let clocks = Clocks { sent_at, server: date };
        if let Ok(life) = determine(&declared, Some(&payload), clocks, &rules) {
            prop_assert!((1..=MAX_LIFE).contains(&life.seconds));
        }
    }

    #[test]
    fn no_life_exceeds_the_number_of_seconds_declared(
        declared in 0.001..1e9_f64,
        exp in prop::option::of(T0..T0 + 1_000_000_000),
        as_text: bool,
    ) {
        let value = if as_text { json!(format!("{declared:.3}")) } else { json!(declared) };
        let limit = if as_text { format!("{declared:.3}").parse().unwrap() } else { declared };
        let token = exp.map_or_else(|| "opaque".to_owned(), jwt);
        if let Ok(life) = life(&json!({"expires_in": value}), &token, None, &ExpiryRules::default()) {
            let seconds = i32::try_from(life.seconds).map(f64::from).unwrap();
            prop_assert!(seconds <= limit, "{seconds} from {limit}");
            if let Some(exp) = exp {
                prop_assert!(exp <= T0 || life.seconds <= exp - T0 + TOLERANCE);
            }
        }
    }

    #[test]
    fn no_life_exceeds_the_instant_declared(instant in 1_000_000_000_i64..4_000_000_000, date in T0 - 9999..T0 + 9999) {
        for value in [json!(instant), json!(instant * 1000 + 999), json!(instant.to_string())] {
            match life(&json!({ "expires_at": value }), "opaque", Some(date), &ExpiryRules::default()) {
                Ok(life) => prop_assert_eq!(life.seconds, (instant - date).min(MAX_LIFE)),
                Err(AlreadyExpired) => prop_assert!(instant <= date),
            }
        }
    }
}
