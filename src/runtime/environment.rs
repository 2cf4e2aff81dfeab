//! Access to the environment for layers that may not read it themselves. Knows no variable's name.

/// The value of a variable, if it is set and is text.
#[allow(clippy::disallowed_methods)] // for kubectl's variables, which clap does not know
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
