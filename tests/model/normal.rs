//! Gives equal states equal representations: times relative to now, versions by rank. A repeated state is then recognized,
//! and the search ends. Knows every instant and version of a state; must not know their meaning.

use crate::world::{HeldToken, LONG_AGO, Seconds, Secret, Source, Status, Step, World};

impl World {
    fn sources(&mut self) -> impl Iterator<Item = &mut Source> {
        [&mut self.source, &mut self.seen_source, &mut self.written]
            .into_iter()
            .flatten()
            .chain(self.step.look_mut().map(|look| &mut look.source))
    }

    fn secrets(&mut self) -> impl Iterator<Item = &mut Secret> {
        [&mut self.target, &mut self.seen_target, &mut self.known_target]
            .into_iter()
            .flatten()
            .chain(self.step.look_mut().and_then(|look| look.target.as_mut()))
    }

    /// The tokens in memory, including the tokens of a reconcile in progress.
    pub(crate) fn tokens(&mut self) -> Vec<&mut HeldToken> {
        let mut tokens: Vec<&mut HeldToken> = self.held.iter_mut().collect();
        match &mut self.step {
            Step::Idle | Step::Record { .. } => {}
            Step::Publish(_, look, token) => tokens.extend(look.held.iter_mut().chain([token])),
            Step::Obtain(_, look, _) => tokens.extend(&mut look.held),
        }
        tokens
    }

    /// Every status in the state.
    pub(crate) fn statuses(&mut self) -> Vec<&mut Status> {
        let mut statuses: Vec<&mut Status> = [&mut self.source, &mut self.seen_source, &mut self.written]
            .into_iter()
            .flatten()
            .map(|source| &mut source.status)
            .chain(&mut self.unwritten)
            .collect();
        match &mut self.step {
            Step::Record { status, .. } => statuses.push(status),
            other => statuses.extend(other.look_mut().map(|look| &mut look.source.status)),
        }
        statuses
    }

    /// Moves every instant by this number of seconds, except the instants of the timer and of statuses.
    pub(crate) fn shift(&mut self, by: Seconds) {
        for secret in self.secrets() {
            (secret.issued_at, secret.expires_at) = shifted_life(secret.issued_at, secret.expires_at, by);
        }
        for token in self.tokens() {
            (token.issued_at, token.expires_at) = shifted_life(token.issued_at, token.expires_at, by);
        }
        if let Some(look) = self.step.look_mut() {
            look.now += by;
        }
        let ghost = &mut self.ghost;
        ghost.came = ghost
            .came
            .map(|(token_inputs, until)| (token_inputs, until + by))
            .filter(|(_, until)| *until > 0);
        ghost.asked_at = ghost.asked_at.map(|at| at + by).filter(|at| *at > -61);
        if let Some((_, _, until)) = &mut ghost.failed
            && *until != Seconds::MAX
        {
            *until = shifted(*until, by);
        }
    }

    /// Replaces versions, uids and tokens by their ranks.
    pub(crate) fn normalise(&mut self) {
        rank(self.sources().map(|source| &mut source.version).collect());
        rank(self.secrets().map(|secret| &mut secret.uid).collect());
        let mut versions: Vec<u8> = self.secrets().map(|secret| secret.version).collect();
        versions.extend(self.statuses().iter().map(|status| status.target));
        let versions = ranks(versions);
        self.secrets().for_each(|secret| secret.version = position(&versions, secret.version));
        self.statuses().into_iter().for_each(|status| status.target = position(&versions, status.target));
        let mut tokens: Vec<u8> = self.secrets().map(|secret| secret.token).collect();
        tokens.extend(self.tokens().iter().map(|token| token.token));
        let tokens = ranks(tokens);
        self.secrets().for_each(|secret| secret.token = position(&tokens, secret.token));
        self.tokens().into_iter().for_each(|token| token.token = position(&tokens, token.token));
    }
}

/// A moved instant, limited to a minimum.
pub(crate) fn shifted(instant: Seconds, by: Seconds) -> Seconds {
    (instant + by).max(LONG_AGO)
}

/// The issue time and the expiry after a move. Only the issue time is limited to a minimum; the expiry follows it, so that the
/// lifetime is unchanged.
pub(crate) fn shifted_life(issued_at: Seconds, expires_at: Seconds, by: Seconds) -> (Seconds, Seconds) {
    let issued = shifted(issued_at, by);
    (issued, issued + (expires_at - issued_at))
}

fn rank(values: Vec<&mut u8>) {
    let all = ranks(values.iter().map(|value| **value).collect());
    for value in values {
        *value = position(&all, *value);
    }
}

fn ranks(mut values: Vec<u8>) -> Vec<u8> {
    values.sort_unstable();
    values.dedup();
    values.retain(|value| *value != 0);
    values
}

/// The rank, from 1 on; zero stays zero.
fn position(ranks: &[u8], value: u8) -> u8 {
    u8::try_from(ranks.partition_point(|rank| *rank < value)).unwrap_or(u8::MAX) + u8::from(value != 0)
}
