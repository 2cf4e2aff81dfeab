//! What may be shown of an answer, by tables of what an attacker might hide in it.

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use proptest::prelude::*;
use reqwest::header::HeaderValue;

use super::*;

const SECRET: &str = "z/tZ9Vw?Fzé q~A+pm";

fn screen() -> Screen<'static> {
    Screen::new([SECRET, "", "pw1"])
}

#[test]
fn codes_are_short_words() {
    let longest = "a".repeat(64);
    for code in ["invalid_client", "Access Denied", "urn:x-y.z", "10401", &longest] {
        assert_eq!(screen().code(code).as_deref(), Some(code));
    }
    let too_long = "a".repeat(65);
    for code in ["", "a\nb", "é", "<b>", "a\"b", "a/b", "has pw1 in it", &too_long] {
        assert_eq!(screen().code(code), None, "{code}");
    }
}

#[test]
fn descriptions_become_one_printable_line_of_200_characters() {
    for (text, shown) in [
        ("AADSTS7000215: Invalid.\r\nTrace ID: 1\r\n", Some("AADSTS7000215: Invalid. Trace ID: 1")),
        ("tab\tand \u{1b}[31mcolour \u{7f}", Some("tab and [31mcolour")),
        ("schlüssel \u{202e}", Some("schl?ssel ?")),
        ("", None),
        (" \r\n", None),
    ] {
        assert_eq!(screen().description(text).as_deref(), shown);
    }
    assert_eq!(screen().description(&"a ".repeat(5000)).map(|shown| shown.len()), Some(200));
}

#[test]
fn a_credential_is_recognised_in_every_dress() {
    let form: String = form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let basic = BASE64_STANDARD.encode(format!("client:{SECRET}"));
    let shifted = BASE64_URL_SAFE_NO_PAD.encode(format!("x{SECRET}"));
    for echo in [
        "client_secret=pw1",
        "PW1",
        "z/tZ9Vw?Fz",
        "tZ9Vw?Fz and no more",
        &form,
        &form.replace('+', "%20"),
        &form.to_lowercase(),
        &basic,
        &format!("auth/{basic}"),
        &basic.replace('+', "%2B").replace('/', "%2F"),
        &format!("Basic {shifted}"),
        &format!("{}{}", "long ".repeat(38), "z/tZ9Vw?Fz"),
    ] {
        assert_eq!(screen().description(&format!("Bad credentials: {echo}")), None, "{echo}");
    }
    assert!(screen().description("Bad credentials for pw2").is_some());
    // What is shown has lost the accent, which must not hide the rest.
    assert_eq!(Screen::new(["né"]).description("Bad password né"), None);
}

#[test]
fn short_credentials_hide_the_words_that_they_are_and_no_others() {
    let text = "The client a is not allowed to use grant password; code 12 of app1.";
    let shown = |secret: &str| Screen::new([secret]).description(text).is_some();
    for innocent in ["a", "e", "is", "12", "ord", "pass", "swor", "sswor", "lowed", "pp1"] {
        assert!(shown(innocent), "{innocent}");
    }
    for word in ["app1", "APP1", "code", "use", "grant", "password;"] {
        assert!(!shown(word), "{word}");
    }
    // Of six and more any occurrence counts.
    assert!(!shown("asswor"));
}

#[test]
fn long_credentials_are_found_by_any_eight_of_their_bytes() {
    let key = "0123456789abcdef".repeat(4000);
    let screen = Screen::new([key.as_str()]);
    assert_eq!(screen.description("It ends in DEF01234."), None);
    assert!(screen.description("It ends in ef0123.").is_some());
}

#[test]
fn the_first_presentable_correlation_id_is_taken() {
    let mut headers = HeaderMap::new();
    assert_eq!(screen().correlation(&headers), None);
    headers.insert("cf-ray", HeaderValue::from_static("8f3a-FRA"));
    assert_eq!(screen().correlation(&headers).as_deref(), Some("8f3a-FRA"));
    for refused in ["", "with space", "pw1", "\"quoted\""] {
        headers.insert("x-request-id", HeaderValue::from_static(refused));
        assert_eq!(screen().correlation(&headers).as_deref(), Some("8f3a-FRA"), "{refused}");
    }
    headers.insert("x-request-id", HeaderValue::from_bytes(&[0xff]).unwrap());
    assert_eq!(screen().correlation(&headers).as_deref(), Some("8f3a-FRA"));
    headers.insert("x-request-id", HeaderValue::from_static("1b2c"));
    assert_eq!(screen().correlation(&headers).as_deref(), Some("1b2c"));
}

proptest! {
    #[test]
    fn nothing_panics_and_what_is_shown_is_printable(text: String, secret: String) {
        let screen = Screen::new([secret.as_str()]);
        for shown in [screen.code(&text), screen.description(&text)].into_iter().flatten() {
            prop_assert!(shown.len() <= 200 && shown.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        }
    }

    #[test]
    fn a_credential_never_shows(
        before in "[ -~]{0,20}",
        secret in "[!-~]{3,40}",
        after in "[ -~]{0,20}",
        dress in 0..4_u8,
    ) {
        let worn = match dress {
            0 => secret.clone(),
            1 => form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
            2 => BASE64_STANDARD.encode(&secret),
            _ => BASE64_URL_SAFE_NO_PAD.encode(format!("{before}:{secret}")),
        };
        let screen = Screen::new([secret.as_str()]);
        // Text that happens to continue the encoding is no encoding of the secret any more.
        let text = format!("{before} {worn} {after}");
        prop_assert_eq!(screen.description(&text), None);
    }
}
