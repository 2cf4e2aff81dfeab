//! Those who wait at a gate, by when they need a token. Knows nothing of what they wait for.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

/// Who has no token at all is given one before those whose token lives longer than this, but not before the others: a
/// thousand new ones must not make the old ones expire.
const GRACE: TimeDelta = TimeDelta::seconds(60);
/// Who has not come back so long after the promised instant will not.
const GONE: TimeDelta = TimeDelta::seconds(5);
/// Everybody looks again within this, or within what two hundred looks a second take.
const LOOK: TimeDelta = TimeDelta::seconds(2);

/// Nobody is promised more than this.
const LONGEST: TimeDelta = TimeDelta::minutes(10);

/// Nobody further back is told when exactly their turn will be.
const FAR: usize = 1000;

#[derive(Debug)]
struct Waiting {
    deadline: DateTime<Utc>,
    promised: DateTime<Utc>,
    called: bool,
}

impl Waiting {
    fn is_gone(&self, now: DateTime<Utc>) -> bool {
        now - self.promised > GONE || self.promised - now > LONGEST
    }
}

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: HashMap<String, Waiting>,
    order: BTreeSet<(DateTime<Utc>, String)>,
}

impl Queue {
    /// Takes somebody in, if they do not stand here already, and says how many are before them; from [`FAR`] on
    /// that makes no difference.
    pub(super) fn line_up(
        &mut self,
        who: &str,
        expires_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> usize {
        let before = self.leave(who);
        let deadline = expires_at.unwrap_or_else(|| before.unwrap_or(now + GRACE).min(now + GRACE));
        self.waiting.insert(who.to_owned(), Waiting { deadline, promised: now, called: false });
        self.order.insert((deadline, who.to_owned()));
        self.drop_the_gone(now);
        let me = (deadline, who.to_owned());
        self.order.range(..&me).take(FAR).count()
    }

    /// The first of so many who has not been called since they last looked. They are expected at once.
    pub(super) fn call(&mut self, first: usize, now: DateTime<Utc>) -> Option<String> {
        self.drop_the_gone(now);
        let waiting = &mut self.waiting;
        self.order.iter().take(first).find_map(|(_, who)| {
            let waiting = waiting.get_mut(who).filter(|waiting| !waiting.called)?;
            (waiting.called, waiting.promised) = (true, now);
            Some(who.clone())
        })
    }

    /// Somebody does not wait any more; says by when they needed a token.
    pub(super) fn leave(&mut self, who: &str) -> Option<DateTime<Utc>> {
        let Waiting { deadline, .. } = self.waiting.remove(who)?;
        self.order.remove(&(deadline, who.to_owned()));
        Some(deadline)
    }

    /// Somebody will look again then.
    pub(super) fn promise(&mut self, who: &str, until: DateTime<Utc>) {
        if let Some(waiting) = self.waiting.get_mut(who) {
            waiting.promised = until;
        }
    }

    /// The latest instant at which anybody looks again.
    pub(super) fn latest(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let all =
            TimeDelta::milliseconds(i64::try_from(self.order.len()).unwrap_or(i64::MAX).saturating_mul(5));
        now + LOOK.max(all)
    }

    /// How many wait, without those that will not come back.
    pub(super) fn waiting(&self, now: DateTime<Utc>) -> usize {
        self.waiting.values().filter(|waiting| !waiting.is_gone(now)).count()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Forgets who has not come back, and whom a clock that was set back has promised too much.
    pub(super) fn drop_the_gone(&mut self, now: DateTime<Utc>) {
        // Only those in front are in anybody's way.
        while let Some((deadline, who)) = self.order.first().cloned() {
            if !self.waiting.get(&who).is_none_or(|waiting| waiting.is_gone(now)) {
                return;
            }
            self.order.remove(&(deadline, who.clone()));
            self.waiting.remove(&who);
        }
    }
}
