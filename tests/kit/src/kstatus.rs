//! The kstatus rules as a check, after fluxcd/pkg's `runtime/conditions/check`: every status that the controller writes must obey
//! the rules on which `kubectl wait`, Argo CD and Flux rely.
//!
//! Knows metadata, conditions and generations. Must not know the controller's reasons, nor why a condition has its value.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

/// Conditions that report a problem, and are present only while True.
const NEGATIVE: [&str; 2] = ["Reconciling", "Stalled"];

/// Checks an object after the controller has had time to react to its last change. Otherwise the rule about an outdated
/// observedGeneration may fail without a fault: use [`check_in_passing`] then.
pub fn check(object: &impl Serialize) -> Result<(), Vec<String>> {
    let status = Status::read(object);
    let mut violations = status.violations();
    violations.extend(status.ready_while_behind());
    verdict(violations)
}

/// Checks an object at any moment, for example each object that a watch delivers, with all rules except that one.
pub fn check_in_passing(object: &impl Serialize) -> Result<(), Vec<String>> {
    verdict(Status::read(object).violations())
}

fn verdict(violations: Vec<String>) -> Result<(), Vec<String>> {
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

struct Status {
    generation: i64,
    observed: Option<i64>,
    conditions: Vec<Value>,
}

impl Status {
    fn read(object: &impl Serialize) -> Self {
        let object = serde_json::to_value(object).expect("an object can be written as JSON");
        Self {
            generation: object["metadata"]["generation"].as_i64().unwrap_or_default(),
            // A negative value is the default of the CRD, in an object that no controller has read.
            observed: object["status"]["observedGeneration"].as_i64().filter(|generation| *generation >= 0),
            conditions: object["status"]["conditions"].as_array().cloned().unwrap_or_default(),
        }
    }

    fn is(&self, kind: &str, status: &str) -> bool {
        self.conditions.iter().any(|condition| condition["type"] == kind && condition["status"] == status)
    }

    fn has(&self, kind: &str) -> bool {
        self.conditions.iter().any(|condition| condition["type"] == kind)
    }

    fn violations(&self) -> Vec<String> {
        [self.of_ready(), self.of_negatives(), self.of_generations(), self.of_form()].concat()
    }

    fn of_ready(&self) -> Vec<String> {
        let missing = self.observed.is_some() && !self.has("Ready");
        missing
            .then(|| "Ready is missing although observedGeneration is set".to_owned())
            .into_iter()
            .collect()
    }

    fn of_negatives(&self) -> Vec<String> {
        let mut violations = Vec::new();
        for negative in NEGATIVE {
            if self.is(negative, "True") && self.is("Ready", "True") {
                violations.push(format!("{negative} and Ready are both True"));
            } else if self.is(negative, "True") && !self.is("Ready", "False") {
                violations.push(format!("{negative} is True, but Ready is not False"));
            }
            if self.has(negative) && !self.is(negative, "True") {
                violations.push(format!("{negative} is present, but not True"));
            }
        }
        if NEGATIVE.iter().all(|negative| self.is(negative, "True")) {
            violations.push("Reconciling and Stalled are both True".to_owned());
        }
        violations
    }

    fn of_generations(&self) -> Vec<String> {
        let of_conditions = self.conditions.iter().map(|condition| {
            (condition["type"].as_str().unwrap_or("a condition"), condition["observedGeneration"].as_i64())
        });
        std::iter::once(("status", self.observed))
            .chain(of_conditions)
            .filter_map(|(owner, observed)| Some((owner, observed?)))
            .filter(|(_, observed)| *observed > self.generation)
            .map(|(owner, observed)| {
                format!("observedGeneration {observed} of {owner} is ahead of generation {}", self.generation)
            })
            .collect()
    }

    fn ready_while_behind(&self) -> Option<String> {
        let behind = self.observed.is_some_and(|observed| observed < self.generation);
        (behind && !self.is("Ready", "False")).then(|| {
            format!("observedGeneration is behind generation {}, but Ready is not False", self.generation)
        })
    }

    /// The rules of the API conventions for each condition.
    fn of_form(&self) -> Vec<String> {
        let mut violations = Vec::new();
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for condition in &self.conditions {
            let kind = condition["type"].as_str().unwrap_or_default();
            *seen.entry(kind).or_default() += 1;
            if kind.is_empty() {
                violations.push(format!("a condition without a type: {condition}"));
            }
            if !["True", "False", "Unknown"].iter().any(|status| condition["status"] == *status) {
                violations.push(format!("{kind} has the status {}", condition["status"]));
            }
            if !condition["reason"].as_str().is_some_and(is_camel_case) {
                violations.push(format!("the reason of {kind} is not CamelCase: {}", condition["reason"]));
            }
            let since = condition["lastTransitionTime"].as_str().unwrap_or_default();
            if chrono::DateTime::parse_from_rfc3339(since).is_err() {
                violations.push(format!("the lastTransitionTime of {kind} is no time: {since:?}"));
            }
        }
        let repeated = seen.into_iter().filter(|(_, times)| *times > 1);
        violations.extend(repeated.map(|(kind, times)| format!("{kind} is there {times} times")));
        violations
    }
}

fn is_camel_case(reason: &str) -> bool {
    reason.starts_with(|first: char| first.is_ascii_uppercase())
        && reason.chars().all(|letter| letter.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(generation: i64, observed: i64, conditions: &[(&str, &str)]) -> Value {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(kind, status)| {
                json!({ "type": kind, "status": status, "reason": "TokenIssued", "message": "",
                        "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": observed })
            })
            .collect();
        json!({ "metadata": { "generation": generation },
                "status": { "observedGeneration": observed, "conditions": conditions } })
    }

    #[test]
    fn good_statuses_pass() {
        assert_eq!(check(&json!({ "metadata": { "generation": 1 } })), Ok(()), "nobody has looked at it yet");
        for conditions in [
            &[("Ready", "True"), ("Renewed", "False")][..],
            &[("Ready", "False"), ("Stalled", "True")],
            &[("Ready", "False"), ("Reconciling", "True")],
            &[("Ready", "False")],
        ] {
            assert_eq!(check(&object(2, 2, conditions)), Ok(()));
        }
        assert_eq!(check(&object(2, 1, &[("Ready", "False")])), Ok(()));
        assert_eq!(check_in_passing(&object(2, 1, &[("Ready", "True")])), Ok(()));
    }

    #[test]
    fn each_rule_is_broken_by_its_own_example() {
        let rules: [(&str, Value); 9] = [
            ("Ready is missing", object(1, 1, &[("Renewed", "True")])),
            ("Stalled and Ready are both True", object(1, 1, &[("Ready", "True"), ("Stalled", "True")])),
            ("Reconciling is True, but", object(1, 1, &[("Ready", "Unknown"), ("Reconciling", "True")])),
            ("Stalled is True, but", object(1, 1, &[("Ready", "Unknown"), ("Stalled", "True")])),
            (
                "Reconciling and Stalled are both",
                object(1, 1, &[("Ready", "False"), ("Stalled", "True"), ("Reconciling", "True")]),
            ),
            ("ahead of generation 1", object(1, 2, &[("Ready", "False")])),
            ("behind generation 2, but", object(2, 1, &[("Ready", "True")])),
            ("Stalled is present, but", object(1, 1, &[("Ready", "True"), ("Stalled", "False")])),
            ("Ready is there 2 times", object(1, 1, &[("Ready", "True"), ("Ready", "True")])),
        ];
        for (expected, object) in rules {
            let violations = check(&object).expect_err(expected);
            assert!(violations.iter().any(|violation| violation.contains(expected)), "{violations:?}");
        }
    }

    #[test]
    fn the_form_of_conditions_is_checked() {
        let mut odd = object(1, 1, &[("Ready", "True")]);
        odd["status"]["conditions"][0]["reason"] = json!("not camel");
        odd["status"]["conditions"][0]["status"] = json!(true);
        odd["status"]["conditions"][0]["lastTransitionTime"] = Value::Null;
        let violations = check(&odd).unwrap_err();
        assert_eq!(violations.len(), 3, "{violations:?}");
    }
}
