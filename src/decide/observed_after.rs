//! The observation after a plan was carried out, from which the status is made. Knows what an outcome changes; must not know
//! how a plan is carried out.

use std::ops::Deref;

use super::{Observed, Outcome, Publication, Target};

/// An observation, updated with the outcome of the plan.
pub struct ObservedAfter<'a>(Observed<'a>);

impl<'a> ObservedAfter<'a> {
    /// Applies the outcome to what was observed.
    pub fn new(mut observed: Observed<'a>, outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Published(Publication { published, .. }) | Outcome::Rewritten(published) => {
                observed.target = Target::Ours(published.clone());
            }
            Outcome::Withdrawn(target) => {
                observed.target = target.clone();
                observed.former_targets.iter_mut().for_each(|former| former.holds_token = false);
            }
            Outcome::FormerTargetsDeleted(names) => {
                observed.former_targets.retain(|former| !names.contains(&former.name));
            }
            Outcome::Probed(probed) => observed.probed = Some(probed.clone()),
            _ => {}
        }
        Self(observed)
    }
}

impl<'a> Deref for ObservedAfter<'a> {
    type Target = Observed<'a>;

    fn deref(&self) -> &Observed<'a> {
        &self.0
    }
}
