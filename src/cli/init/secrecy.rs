//! Decides which values of a line are secret, and which are placeholders. Knows names and shapes. Does not recognize every
//! secret, such as a short password in a parameter with an ordinary name.

/// Parts of names that mark a secret at any position.
const MARKS: [&str; 9] =
    ["secret", "passw", "passphrase", "pwd", "assertion", "apikey", "signature", "credential", "private"];
/// Ends of names that mark a secret.
const ENDS: [&str; 2] = ["token", "key"];
/// Whole words that mark a secret.
const WORDS: [&str; 15] = [
    "token",
    "key",
    "pass",
    "pin",
    "otp",
    "totp",
    "code",
    "jwt",
    "saml",
    "auth",
    "authorization",
    "sig",
    "cookie",
    "session",
    "hmac",
];
/// Last words of the names of parameters that describe a secret but do not contain one, such as `token_type`.
const DESCRIPTIONS: [&str; 17] = [
    "type",
    "id",
    "ids",
    "format",
    "hint",
    "alg",
    "algorithm",
    "method",
    "url",
    "uri",
    "expiry",
    "ttl",
    "duration",
    "lifetime",
    "version",
    "use",
    "name",
];

/// Beginnings of keys and tokens, which are secret under every name.
const PREFIXES: [&str; 12] =
    ["eyJ", "-----", "sk_", "sk-", "rk_", "ghp_", "gho_", "ghs_", "github_pat_", "xox", "AKIA", "shp"];
/// Random strings of at least this length are secrets, except UUIDs.
const RANDOM: usize = 32;

/// Whether the value of a parameter or header may be a secret.
pub(super) fn is_secret(name: &str, value: &str) -> bool {
    is_secret_name(name) || (!is_unfilled(value) && is_secret_shape(value))
}

fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    let joined = words.concat();
    // The value of `secret_id` is a secret.
    let is_description = words.last().is_some_and(|last| DESCRIPTIONS.contains(&last.as_str()));
    if is_description && !joined.ends_with("secretid") {
        return false;
    }
    MARKS.iter().any(|mark| joined.contains(mark))
        || ENDS.iter().any(|end| joined.ends_with(end))
        || words.iter().any(|word| WORDS.contains(&word.as_str()))
}

/// The words of `app_secret`, `X-Api-Key` and `clientSecret`, in small letters.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for letter in name.chars() {
        if !letter.is_alphanumeric() || (letter.is_uppercase() && small) {
            words.push(String::new());
        }
        small = letter.is_lowercase();
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
    }
    // `token2` is a token.
    let words =
        words.iter().map(|word| word.trim_end_matches(|letter: char| letter.is_ascii_digit()).to_owned());
    words.filter(|word| !word.is_empty()).collect()
}

fn is_secret_shape(value: &str) -> bool {
    let value = value.trim();
    let is_random = value.len() >= RANDOM
        && value.chars().all(|letter| letter.is_ascii_alphanumeric() || "+/=_-".contains(letter))
        && value.contains(|letter: char| letter.is_ascii_digit())
        && value.contains(|letter: char| letter.is_ascii_alphabetic());
    is_random && !is_uuid(value) || PREFIXES.iter().any(|prefix| value.starts_with(prefix))
}

fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.char_indices().all(|(at, letter)| match at {
            8 | 13 | 18 | 23 => letter == '-',
            _ => letter.is_ascii_hexdigit(),
        })
}

/// Whether the value is a placeholder for a value of the reader: `$ID`, `<your id>`, `{id}`, `YOUR_ID`, `xxx`.
pub(super) fn is_unfilled(value: &str) -> bool {
    let value = value.trim();
    let between =
        |start: char, end: char| value.starts_with(start) && value.ends_with(end) && value.len() > 1;
    let lower = value.to_ascii_lowercase();
    let is_variable = value
        .split('$')
        .skip(1)
        .any(|rest| rest.starts_with(|letter: char| letter.is_ascii_alphabetic() || "{(_".contains(letter)));
    let is_constant = value.contains('_')
        && value.starts_with(|letter: char| letter.is_ascii_uppercase())
        && value
            .chars()
            .all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_');
    is_variable
        || is_constant
        || between('<', '>')
        || between('{', '}')
        || between('[', ']')
        || between('%', '%')
        || value.contains("{{")
        || value.contains("...")
        || value.contains('\u{2026}')
        || ["your", "_your", "my_", "my-"].iter().any(|word| lower.starts_with(word))
        || ["replace", "change", "insert", "enter"]
            .iter()
            .any(|word| lower.strip_prefix(word).is_some_and(is_rest_of_instruction))
        || (!value.is_empty() && value.chars().all(|letter| "xX*".contains(letter)))
}

/// Whether the text continues an instruction to the reader, as in `enter-id`, `changeme` and `insert_your_key`, and no other
/// word, such as `enterprise`.
fn is_rest_of_instruction(rest: &str) -> bool {
    !rest.starts_with(char::is_alphanumeric)
        || ["me", "this", "your", "here", "with"].iter().any(|word| rest.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_recognized_in_every_spelling() {
        for name in [
            "client_secret",
            "CLIENT-SECRET",
            "clientSecret",
            "app_secret",
            "appsecret",
            "password",
            "Passwd",
            "user_pwd",
            "refresh_token",
            "subject_token",
            "token",
            "access_token2",
            "assertion",
            "client_assertion",
            "api_key",
            "apikey",
            "apiKey",
            "X-Api-Key",
            "key",
            "Ocp-Apim-Subscription-Key",
            "signature",
            "sig",
            "secretid",
            "pin",
            "code",
            "jwt",
            "secret_key",
            "private_key",
            "x-amz-security-token",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "client_id",
            "grant_type",
            "subject_token_type",
            "client_assertion_type",
            "token_format",
            "key_id",
            "scope",
            "audience",
            "resource",
            "account_id",
            "tenant",
            "keyspace",
            "monkeys",
            "username",
            "realm",
            "requested_token_use",
            "role",
            "",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn values_that_look_like_keys_are_secret_whatever_their_names() {
        for value in [
            "eyJhbGciOiJIUzI1NiJ9.e30.x",
            "-----BEGIN PRIVATE KEY-----",
            "sk_live_1",
            "0123456789abcdef0123456789abcdef",
        ] {
            assert!(is_secret("other", value), "{value}");
        }
        for value in [
            "6f1c9d3e-0b1a-4c5d-8e9f-001122334455",
            "https://api.example.com/v1/resources/123456",
            "read write",
            "$LONG_NAME",
        ] {
            assert!(!is_secret("other", value), "{value}");
        }
    }

    #[test]
    fn values_that_were_never_filled_in_are_recognized() {
        for value in [
            "$ID",
            "${ID}",
            "pre-$ID",
            "<your id>",
            "{client_id}",
            "{{clientId}}",
            "[id]",
            "%ID%",
            "YOUR_CLIENT_ID",
            "CLIENT_ID",
            "your-client-id",
            "YOUR CLIENT ID",
            "_YOUR_USER_NAME_",
            "xxxx",
            "****",
            "abc...",
            "$(cat id)",
        ] {
            assert!(is_unfilled(value), "{value}");
        }
        for value in ["integration-api", "a$1", "0oa1b2c3", "", "client", "ABC", "{a} and {b", "https://a/b"]
        {
            assert!(!is_unfilled(value), "{value}");
        }
    }
}
