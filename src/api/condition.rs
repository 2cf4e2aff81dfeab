//! The condition types of a `TokenSource`. Knows their names and finds them in a status; must not know when a condition is set.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// A condition type. `Stalled` and `Reconciling` are kstatus types; they are present only while True.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionType {
    /// The target holds a token that is valid now and was requested with this spec.
    Ready,
    /// The last attempt to get a token succeeded.
    Renewed,
    /// There is no usable token, and retrying cannot help until something changes.
    Stalled,
    /// There is no usable token yet, and the controller is still trying.
    Reconciling,
}

impl ConditionType {
    /// The `type` in `status.conditions`.
    pub const fn as_str(self) -> &'static str {
        match self {
            ConditionType::Ready => "Ready",
            ConditionType::Renewed => "Renewed",
            ConditionType::Stalled => "Stalled",
            ConditionType::Reconciling => "Reconciling",
        }
    }

    /// The condition of this type, if present.
    pub fn find(self, conditions: &[Condition]) -> Option<&Condition> {
        conditions.iter().find(|condition| condition.type_ == self.as_str())
    }

    /// The condition of this type, if present and False.
    pub fn find_false(self, conditions: &[Condition]) -> Option<&Condition> {
        self.find(conditions).filter(|condition| condition.status == "False")
    }

    /// Whether the condition of this type is present and True.
    pub fn is_true(self, conditions: &[Condition]) -> bool {
        self.find(conditions).is_some_and(|condition| condition.status == "True")
    }
}
