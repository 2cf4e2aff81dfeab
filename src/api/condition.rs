//! The condition types of a `TokenSource`. Knows names only.

/// A condition type; `Stalled` and `Reconciling` are kstatus's and stand only while True.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionType {
    /// The target holds a token that is valid now and was asked for by this spec.
    Ready,
    /// The last attempt to get a token succeeded.
    Renewed,
    /// There is no usable token, and retrying cannot help until something changes.
    Stalled,
    /// There is no usable token yet, and work goes on.
    Reconciling,
}

impl ConditionType {
    /// The type as it stands in `status.conditions`.
    pub const fn as_str(self) -> &'static str {
        match self {
            ConditionType::Ready => "Ready",
            ConditionType::Renewed => "Renewed",
            ConditionType::Stalled => "Stalled",
            ConditionType::Reconciling => "Reconciling",
        }
    }
}
