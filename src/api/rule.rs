//! Validation rules and schemas of fields, each rule with a message that says what to write.
//! These are CEL rules rather than a `pattern`, because for a pattern the API server shows users a regular expression.
//! Must not know which field has which rule.

use kube::core::Rule;

const DURATION: &str = r"^([0-9]{1,7}(\\.[0-9]{1,9})?(ms|s|m|h))+$";

/// Characters without a visible shape: control characters, and characters that hide or reorder their neighbours.
const UNSEEN: &str = r"[\p{C}\p{Zl}\p{Zp}]";

fn rule(expression: impl Into<String>, message: &str) -> Rule {
    Rule::new(expression).message(message)
}

/// The name of an object.
pub(super) fn object_name() -> Rule {
    rule(
        r"self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
        "write the name of an object: small letters, digits, '-' and '.', with a letter or digit at each end",
    )
}

/// A key of a Secret or `ConfigMap`.
pub(super) fn data_key() -> Rule {
    rule(
        "self.matches('^[-._a-zA-Z0-9]+$')",
        "write a key of the object's data: letters, digits, '-', '_' and '.'",
    )
}

/// One line of visible characters.
pub(super) fn visible() -> Rule {
    rule(
        format!("!self.matches(r'{UNSEEN}')"),
        "leave out line breaks, control characters and invisible characters",
    )
}

/// A list of texts, each one line of visible characters.
pub(super) fn all_visible() -> Rule {
    rule(
        format!("self.all(text, !text.matches(r'{UNSEEN}'))"),
        "leave out line breaks, control characters and invisible characters",
    )
}

/// A list of words.
pub(super) fn words() -> Rule {
    rule(
        format!(r"self.all(word, !word.matches(r'\s|{UNSEEN}'))"),
        "write each scope as an entry of its own, without spaces: [read, write] and not ['read write']",
    )
}

/// A name in a request: visible ASCII.
pub(super) fn token() -> Rule {
    rule("self.matches('^[!-~]+$')", "write it without spaces, in ASCII characters")
}

/// The name of a header (RFC 9110).
pub(super) fn header_name() -> Rule {
    rule(
        "self.matches(r'^[-!#$%&\\x27*+.^_`|~0-9A-Za-z]+$')",
        "a header's name consists of letters, digits and '-', without spaces and colons",
    )
}

/// The value of a header.
pub(super) fn header_value() -> Rule {
    rule(r"self.matches('^[\\t -~]*$')", "a header's value is one line of ASCII characters")
}

/// A token type (RFC 6749, appendix A.13).
pub(super) fn token_type() -> Rule {
    rule("self.matches('^[A-Za-z0-9._~-]+$')", "a token type is one word, such as Bearer")
}

/// A JSON Pointer.
pub(super) fn pointer() -> Rule {
    rule(
        format!("self.startsWith('/') && !self.matches(r'{UNSEEN}')"),
        "write a JSON Pointer, which begins with '/': /access_token, or /data/token for a member of a member",
    )
}

/// The values of labels.
pub(super) fn label_values() -> Rule {
    rule(
        "self.all(key, self[key].matches('^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$'))",
        "a label's value consists of at most 63 letters, digits, '-', '_' and '.', with a letter or digit at each end",
    )
}

/// A duration.
pub(super) fn duration() -> Rule {
    rule(
        format!("self.matches('{DURATION}')"),
        "write a duration such as 90s, 15m or 1h30m: numbers with the units h, m, s or ms, without spaces (a day is 24h)",
    )
}

/// Bounds of a duration. A text that is no duration is left to [`duration`], whose message is more useful.
pub(super) fn bounds(condition: &str, message: &str) -> Rule {
    rule(format!("!self.matches('{DURATION}') || ({condition})"), message)
}

/// The schema of an endpoint's URL. The field has the description.
pub(super) fn endpoint_url(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "maxLength": 2048,
        "x-kubernetes-validations": [
            {
                "rule": "self.startsWith('https://') && isURL(self)",
                "message": "write a full https:// URL: tokens and secrets are never sent unencrypted, and there is no switch for it",
            },
            {
                "rule": "!self.matches('^https://[^/?#]*@')",
                "message": "leave user:password@ out of the URL: credentials belong in the Secret that credentialsRef names",
            },
            {
                "rule": "!self.contains('#')",
                "message": "leave the fragment (#...) out: it is never sent",
            },
        ],
    })
}

/// The schema of additional JOSE header members. The field has the description. Members with a field of their own are
/// refused, and so are `crit` and `b64`, which change how a signature is read.
pub(super) fn jose_headers(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 1024},
        "x-kubernetes-validations": [
            {
                "rule": "self.all(name, !(name in ['alg', 'kid', 'x5t', 'x5t#S256', 'x5c', 'crit', 'b64']))",
                "message": "write algorithm, keyId, x5t, x5tS256 or x5c beside headers instead of alg, kid, x5t, x5t#S256 or x5c; leave \
                            crit and b64 out",
            },
            {
                "rule": "self.all(name, size(name) >= 1 && size(name) <= 64)",
                "message": "the name of a header member has 1 to 64 characters",
            },
            {
                "rule": format!("self.all(name, !self[name].matches(r'{UNSEEN}'))"),
                "message": "leave out line breaks, control characters and invisible characters",
            },
        ],
    })
}

/// The schema of kept members: pointers by the names that templates use. The field has the description.
pub(super) fn kept_members(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 256},
        "x-kubernetes-validations": [
            {
                "rule": "self.all(name, name.matches('^[A-Za-z_][A-Za-z0-9_]{0,62}$'))",
                "message": "a template uses the name as fields.NAME: write at most 63 letters, digits and '_', without a digit at \
                            its beginning",
            },
            {
                "rule": format!("self.all(name, self[name].startsWith('/') && !self[name].matches(r'{UNSEEN}'))"),
                "message": "write a JSON Pointer, which begins with '/': /instance_url, or /data/host for a member of a member",
            },
        ],
    })
}

/// How far an assertion may be dated back.
pub(super) fn backdate() -> Rule {
    bounds("duration(self) <= duration('10m')", "an assertion is dated back by 10m at most")
}

/// The schema of additional claims: any JSON object.
pub(super) fn claims(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "description": "Additional claims, as a JSON object.",
        "type": "object",
        "maxProperties": 64,
        "x-kubernetes-preserve-unknown-fields": true,
    })
}
