//! The texts of a response that are shown: tables of texts in which an attacker could hide a credential.

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use proptest::prelude::*;
use reqwest::header::HeaderValue;

use super::*;

const SECRET: &str = "z/tZ9Vw?Fzé q~A+pm";

fn redactor() -> Redactor<'static> {
    Redactor::new([SECRET, "", "pw1"])
}

#[test]
fn only_short_words_are_shown_as_codes() {
    let longest = "a".repeat(64);
    for code in ["invalid_client", "Access Denied", "urn:x-y.z", "10401", &longest] {
        assert_eq!(redactor().code(code).as_deref(), Some(code));
    }
    let too_long = "a".repeat(65);
    for code in ["", "a\nb", "é", "<b>", "a\"b", "a/b", "has pw1 in it", &too_long] {
        assert_eq!(redactor().code(code), None, "{code}");
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
        assert_eq!(redactor().description(text).as_deref(), shown);
    }
    assert_eq!(redactor().description(&"a ".repeat(5000)).map(|shown| shown.len()), Some(200));
}

#[test]
fn description_with_an_encoded_credential_is_withheld() {
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
        assert_eq!(redactor().description(&format!("Bad credentials: {echo}")), None, "{echo}");
    }
    assert!(redactor().description("Bad credentials for pw2").is_some());
    // The shown text has lost the accent, which must not hide the credential.
    assert_eq!(Redactor::new(["né"]).description("Bad password né"), None);
}

#[test]
fn short_credential_is_found_only_as_a_whole_word() {
    let text = "The client a is not allowed to use grant password; code 12 of app1.";
    let shown = |secret: &str| Redactor::new([secret]).description(text).is_some();
    for innocent in ["a", "e", "is", "12", "ord", "pass", "swor", "sswor", "lowed", "pp1"] {
        assert!(shown(innocent), "{innocent}");
    }
    for word in ["app1", "APP1", "code", "use", "grant", "password;"] {
        assert!(!shown(word), "{word}");
    }
    // A credential of six bytes or more is found inside words, too.
    assert!(!shown("asswor"));
}

#[test]
fn long_credential_is_found_by_any_eight_of_its_bytes() {
    let key = "0123456789abcdef".repeat(4000);
    let redactor = Redactor::new([key.as_str()]);
    assert_eq!(redactor.description("It ends in DEF01234."), None);
    assert!(redactor.description("It ends in ef0123.").is_some());
}

#[test]
fn first_correlation_id_that_may_be_shown_is_used() {
    let mut headers = HeaderMap::new();
    assert_eq!(redactor().correlation(&headers), None);
    headers.insert("cf-ray", HeaderValue::from_static("8f3a-FRA"));
    assert_eq!(redactor().correlation(&headers).as_deref(), Some("8f3a-FRA"));
    for refused in ["", "with space", "pw1", "\"quoted\""] {
        headers.insert("x-request-id", HeaderValue::from_static(refused));
        assert_eq!(redactor().correlation(&headers).as_deref(), Some("8f3a-FRA"), "{refused}");
    }
    headers.insert("x-request-id", HeaderValue::from_bytes(&[0xff]).unwrap());
    assert_eq!(redactor().correlation(&headers).as_deref(), Some("8f3a-FRA"));
    headers.insert("x-request-id", HeaderValue::from_static("1b2c"));
    assert_eq!(redactor().correlation(&headers).as_deref(), Some("1b2c"));
}

proptest! {
    #[test]
    fn no_text_panics_and_shown_texts_are_printable(text: String, secret: String) {
        let redactor = Redactor::new([secret.as_str()]);
        for shown in [redactor.code(&text), redactor.description(&text)].into_iter().flatten() {
            prop_assert!(shown.len() <= 200 && shown.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        }
    }

    #[test]
    fn no_description_shows_a_credential(
        before in "[ -~]{0,20}",
        secret in "[!-~]{3,40}",
        after in "[ -~]{0,20}",
        encoding in 0..4_u8,
    ) {
        let encoded = match encoding {
            0 => secret.clone(),
            1 => form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
            2 => BASE64_STANDARD.encode(&secret),
            _ => BASE64_URL_SAFE_NO_PAD.encode(format!("{before}:{secret}")),
        };
        let redactor = Redactor::new([secret.as_str()]);
        // Spaces, because adjacent text could change the meaning of the encoding.
        let text = format!("{before} {encoded} {after}");
        prop_assert_eq!(redactor.description(&text), None);
    }
}
