//! The condition types of a `TokenSource`. Knows names only.

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
}
