//! Mistakes in credentials that are visible before a provider refuses them: placeholders from examples, quotes, white space,
//! double base64. Knows the values. Its messages say where a mistake is and never quote a value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

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
    let in_secret = used(spec, provider, inputs).find(|(_, _, value)| is_placeholder(value.trim()));
    let of_secret = |(secret, key, _): (&str, String, &str)| {
        let message = format!(
            "Key {key} of Secret {secret} still holds the placeholder of an example; nothing was sent. Put the value there \
             that the provider issued."
        );
        Failure::local(Reason::CredentialsInvalid, message)
    };
    in_secret.map(of_secret).or_else(|| {
        let field = field_with_placeholder(spec, provider)?;
        let message = format!(
            "Field {field} still holds the placeholder of an example; nothing was sent. Put the value there that the \
             provider documents."
        );
        Some(Failure::local(Reason::InvalidSpec, message))
    })
}

/// The field that shapes the request and has a placeholder. Texts without a letter, or in brackets, are not among these
/// placeholders: no credential looks so, but a value that a provider expects may.
fn field_with_placeholder(spec: &TokenSourceSpec, provider: &TokenProviderSpec) -> Option<String> {
    let found = |(name, value): (&str, Value)| in_value(name, &value);
    let of_source = [("clientId", json!(spec.client_id)), ("token", json!(spec.token))];
    of_source.into_iter().find_map(found).or_else(|| {
        // Serialization gives an object, because the block is a struct.
        json!(provider)
            .as_object()?
            .iter()
            .find_map(|(name, value)| in_value(name, value))
            .map(|path| format!("{path} of the provider"))
    })
}

/// The path of the first text in this value that is a placeholder of letters.
fn in_value(path: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let is_word = text.contains(|letter: char| letter.is_ascii_alphabetic());
            (is_word && is_listed(text.trim())).then(|| path.to_owned())
        }
        Value::Array(values) => {
            values.iter().enumerate().find_map(|(at, value)| in_value(&format!("{path}[{at}]"), value))
        }
        // The names of objects and keys are not sent.
        Value::Object(_) if path.ends_with("Ref") => None,
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !(path.ends_with("serviceAccountToken") && *name == "name"))
            .find_map(|(name, value)| in_value(&format!("{path}.{name}"), value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn is_listed(value: &str) -> bool {
    PLACEHOLDERS.contains(&value.to_ascii_lowercase().as_str())
}

/// Whether this is a text that examples use in place of a credential.
pub fn is_placeholder(value: &str) -> bool {
    let bracketed = value.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    is_listed(value)
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
    fn placeholders_in_the_spec_are_sent_to_nobody() {
        let scene = Scene::fresh();
        let filled = scene.provider.clone().unwrap();
        let refused = |spec: &TokenSourceSpec, provider: &TokenProviderSpec| {
            placeholder(spec, provider, &inputs("s3cr3t")).map(|failure| (failure.reason, failure.message))
        };
        let of_provider: TokenProviderSpec = serde_json::from_value(json!({
            "grantType": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "parameters": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}],
            "assertionGrant": {"issuer": "replace-me"},
        }))
        .unwrap();
        let (reason, message) = refused(&scene.spec, &of_provider).unwrap();
        assert_eq!(reason, Reason::InvalidSpec);
        assert!(message.starts_with("Field assertionGrant.issuer of the provider still holds"), "{message}");
        let mut spec = scene.spec.clone();
        spec.token.scopes = vec!["read".to_owned(), "Change-Me".to_owned()];
        let (_, message) = refused(&spec, &filled).unwrap();
        assert!(message.starts_with("Field token.scopes[1] still holds"), "{message}");
        let spec = TokenSourceSpec { client_id: Some("replace_me".to_owned()), ..scene.spec.clone() };
        assert!(refused(&spec, &filled).unwrap().1.starts_with("Field clientId still holds"));
        // The names of other objects are not sent, and objects with these names can exist.
        let naming: TokenProviderSpec = serde_json::from_value(json!({
            "subjectToken": {"secretKeyRef": {"name": "changeme", "key": "replace-me"}},
            "actorToken": {"serviceAccountToken": {"name": "changeme", "audience": "https://sts.example"}},
        }))
        .unwrap();
        assert_eq!(refused(&scene.spec, &naming), None);
        // A text in brackets, or of dots alone, may be a value that a provider expects.
        let mut spec = scene.spec.clone();
        spec.token.scopes = ["<all>", "...", "replace-me-not"].map(str::to_owned).into();
        assert_eq!(refused(&spec, &filled), None);
        // The name of another object is not sent, and an object with this name can exist.
        spec.credentials_ref.as_mut().unwrap().name = "replace-me".to_owned();
        assert_eq!(refused(&spec, &filled), None);
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
