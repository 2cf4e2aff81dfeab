//! The URL of a line: the endpoint, the host, and the parameters in the query.
//! Knows URLs and placeholders in them. Must not know what the parameters mean.

use std::collections::HashSet;

use url::Url;

use super::error::LineError;
use super::secrecy::is_unfilled;
use crate::oauth::Endpoint;

/// A URL, taken apart.
pub(super) struct Address {
    /// The URL without user information, query and fragment.
    pub(super) endpoint: String,
    /// The host, with the port if it is not 443: the value of allowed-hosts.
    pub(super) host: String,
    /// `user:password` of the URL. Secret.
    pub(super) user: Option<String>,
    /// The parameters of the query, decoded. Their values may be secret.
    pub(super) query: Vec<(String, String)>,
    /// Words of the endpoint that take the place of placeholders.
    pub(super) unfilled: Vec<String>,
}

/// Takes a URL apart.
pub(super) fn read(text: &str) -> Result<Address, LineError> {
    if is_unfilled(text) && !text.contains("://") {
        return Err(LineError::new(
            "its URL is a placeholder: write the URL of the token endpoint in its place",
        ));
    }
    let Some(rest) = text.strip_prefix("https://") else {
        return Err(LineError::new(
            "its URL does not begin with https://, and credentials are never sent unencrypted: give the provider's https URL",
        ));
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) =
        place.split_at_checked(place.find('/').unwrap_or(place.len())).unwrap_or((place, ""));
    let (user, authority) = match authority.rsplit_once('@') {
        Some((user, authority)) => (Some(user.to_owned()), authority),
        None => (None, authority),
    };
    let mut unfilled = Vec::new();
    let host = host(authority, &mut unfilled);
    let path = replaced(path, &mut unfilled, |word| word.to_ascii_uppercase().replace('-', "_"));
    unfilled.extend(path.split('/').filter(|part| is_unfilled(part)).map(str::to_owned));
    let mut seen = HashSet::new();
    unfilled.retain(|word| seen.insert(word.clone()));
    let unreadable =
        |_| LineError::new("its URL cannot be read: correct it, and give host and path in plain characters");
    let endpoint = Endpoint::parse(&format!("https://{host}{path}")).map_err(unreadable)?;
    let port = endpoint.url().port().map(|port| format!(":{port}")).unwrap_or_default();
    Ok(Address {
        host: format!("{}{port}", endpoint.host()),
        endpoint: shown(endpoint.url()),
        user,
        query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        unfilled,
    })
}

/// The URL as it is written in a manifest: without a path that is only `/`.
fn shown(url: &Url) -> String {
    let text = url.as_str();
    if url.path() == "/" { text.trim_end_matches('/').to_owned() } else { text.to_owned() }
}

/// The host. A placeholder in it becomes a name under `.example`, which is reserved (RFC 2606).
fn host(authority: &str, unfilled: &mut Vec<String>) -> String {
    let small = |word: &str| word.to_ascii_lowercase().replace('_', "-");
    let host = replaced(authority, unfilled, small);
    let is_word = is_unfilled(&host) || host.contains('_');
    let host = if is_word && unfilled.is_empty() {
        let host = small(&host);
        unfilled.push(host.clone());
        host
    } else {
        host
    };
    let is_placeholder = !unfilled.is_empty() && !host.contains('.');
    if is_placeholder {
        unfilled.clear();
        unfilled.push(format!("{host}.example"));
        return format!("{host}.example");
    }
    host
}

/// The text with a word in place of each `{name}`, `{{name}}`, `<name>`, `$NAME` and `${NAME}`.
fn replaced(text: &str, unfilled: &mut Vec<String>, spelt: impl Fn(&str) -> String) -> String {
    let mut output = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if !matches!(letter, '{' | '<' | '$') {
            output.push(letter);
            continue;
        }
        let in_brackets = letter != '$' || letters.peek() == Some(&'{');
        let mut word = String::new();
        while let Some(next) = letters.peek().copied() {
            let belongs = match next {
                '{' => word.is_empty(),
                '}' | '>' => in_brackets,
                '/' => false,
                other => in_brackets || other.is_ascii_alphanumeric() || other == '_',
            };
            if !belongs {
                break;
            }
            letters.next();
            if matches!(next, '}' | '>') {
                // Skips the second bracket of `{{name}}` too.
                letters.next_if_eq(&'}');
                break;
            }
            word.push(if next.is_ascii_alphanumeric() { next } else { '-' });
        }
        let word = spelt(word.trim_matches('-'));
        output.push_str(&word);
        unfilled.push(word);
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_urls_become_words() {
        let cases = [
            ("https://auth.example.com/token", "https://auth.example.com/token", "auth.example.com", 0),
            (
                "https://auth.example.com:8443/a",
                "https://auth.example.com:8443/a",
                "auth.example.com:8443",
                0,
            ),
            (
                "https://login.example.com/{tenant}/token",
                "https://login.example.com/TENANT/token",
                "login.example.com",
                1,
            ),
            ("https://{{domain}}/token", "https://domain.example/token", "domain.example", 1),
            (
                "https://${ORG}.okta.com/a/<server id>/b",
                "https://org.okta.com/a/SERVER_ID/b",
                "org.okta.com",
                2,
            ),
            (
                "https://YOUR_DOMAIN/oauth/token",
                "https://your-domain.example/oauth/token",
                "your-domain.example",
                1,
            ),
            (
                "https://your-shop.myshopify.com/a",
                "https://your-shop.myshopify.com/a",
                "your-shop.myshopify.com",
                1,
            ),
            (
                "https://auth.example.com/{tenant}/a/{policy}",
                "https://auth.example.com/TENANT/a/POLICY",
                "auth.example.com",
                2,
            ),
            (
                "https://enterprise.acme.com/token",
                "https://enterprise.acme.com/token",
                "enterprise.acme.com",
                0,
            ),
            ("https://$HOST:8200/v1", "https://host:8200.example/v1", "", 9),
        ];
        for (text, endpoint, host, unfilled) in cases {
            match read(text) {
                Ok(address) => assert_eq!(
                    (address.endpoint.as_str(), address.host.as_str(), address.unfilled.len()),
                    (endpoint, host, unfilled)
                ),
                Err(_) => assert_eq!(unfilled, 9, "{text}"),
            }
        }
    }
}
