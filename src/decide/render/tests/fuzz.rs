//! Random templates, made of valid expressions and of noise: none may panic or quote a value.
//!
//! `PROPTEST_CASES=20000 cargo test --lib render::tests::fuzz` tries more of them, and `.ci/run` some thousands.

use proptest::prelude::*;

use super::*;

/// Renders without [`panics::contain`], so that a panic fails the test.
fn try_one(template: &str, scope: Option<&str>) -> Result<(), TestCaseError> {
    for access in ["canary-access", ""] {
        let kept = [("host", Some("canary-host")), ("region", None)]
            .map(|(name, text)| (name.to_owned(), text.map(|text| Secret::new(text.to_owned()))));
        let given = Token { scope: scope.map(str::to_owned), kept: kept.into(), ..token(access) };
        let outcome = one(template, &Words::new(&given), &mut Work::new());
        if let Err(flaw) = outcome {
            let text = format!("{flaw:?} {}", flaw.fault);
            prop_assert!(!text.contains("canary"));
        }
    }
    Ok(())
}

/// A variable, a constant, or an empty value.
fn leaf() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "access_token",
            "token_type",
            "scope",
            "expires_at",
            "issued_at",
            "refresh_token",
            "fields",
            "fields.host",
            "fields.region",
            "''",
            "[]",
            "{}",
            "()",
            "none",
            "true",
            "false",
            "0",
            "-1",
            "1.5",
            "1e308",
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551616",
            "340282366920938463463374607431768211455",
            "'a b'",
            "'\\\\'",
            "'\u{e9}\u{1f600}'",
            "'\\n\\'\\\"'",
        ])
        .prop_map(str::to_owned),
        "'[ -&(-\\[\\]-~]{0,8}'",
    ]
}

fn expression() -> impl Strategy<Value = String> {
    leaf().prop_recursive(6, 48, 4, |inner| {
        let operators = vec![
            "~", "+", "-", "/", "//", "%", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or", "is", "*", "**",
        ];
        let optional = || prop_oneof![Just(String::new()), inner.clone()];
        let filters: Vec<&str> = vocabulary::FILTERS.into_iter().chain(["nonsense"]).collect();
        prop_oneof![
            4 => (inner.clone(), prop::sample::select(operators), inner.clone())
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            4 => (inner.clone(), prop::sample::select(filters), prop::collection::vec(inner.clone(), 0..3))
                .prop_map(|(input, name, arguments)| match arguments.as_slice() {
                    [] => format!("({input} | {name})"),
                    arguments => format!("({input} | {name}({}))", arguments.join(", ")),
                }),
            4 => (inner.clone(), optional(), optional(), optional())
                .prop_map(|(whole, start, stop, step)| format!("{whole}[{start}:{stop}:{step}]")),
            2 => (inner.clone(), inner.clone()).prop_map(|(whole, key)| format!("{whole}[{key}]")),
            1 => (prop::sample::select(vec!["not ", "-", "not not ", "- -"]), inner.clone())
                .prop_map(|(sign, operand)| format!("({sign}{operand})")),
            1 => (inner.clone(), inner.clone(), optional()).prop_map(|(chosen, condition, other)| {
                let other = if other.is_empty() { other } else { format!(" else {other}") };
                format!("({chosen} if {condition}{other})")
            }),
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            1 => (inner.clone(), inner.clone()).prop_map(|(key, value)| format!("{{{key}: {value}}}")),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} < {b} != {c})")),
            1 => inner.prop_map(|whole| format!("{whole}.access_token(scope)")),
        ]
    })
}

proptest! {
    #[test]
    fn no_expression_panics(shown in expression(), condition in expression(), scope in prop::option::of("[a-z ]{0,5}")) {
        try_one(&format!("{{{{ {shown} }}}}{{% if {condition} %}}a{{% else %}}{{{{ {condition} }}}}{{% endif %}}"), scope.as_deref())?;
    }

    #[test]
    fn no_text_panics(text in r"([ -~]|\PC|\n){0,60}") {
        try_one(&text, None)?;
    }

    #[test]
    fn no_sequence_of_tokens_panics(parts in prop::collection::vec(prop::sample::select(vec![
        "{{", "}}", "{%", "%}", "{#", "#}", "{{-", "-}}", "{%-", "+%}", " access_token ", " scope ", " fields ", "|", "split", "first", "tojson",
        "replace", "(", ")", "[", "]", "{", "}", "'", "\"", "\\", " if ", "endif", " elif ", " else ", "raw", "endraw", "~", "-", "+", "/",
        "%", "1", "0", ".", ",", ":", "::", " not ", " in ", " is ", "loop", "self", "=", "e", "_", "0x", "\n", "\u{e9}",
    ]), 0..40)) {
        try_one(&parts.concat(), None)?;
    }
}
