//! The conditions of a TokenSource, by the rules of kstatus and of the Kubernetes API conventions. Knows how a condition
//! changes; must not know why it changes.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::{ConditionType, Reason, to_kubernetes};

/// A condition's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    True,
    False,
    Unknown,
}

impl State {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            State::True => "True",
            State::False => "False",
            State::Unknown => "Unknown",
        }
    }
}

/// The conditions to report. A condition keeps its transition time unless its status changes.
pub(super) struct ConditionSet<'a> {
    before: &'a [Condition],
    after: Vec<Condition>,
    generation: i64,
    now: DateTime<Utc>,
}

impl<'a> ConditionSet<'a> {
    pub(super) fn new(before: &'a [Condition], generation: i64, now: DateTime<Utc>) -> Self {
        Self { before, after: Vec::with_capacity(4), generation, now }
    }

    pub(super) fn set(&mut self, kind: ConditionType, state: State, reason: Reason, message: String) {
        self.enter(kind, state.as_str().to_owned(), reason.as_str().to_owned(), message);
    }

    /// Keeps the observed condition for this generation. Does nothing if there was none.
    pub(super) fn keep(&mut self, kind: ConditionType) {
        if let Some(before) = kind.find(self.before) {
            self.enter(kind, before.status.clone(), before.reason.clone(), before.message.clone());
        }
    }

    /// The condition that will be reported; None if it has not been set.
    pub(super) fn current(&self, kind: ConditionType) -> Option<&Condition> {
        kind.find(&self.after)
    }

    pub(super) fn into_conditions(self) -> Vec<Condition> {
        self.after
    }

    fn enter(&mut self, kind: ConditionType, status: String, reason: String, message: String) {
        let since = kind
            .find(self.before)
            .filter(|before| before.status == status)
            .map_or_else(|| to_kubernetes(self.now), |before| before.last_transition_time.clone());
        self.after.push(Condition {
            type_: kind.as_str().to_owned(),
            status,
            reason,
            message,
            observed_generation: Some(self.generation),
            last_transition_time: since,
        });
    }
}
