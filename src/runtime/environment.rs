//! The environment, for those who may not read it themselves. Knows no variable's name.

/// The value of a variable, if it is set and text.
#[allow(clippy::disallowed_methods)] // no setting of ours: kubectl's variables, which clap does not know
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
