//! The budget of work for the templates of one `TokenSource`.
//!
//! Work is counted in bytes that operators and filters read or write, since all of them take time in proportion to
//! these. Must not know what the work is for.

use super::Fault;

/// What one `TokenSource` may cost at each rendering, in bytes touched: some milliseconds.
pub(super) const BUDGET: usize = 4 * 1024 * 1024;
/// What a single value counts beside its bytes: its allocation costs as much as copying so many bytes.
pub(super) const ITEM: usize = 64;

/// What is left of the budget.
pub(super) struct Work {
    left: usize,
}

impl Work {
    pub(super) const fn new() -> Self {
        Self { left: BUDGET }
    }

    /// With a placeholder for a token, which is short: whole templates of raw text fit, and chains of filters do not.
    pub(super) const fn of_a_check() -> Self {
        Self { left: BUDGET / 4 }
    }

    #[cfg(test)]
    pub(super) const fn left(&self) -> usize {
        self.left
    }

    /// Takes from the budget before work is done.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), Fault> {
        self.left = self.left.checked_sub(bytes).ok_or(Fault::TooMuchWork)?;
        Ok(())
    }
}
