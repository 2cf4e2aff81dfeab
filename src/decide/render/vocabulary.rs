//! What the author of a template may use, and how much of it. Must not know how a template is evaluated.

/// The word for the members that `response.keep` names.
pub(super) const FIELDS: &str = "fields";
/// The statements.
pub(super) const STATEMENTS: [&str; 4] = ["if", "elif", "else", "endif"];
/// How many words and signs may stand in the braces of one template.
pub(super) const TOKENS: usize = 500;
/// How deep brackets, conditions and signs before a value may be nested.
pub(super) const DEPTH: usize = 32;

/// The filters.
pub(super) const FILTERS: [&str; 12] = [
    "b64encode",
    "first",
    "join",
    "last",
    "length",
    "lower",
    "replace",
    "split",
    "tojson",
    "trim",
    "upper",
    "urlencode",
];
