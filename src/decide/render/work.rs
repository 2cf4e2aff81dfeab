//! The budget of work for the templates of one `TokenSource`.
//!
//! Work is counted in the bytes that operators and filters read or write, because their time is proportional to these. Must
//! not know what the work is for.

use super::Fault;

/// The maximum work of one rendering of one `TokenSource`, in bytes: some milliseconds.
pub(super) const BUDGET: usize = 4 * 1024 * 1024;
/// The charge for each value beside its bytes: allocating it costs as much as copying this many bytes.
pub(super) const ITEM: usize = 64;

/// The remaining budget.
pub(super) struct Work {
    left: usize,
}

impl Work {
    pub(super) const fn new() -> Self {
        Self { left: BUDGET }
    }

    /// The budget of a check, in which a short placeholder replaces the token: whole templates of plain text fit, and long
    /// chains of filters do not.
    pub(super) const fn of_a_check() -> Self {
        Self { left: BUDGET / 4 }
    }

    #[cfg(test)]
    pub(super) const fn left(&self) -> usize {
        self.left
    }

    /// Charges the budget before the work is done.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), Fault> {
        self.left = self.left.checked_sub(bytes).ok_or(Fault::TooMuchWork)?;
        Ok(())
    }
}
