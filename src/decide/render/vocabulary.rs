//! The statements and filters that templates may use, and their limits. Must not know how a template is evaluated.

/// The variable with the members that `response.keep` names.
pub(super) const FIELDS: &str = "fields";
/// The statements.
pub(super) const STATEMENTS: [&str; 4] = ["if", "elif", "else", "endif"];
/// The maximum number of tokens in the braces of one template.
pub(super) const TOKENS: usize = 500;
/// The maximum nesting of brackets, conditions and unary operators.
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
