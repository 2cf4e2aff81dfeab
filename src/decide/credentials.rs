//! Mistakes in credentials that are visible before a provider refuses them: placeholders from examples, quotes, white space,
//! double base64. Knows the values. Its messages say where a mistake is and never quote a value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::secrets::{Data, used_keys};
use super::{Failure, RequestInputs};
use crate::api::{Reason, ReasonKind, TokenProviderSpec, TokenSourceSpec};
use crate::oauth::trim_one_newline;

/// Texts that examples use in place of a value.
const PLACEHOLDERS: [&str; 9] = [
    "replace-me",
    "replace_me",
    "replaceme",
    "change-me",
    "change_me",
    "changeme",
    "...",
    "\u{2026}",
    "********",
];

/// The minimum length of a value that is checked. Shorter values may be valid base64 by chance.
const SHORTEST_ENCODED: usize = 16;

/// The values that a request may use, with the names of their Secrets and keys.
fn used<'a>(
    spec: &'a TokenSourceSpec,
    provider: &'a TokenProviderSpec,
    inputs: &'a RequestInputs,
) -> impl Iterator<Item = (&'a str, String, &'a str)> {
    let value = |data: &'a Data, key: &str| std::str::from_utf8(&data.get(key)?.0).ok().map(trim_one_newline);
    let credentials = used_keys(spec, provider).into_iter().filter_map(move |key| {
        let value = value(&inputs.credentials, &key)?;
        Some((spec.credentials_ref.as_ref()?.name.as_str(), key, value))
    });
    let others = inputs.secrets.iter().filter_map(move |(role, data)| {
        let reference = role.reference(provider)?;
        Some((reference.name.as_str(), reference.key.clone(), value(data, &reference.key)?))
    });
    credentials.chain(others)
}

/// Refuses placeholders, which are never sent, because providers count wrong passwords.
pub fn placeholder(
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
    inputs: &RequestInputs,
) -> Option<Failure> {
    let (secret, key, _) = used(spec, provider, inputs).find(|(_, _, value)| is_placeholder(value.trim()))?;
    Some(Failure::local(
        Reason::CredentialsInvalid,
        format!(
            "Key {key} of Secret {secret} still holds the placeholder of an example; nothing was sent. Put the value \
             there that the provider issued."
        ),
    ))
}

/// Whether this is a text that examples use in place of a credential.
pub fn is_placeholder(value: &str) -> bool {
    let bracketed = value.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    PLACEHOLDERS.contains(&value.to_ascii_lowercase().as_str())
        || bracketed.is_some_and(|words| {
            words.chars().all(|letter| letter.is_ascii_alphabetic() || " -_".contains(letter))
        })
}

/// The mistakes that the values may contain, for a person who looks for the reason of a refusal.
pub fn doubts(spec: &TokenSourceSpec, provider: &TokenProviderSpec, inputs: &RequestInputs) -> Vec<String> {
    let doubt = |(secret, key, value): (&str, String, &str)| {
        let what = doubt(value)?;
        Some(format!("Key {key} of Secret {secret} {what}."))
    };
    used(spec, provider, inputs).filter_map(doubt).collect()
}

fn doubt(value: &str) -> Option<&'static str> {
    // Line breaks are normal in keys and certificates.
    if value.starts_with("-----") {
        return None;
    }
    let quoted = |quote: char| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    if value.trim() != value {
        Some(
            "begins or ends with white space, which is sent unchanged: remove it if the provider issued none",
        )
    } else if quoted('"') || quoted('\'') {
        Some("is in quotes, which are sent unchanged: remove them if the provider issued none")
    } else if is_encoded(value) {
        Some(
            "is base64 of a text: if it was encoded by hand and put into data, put it into stringData as it was issued",
        )
    } else {
        None
    }
}

/// Whether the value is base64 of printable text. A random value almost never is.
fn is_encoded(value: &str) -> bool {
    let decoded = STANDARD.decode(value.trim()).unwrap_or_default();
    value.len() >= SHORTEST_ENCODED
        && !decoded.is_empty()
        && decoded.iter().all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\n'))
}

/// Adds possible mistakes in the credentials to the refusal of a client.
pub fn explained(
    mut failure: Failure,
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
    inputs: &RequestInputs,
) -> Failure {
    if failure.reason.kind() == ReasonKind::Credentials {
        for doubt in doubts(spec, provider, inputs) {
            failure.message.push(' ');
            failure.message.push_str(&doubt);
        }
    }
    failure
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;
    use crate::decide::fixture::Scene;

    fn inputs(secret: &str) -> RequestInputs {
        let entry = |key: &str, value: &str| (key.to_owned(), ByteString(value.as_bytes().to_vec()));
        RequestInputs {
            credentials: [
                entry("client_id", "the-client"),
                entry("client_secret", secret),
                entry("note", "replace-me"),
            ]
            .into(),
            ..RequestInputs::default()
        }
    }

    #[test]
    fn placeholders_are_sent_to_nobody() {
        let scene = Scene::fresh();
        let provider = scene.provider.clone().unwrap();
        let refused = |secret: &str| placeholder(&scene.spec, &provider, &inputs(secret));
        for secret in
            ["replace-me", "REPLACE_ME\n", "changeme", "<your client secret>", "<secret>", "\u{2026}", "..."]
        {
            let failure = refused(secret).unwrap_or_else(|| panic!("{secret} would be sent"));
            assert_eq!(failure.reason, Reason::CredentialsInvalid);
            assert!(failure.message.contains("Key client_secret of Secret client"), "{}", failure.message);
        }
        for secret in ["s3cr3t", "replace-me-not", "<a1b2c3>", "changeme7", ""] {
            assert_eq!(refused(secret), None, "{secret}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_unusual_and_never_a_value() {
        let scene = Scene::fresh();
        let provider = scene.provider.clone().unwrap();
        for (secret, words) in [
            ("s3cr3t ", "white space"),
            ("\ts3cr3t", "white space"),
            ("s3cr3t\n\n", "white space"),
            ("\"s3cr3t\"", "in quotes"),
            ("'s3cr3t'", "in quotes"),
            ("czNjcjN0LW9mLXRoZS1jbGllbnQ=", "base64 of a text"),
            ("czNjcjN0LW9mLXRoZS1jbGllbnQK", "base64 of a text"),
        ] {
            let failure =
                crate::decide::fixture::failure(Reason::InvalidClient, crate::oauth::Retry::TRANSIENT);
            let text = explained(failure, &scene.spec, &provider, &inputs(secret)).message;
            assert!(
                text.contains("Key client_secret of Secret client") && text.contains(words),
                "{secret:?}: {text}"
            );
            assert!(!text.contains(secret.trim()), "{text}");
        }
        for secret in ["s3cr3t", "s3cr3t\n", "hZ9+Qm1vP0pXb2xk/w3rT7uK", "c2hvcnQ="] {
            assert_eq!(doubts(&scene.spec, &provider, &inputs(secret)), Vec::<String>::new(), "{secret:?}");
        }
        let other = crate::decide::fixture::outage();
        assert_eq!(explained(other.clone(), &scene.spec, &provider, &inputs("x ")), other);
    }
}
