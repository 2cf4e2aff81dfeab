//! Those who wait at a gate, by when they need a token. Knows nothing of what they wait for.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::order::Order;
use crate::decide::Observed;
use crate::decide::allowance::Allowance;

/// Who has no token at all is given one before those whose token lives longer than this, but not before the others: a
/// thousand new ones must not make the old ones expire.
const GRACE: TimeDelta = TimeDelta::seconds(60);
/// Who has a token of former inputs waits no longer than one whose token expires after this, however long theirs lives.
const OUTDATED: TimeDelta = TimeDelta::hours(1);
/// Who is so late has been elsewhere, and begins anew.
const ELSEWHERE: TimeDelta = TimeDelta::minutes(1);
/// So long somebody waits before anybody is told,
pub const UNTOLD: TimeDelta = TimeDelta::minutes(1);
/// and so many are told of at once, and a second from then on: to tell of each of a million would take the time that their
/// tokens need.
const TOLD: Allowance = Allowance::new(100.0, 10.0);
/// Who has not come back so long after the promised instant will not.
const GONE: TimeDelta = TimeDelta::seconds(5);
/// Who is promised more than this was promised it by another clock.
const LONGEST: TimeDelta = TimeDelta::minutes(10);

#[derive(Debug)]
struct Waiting {
    who: Arc<str>,
    deadline: DateTime<Utc>,
    since: DateTime<Utc>,
    promised: DateTime<Utc>,
    called: bool,
    /// Since when nobody has been told anything of it, unless somebody is told now.
    silent: DateTime<Utc>,
    told: bool,
}

impl Waiting {
    fn is_gone(&self, now: DateTime<Utc>) -> bool {
        now - self.promised > GONE || self.promised - now > LONGEST
    }
}

/// By when somebody needs a token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Need {
    /// They have none.
    Any,
    /// Before theirs expires.
    Next(DateTime<Utc>),
    /// Theirs was asked for with other inputs, and expires then.
    Other(DateTime<Utc>),
    /// The others come first.
    Last,
}

impl Need {
    /// Of whoever is observed. Of a token that cannot be trusted it does not matter how long it lives; one of former
    /// credentials may be in use.
    pub fn of(observed: &Observed<'_>) -> Self {
        let wanted = observed.inputs.as_ref().map(|inputs| &inputs.asked);
        match observed.published().filter(|published| published.intact) {
            None => Self::Any,
            Some(published) if wanted == Some(&published.asked) => Self::Next(published.expires_at),
            Some(published) => Self::Other(published.expires_at),
        }
    }

    fn deadline(self, since: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Any => since + GRACE,
            Self::Next(expires_at) => expires_at,
            Self::Other(expires_at) => expires_at.min(since + OUTDATED),
            Self::Last => since + TimeDelta::days(3650),
        }
    }
}

/// Those who wait.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: HashMap<Arc<str>, Waiting>,
    order: Order,
    told: Allowance,
}

impl Default for Queue {
    fn default() -> Self {
        Self { waiting: HashMap::new(), order: Order::default(), told: TOLD }
    }
}

impl Queue {
    /// Takes somebody in, if they do not stand here already, and says how many are before them.
    pub(super) fn line_up(&mut self, who: &str, need: Need, now: DateTime<Utc>) -> usize {
        let before = self.take(who);
        let stayed = before.as_ref().filter(|before| now - before.promised < ELSEWHERE);
        // Of a clock that was set back, nobody came in the future.
        let since = stayed.map_or(now, |before| before.since.min(now));
        let silent = stayed.map_or(now, |before| before.silent.min(now));
        let told = stayed.is_some_and(|before| before.told);
        let deadline = need.deadline(since);
        let who = before.map_or_else(|| Arc::from(who), |before| before.who);
        let me = (deadline, Arc::clone(&who));
        self.order.insert(me.clone());
        let waiting =
            Waiting { who: Arc::clone(&who), deadline, since, promised: now, called: false, silent, told };
        self.waiting.insert(who, waiting);
        self.drop_the_gone(now);
        self.order.rank(&me)
    }

    /// The first of so many who has not been called since they last looked. They are expected at once.
    pub(super) fn call(&mut self, first: usize, now: DateTime<Utc>) -> Option<String> {
        self.drop_the_gone(now);
        let waiting = &mut self.waiting;
        self.order.iter().take(first).find_map(|(_, who)| {
            let waiting = waiting.get_mut(who).filter(|waiting| !waiting.called && !waiting.is_gone(now))?;
            (waiting.called, waiting.promised) = (true, now);
            Some(who.to_string())
        })
    }

    /// Somebody does not wait any more.
    pub(super) fn leave(&mut self, who: &str) {
        self.take(who);
    }

    fn take(&mut self, who: &str) -> Option<Waiting> {
        let waiting = self.waiting.remove(who)?;
        self.order.remove(&(waiting.deadline, Arc::clone(&waiting.who)));
        Some(waiting)
    }

    /// Somebody will look again then. Returns whether others are to be told of their wait.
    pub(super) fn promise(&mut self, who: &str, until: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let Some(waiting) = self.waiting.get_mut(who) else { return false };
        waiting.promised = until;
        waiting.told = waiting.told || (now - waiting.silent >= UNTOLD && self.told.take(now));
        waiting.told
    }

    /// The same where others are told of trouble, which is more than of a wait. That it is over is no news in itself.
    pub(super) fn promise_in_trouble(&mut self, who: &str, until: DateTime<Utc>, now: DateTime<Utc>) {
        if let Some(waiting) = self.waiting.get_mut(who) {
            (waiting.promised, waiting.silent, waiting.told) = (until, now, false);
        }
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
        while let Some((_, who)) = self.order.first().cloned() {
            if !self.waiting.get(&who).is_none_or(|waiting| waiting.is_gone(now)) {
                return;
            }
            self.leave(&who);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{Scene, at};

    #[test]
    fn only_a_token_that_can_be_trusted_tells_by_when_another_is_needed() {
        let need = |change: fn(&mut Scene)| Need::of(&Scene::good().with(change).observed());
        assert_eq!(need(|_| {}), Need::Next(at(3600)));
        assert_eq!(need(|scene| scene.spec.token.scopes.push("other".to_owned())), Need::Other(at(3600)));
        assert_eq!(need(|scene| scene.published().intact = false), Need::Any);
        assert_eq!(Need::of(&Scene::fresh().observed()), Need::Any);
    }

    #[test]
    fn a_token_of_former_inputs_counts_while_it_lives_and_for_an_hour_at_most() {
        let mut queue = Queue::default();
        assert_eq!(queue.line_up("renewal", Need::Next(at(7200)), at(0)), 0);
        assert_eq!(queue.line_up("lives long", Need::Other(at(86_400)), at(0)), 0);
        assert_eq!(queue.line_up("lives an hour", Need::Other(at(3500)), at(0)), 0);
        assert_eq!(queue.line_up("has none", Need::Any, at(0)), 0);
        // The deadline stands however often they look.
        assert_eq!(queue.line_up("lives long", Need::Other(at(86_400)), at(3)), 2);
    }

    #[test]
    fn who_has_been_elsewhere_begins_anew() {
        let mut queue = Queue::default();
        queue.line_up("late", Need::Any, at(0));
        assert!(!queue.promise("late", at(2), at(0)));
        queue.line_up("late", Need::Any, at(60));
        assert!(queue.promise("late", at(62), at(60)), "the controller was busy");
        queue.line_up("late", Need::Any, at(7200));
        assert!(!queue.promise("late", at(7202), at(7200)), "suspended meanwhile, or its own again");
    }

    #[test]
    fn that_trouble_is_over_is_told_nobody_who_need_not_wait_long() {
        let mut queue = Queue::default();
        for second in 0..300 {
            queue.line_up("one", Need::Any, at(second));
            queue.promise_in_trouble("one", at(second + 1), at(second));
        }
        let told = (300..400).find(|second| {
            queue.line_up("one", Need::Any, at(*second));
            queue.promise("one", at(second + 1), at(*second))
        });
        assert_eq!(told, Some(359), "a minute after they were last told of the trouble");
    }

    #[test]
    fn all_are_told_of_but_not_all_at_once() {
        let (mut queue, mut told) = (Queue::default(), Vec::new());
        for second in 0..90 {
            let of = |queue: &mut Queue, who: &str| {
                queue.line_up(who, Need::Any, at(second));
                queue.promise(who, at(second + 1), at(second))
            };
            told.push((0..300).filter(|n| of(&mut queue, &n.to_string())).count());
        }
        assert_eq!((told[59], told[60], told[61], told[70], told[89]), (0, 100, 110, 200, 300));
    }
}
