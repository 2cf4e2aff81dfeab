//! The findings of the checks, for programs and for people. Must not know how anything is found.

use anstyle::Style;
use serde::Serialize;

use crate::cli::ExitStatus;
use crate::cli::output::{BAD, GOOD, TITLE, WARNING, harmless, styled, wrapped};
use crate::cli::table::{Cell, table};

/// The checks, in the order of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Check {
    Definitions,
    Versions,
    Rights,
    Leader,
    Clock,
    Hosts,
    Policy,
    Tokens,
}

impl Check {
    const fn as_str(self) -> &'static str {
        match self {
            Check::Definitions => "definitions",
            Check::Versions => "versions",
            Check::Rights => "rights",
            Check::Leader => "leader",
            Check::Clock => "clock",
            Check::Hosts => "hosts",
            Check::Policy => "policy",
            Check::Tokens => "tokens",
        }
    }

    pub(super) fn ok(self, message: impl Into<String>) -> Finding {
        self.finding(Outcome::Ok, "Ok", message, None)
    }

    pub(super) fn not_checked(self, message: impl Into<String>) -> Finding {
        self.finding(Outcome::NotChecked, "NotChecked", message, None)
    }

    pub(super) fn warning(
        self,
        reason: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        self.finding(Outcome::Warning, reason, message, Some(advice.into()))
    }

    pub(super) fn failure(
        self,
        reason: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        self.finding(Outcome::Failure, reason, message, Some(advice.into()))
    }

    fn finding(
        self,
        result: Outcome,
        reason: &'static str,
        message: impl Into<String>,
        advice: Option<String>,
    ) -> Finding {
        let advice = advice.map(|advice| harmless(&advice));
        Finding { check: self, result, reason, message: harmless(&message.into()), advice }
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Outcome {
    Ok,
    Warning,
    Failure,
    NotChecked,
}

impl Outcome {
    const fn shown(self) -> (&'static str, Style) {
        match self {
            Outcome::Ok => ("ok", GOOD),
            Outcome::Warning => ("warning", WARNING),
            Outcome::Failure => ("failure", BAD),
            Outcome::NotChecked => ("not checked", Style::new()),
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) check: Check,
    pub(super) result: Outcome,
    /// A word that programs may compare.
    pub(super) reason: &'static str,
    /// A sentence for people.
    pub(super) message: String,
    /// The advice to the user; absent if there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advice: Option<String>,
}

/// All findings, in the order of the checks.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether nothing failed. Warnings, and what was not checked, do not count.
    healthy: bool,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(findings: Vec<Finding>) -> Self {
        Self { healthy: findings.iter().all(|finding| finding.result != Outcome::Failure), findings }
    }

    pub(super) fn status(&self) -> ExitStatus {
        if self.healthy { ExitStatus::Success } else { ExitStatus::Failure }
    }

    /// A table of all findings, and below it what to do about each.
    pub(super) fn text(&self) -> String {
        let row = |finding: &Finding| {
            let (word, style) = finding.result.shown();
            vec![
                Cell::styled(word, style),
                Cell::plain(finding.check.as_str()),
                // Escaped already.
                Cell { text: finding.message.clone(), style: Style::new() },
            ]
        };
        let rows: Vec<_> = self.findings.iter().map(row).collect();
        let mut text = table(&["RESULT", "CHECK", "FINDING"], &rows);
        let mut advised: Vec<(&str, &str)> = Vec::new();
        for finding in &self.findings {
            let Some(advice) = &finding.advice else { continue };
            // Two findings with the same advice need it once.
            if advised.contains(&(finding.reason, advice.as_str())) {
                continue;
            }
            advised.push((finding.reason, advice.as_str()));
            let title = format!("What to do about {} ({})", finding.check.as_str(), finding.reason);
            for part in ["\n", &styled(TITLE, &title), "\n", &wrapped(advice, 2)] {
                text += part;
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(findings: &[Finding]) -> (String, ExitStatus) {
        let report = Report::new(findings.to_vec());
        (anstream::adapter::strip_str(&report.text()).to_string(), report.status())
    }

    #[test]
    fn table_is_followed_by_what_to_do() {
        let failure = Check::Leader.failure("NoLeader", "Nobody\u{1b}[2J leads.", "Start one.");
        let again = Finding { message: "Nobody leads there.".to_owned(), ..failure.clone() };
        let findings = [
            Check::Definitions.ok("All are installed."),
            failure,
            again,
            Check::Policy.not_checked("It is not known."),
        ];
        assert_eq!(
            shown(&findings),
            (
                "RESULT        CHECK         FINDING\n\
                 ok            definitions   All are installed.\n\
                 failure       leader        Nobody\\u001b[2J leads.\n\
                 failure       leader        Nobody leads there.\n\
                 not checked   policy        It is not known.\n\
                 \n\
                 What to do about leader (NoLeader)\n\
                 \u{20} Start one.\n"
                    .to_owned(),
                ExitStatus::Failure
            )
        );
    }

    #[test]
    fn warning_is_no_failure() {
        let findings = [Check::Clock.warning("ClockSkew", "a", "b"), Check::Leader.ok("c")];
        assert_eq!(shown(&findings).1, ExitStatus::Success);
        let json = serde_json::to_value(Report::new(findings.to_vec())).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"healthy": true, "findings": [
                {"check": "clock", "result": "warning", "reason": "ClockSkew", "message": "a", "advice": "b"},
                {"check": "leader", "result": "ok", "reason": "Ok", "message": "c"},
            ]})
        );
        assert_eq!(serde_json::json!(Outcome::NotChecked), "notChecked");
    }
}
