//! Judges the rights of the controllers and of the user. Pure.

use std::collections::BTreeMap;

use super::facts::{Facts, RightFact, Subject};
use super::finding::{Check, Finding};

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (subject, rights) in by_subject(&facts.rights) {
        let refused = |right: &&&RightFact| right.allowed == Ok(false);
        let missing: Vec<&&RightFact> = rights.iter().filter(refused).collect();
        let unknown = rights.iter().find_map(|right| right.allowed.as_ref().err());
        let who = match subject {
            Subject::User => "You".to_owned(),
            Subject::Controller(account) => format!("The controller's ServiceAccount {account}"),
        };
        if let Some(why) = unknown {
            findings.push(Check::Rights.not_checked(match subject {
                Subject::User => format!("Your rights could not be checked: {why}"),
                Subject::Controller(account) => {
                    format!("The rights of ServiceAccount {account} could not be checked: {why}")
                }
            }));
        }
        if missing.is_empty() {
            continue;
        }
        let message = format!("{who} may not {}.", in_words(&missing));
        findings.push(match subject {
            Subject::User => Check::Rights.warning(
                "UserRightMissing",
                message,
                "Ask for the Role of docs/cli.md; without `patch`, you can look but not renew, suspend or resume.",
            ),
            Subject::Controller(_) => Check::Rights.failure(
                "ControllerRightMissing",
                message,
                "Apply the Roles and bindings of the controller's version again (deploy/kustomize, or the chart), and look for \
                 a change of the ServiceAccount or of the served namespaces.",
            ),
        });
    }
    if !facts.rights.iter().any(|right| right.subject != Subject::User) {
        findings.push(
            Check::Rights.not_checked("The controller's rights: no Deployment names its ServiceAccount."),
        );
    }
    if findings.is_empty() {
        findings.push(Check::Rights.ok("The controller has every right that it needs, and so do you."));
    }
    findings
}

fn by_subject(rights: &[RightFact]) -> BTreeMap<&Subject, Vec<&RightFact>> {
    rights.iter().fold(BTreeMap::new(), |mut subjects, right| {
        subjects.entry(&right.subject).or_insert_with(Vec::new).push(right);
        subjects
    })
}

/// `create secrets, patch secrets (in all namespaces); get leases (in namespace tokensource-system)`
fn in_words(missing: &[&&RightFact]) -> String {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for right in missing {
        places
            .entry(right.namespace.as_deref().unwrap_or_default())
            .or_default()
            .push(right.right.in_words());
    }
    let places = places.iter().map(|(namespace, rights)| {
        let place =
            if namespace.is_empty() { "all namespaces".to_owned() } else { format!("namespace {namespace}") };
        format!("{} (in {place})", rights.join(", "))
    });
    places.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::super::facts::Read;
    use super::super::fixture::{facts, results, right};
    use super::*;

    #[test]
    fn missing_rights_are_named_with_their_place() {
        let controller = || Subject::Controller("system/account".to_owned());
        let unknown: Read<bool> = Err("forbidden".to_owned());
        let cases: [(Vec<RightFact>, &[&str]); 6] = [
            (vec![right(Subject::User, None, Ok(true)), right(controller(), None, Ok(true))], &["ok Ok"]),
            (
                vec![right(Subject::User, None, Ok(false)), right(controller(), None, Ok(true))],
                &["warning UserRightMissing"],
            ),
            (vec![right(controller(), Some("team"), Ok(false))], &["failure ControllerRightMissing"]),
            (vec![right(controller(), None, unknown.clone())], &["notChecked NotChecked"]),
            (vec![right(Subject::User, None, Ok(true))], &["notChecked NotChecked"]),
            (
                vec![right(controller(), None, unknown), right(controller(), Some("team"), Ok(false))],
                &["notChecked NotChecked", "failure ControllerRightMissing"],
            ),
        ];
        for (at, (rights, expected)) in cases.into_iter().enumerate() {
            let facts = Facts { rights, ..facts() };
            assert_eq!(results(&check(&facts)), expected, "case {at}");
        }
        let rights = vec![
            right(controller(), None, Ok(false)),
            right(controller(), Some("team"), Ok(false)),
            right(controller(), Some("team"), Ok(false)),
        ];
        assert_eq!(
            check(&Facts { rights, ..facts() })[0].message,
            "The controller's ServiceAccount system/account may not create secrets (in all namespaces); create secrets, \
             create secrets (in namespace team)."
        );
    }
}
