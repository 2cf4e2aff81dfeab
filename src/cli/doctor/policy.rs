//! Judges the admission policies: installed, bound, enforced, and equal to this version's. Pure.

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::ResourceExt;

use super::facts::{Facts, Policies};
use super::finding::{Check, Finding};

const INSTALL: &str = "Apply the policies of the controller's version: kubectl apply -k deploy/kustomize/policy, or policy.enabled \
                       in the chart.";

pub(super) fn check(facts: &Facts, ours: &[ValidatingAdmissionPolicy]) -> Vec<Finding> {
    let found = match &facts.policies {
        Err(why) => {
            return vec![
                Check::Policy.not_checked(format!("The admission policies could not be read: {why}")),
            ];
        }
        Ok(found) => found,
    };
    if found.policies.is_empty() {
        return vec![Check::Policy.warning(
            "PolicyMissing",
            "The admission policies are not installed: whoever may write TokenSources can use every Secret whose \
             allowed-hosts names the endpoint.",
            INSTALL,
        )];
    }
    let mut findings = Vec::new();
    for ours in ours {
        // The names depend on the release, but no two policies have the same kind of parameter.
        match found.policies.iter().find(|policy| parameter(policy) == parameter(ours)) {
            None => findings.push(Check::Policy.failure(
                "PolicyMissing",
                format!("There are admission policies, but not {}.", ours.name_any()),
                INSTALL,
            )),
            Some(policy) => findings.extend(judge(policy, ours, found)),
        }
    }
    if findings.is_empty() {
        findings.push(
            Check::Policy.ok(
                "The admission policies are installed, bound, and equal to the policies of this version.",
            ),
        );
    }
    findings
}

/// The kind of provider that a policy has as parameter; None if the policy checks the object alone.
fn parameter(policy: &ValidatingAdmissionPolicy) -> Option<&str> {
    policy.spec.as_ref()?.param_kind.as_ref()?.kind.as_deref()
}

fn judge(
    policy: &ValidatingAdmissionPolicy,
    ours: &ValidatingAdmissionPolicy,
    found: &Policies,
) -> Vec<Finding> {
    let name = policy.name_any();
    let is_bound = |binding: &&ValidatingAdmissionPolicyBinding| {
        binding.spec.as_ref().and_then(|spec| spec.policy_name.as_deref()) == Some(name.as_str())
    };
    let bindings: Vec<_> = found.bindings.iter().filter(is_bound).collect();
    let denies = |binding: &&ValidatingAdmissionPolicyBinding| {
        let actions = binding.spec.as_ref().and_then(|spec| spec.validation_actions.as_ref());
        actions.is_some_and(|actions| actions.iter().any(|action| action == "Deny"))
    };
    let mut findings = Vec::new();
    if bindings.is_empty() {
        findings.push(Check::Policy.failure(
            "PolicyNotBound",
            format!("Admission policy {name} has no binding, and so no effect."),
            INSTALL,
        ));
    } else if !bindings.iter().any(denies) {
        findings.push(Check::Policy.warning(
            "PolicyNotEnforced",
            format!("Admission policy {name} is bound without Deny: it refuses nothing."),
            "Add Deny to validationActions of the binding once its warnings have ended.",
        ));
    }
    if rules(policy) != rules(ours) {
        findings.push(Check::Policy.warning(
            "PolicyOutdated",
            format!("Admission policy {name} has other rules than the policy of this version."),
            INSTALL,
        ));
    }
    findings
}

/// The expressions of a policy, without what the API server adds.
fn rules(policy: &ValidatingAdmissionPolicy) -> Vec<(&str, &str)> {
    let Some(spec) = &policy.spec else { return Vec::new() };
    let conditions = spec.match_conditions.iter().flatten();
    let variables = spec.variables.iter().flatten();
    let validations = spec.validations.iter().flatten();
    conditions
        .map(|condition| (condition.name.as_str(), condition.expression.as_str()))
        .chain(variables.map(|variable| (variable.name.as_str(), variable.expression.as_str())))
        .chain(validations.map(|validation| ("", validation.expression.as_str())))
        .map(|(name, expression)| (name, expression.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, results};
    use super::super::shipped;
    use super::*;

    type Change = fn(&mut Policies);

    #[test]
    fn policies_are_judged() {
        let cases: [(Change, &[&str]); 7] = [
            (|_| {}, &["ok Ok"]),
            (|found| found.policies.clear(), &["warning PolicyMissing"]),
            (|found| drop(found.policies.remove(1)), &["failure PolicyMissing"]),
            (|found| drop(found.bindings.remove(0)), &["failure PolicyNotBound"]),
            (
                |found| {
                    let spec = found.bindings[0].spec.as_mut().unwrap();
                    spec.validation_actions = Some(vec!["Audit".to_owned()]);
                },
                &["warning PolicyNotEnforced"],
            ),
            (
                |found| {
                    let spec = found.policies[0].spec.as_mut().unwrap();
                    spec.validations.as_mut().unwrap().pop();
                },
                &["warning PolicyOutdated"],
            ),
            // A release of another name.
            (
                |found| {
                    for policy in &mut found.policies {
                        policy.metadata.name = policy.metadata.name.take().map(|name| format!("x-{name}"));
                    }
                    for spec in found.bindings.iter_mut().filter_map(|binding| binding.spec.as_mut()) {
                        spec.policy_name = spec.policy_name.take().map(|name| format!("x-{name}"));
                    }
                },
                &["ok Ok"],
            ),
        ];
        for (at, (change, expected)) in cases.into_iter().enumerate() {
            let mut facts = facts();
            change(facts.policies.as_mut().unwrap());
            assert_eq!(results(&check(&facts, &shipped::policies().policies)), expected, "case {at}");
        }
        let unknown = Facts { policies: Err("forbidden".to_owned()), ..facts() };
        assert_eq!(results(&check(&unknown, &shipped::policies().policies)), ["notChecked NotChecked"]);
    }
}
