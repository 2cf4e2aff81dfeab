//! Which of several TokenSources with the same target may create it: the oldest. Must not know how the others are found.

use std::borrow::Borrow;

use kube::ResourceExt;

use crate::api::TokenSource;

/// The oldest of `others` that has the same target, if it is older than `source`. The name decides between TokenSources of
/// the same age. A TokenSource that is being deleted does not count.
pub fn conflicting_source(
    source: &TokenSource,
    others: impl IntoIterator<Item = impl Borrow<TokenSource>>,
) -> Option<String> {
    let age = |source: &TokenSource| (source.creation_timestamp().map(|time| time.0), source.name_any());
    let mine = age(source);
    let older = others.into_iter().filter_map(|other| {
        let other: &TokenSource = other.borrow();
        let conflicts = other.target_name() == source.target_name()
            && other.metadata.deletion_timestamp.is_none()
            && other.name_any() != source.name_any();
        conflicts.then(|| age(other)).filter(|age| *age < mine)
    });
    older.min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::to_kubernetes;
    use crate::decide::fixture::at;

    fn source(name: &str, target: Option<&str>, created: i64) -> TokenSource {
        let mut source = TokenSource::new(name, crate::api::TokenSourceSpec::default());
        source.spec.target.name = target.map(str::to_owned);
        source.metadata.creation_timestamp = Some(to_kubernetes(at(created)));
        source
    }

    #[test]
    fn oldest_other_source_with_the_same_target_is_named() {
        let mut ending = source("ending", Some("shared"), 0);
        ending.metadata.deletion_timestamp = Some(to_kubernetes(at(50)));
        let others = [
            ending,
            source("elsewhere", Some("other"), 0),
            source("second", Some("shared"), 2),
            source("first", Some("shared"), 1),
            source("shared", None, 3),
        ];
        let conflict =
            |name: &str, created| conflicting_source(&source(name, Some("shared"), created), &others);
        assert_eq!(conflict("new", 9).as_deref(), Some("first"));
        assert_eq!(conflict("first", 1), None, "not with itself");
        assert_eq!(conflict("earlier", 1), None, "of the same age, and earlier in the alphabet");
        assert_eq!(conflict("later", 1).as_deref(), Some("first"));
    }
}
