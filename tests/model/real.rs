//! The product's logic, called with the model's states: `decide`, `next_status`, `requeue_after`, the fingerprints, the
//! refresh token's binding, and the reading of the provider's answers. The results are cached.
//!
//! Knows how the model's numbers become the product's types and back. Must not know the model's events.

use std::collections::HashMap;

use tokensource::api::{Reason, TokenProviderSpec, TokenSourceSpec, TokenSourceStatus, to_kubernetes};
use tokensource::decide::schedule::{Life, renew_at};
use tokensource::decide::{
    Cause, Failure, Fingerprints, ObservedAfter, Plan, Secrets, decide, inputs, next_status, requeue_after,
};
use tokensource::oauth::{Repeat, Retry};

use crate::samples::{
    FAILURES, RETRY_AFTER_SECONDS, UID, at, move_status, present, provider, remembered, seconds, spec,
    summary,
};
use crate::world::{HeldToken, Look, Seconds, Secret, Status, TokenInputs};

/// The explored grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    ClientCredentials,
    /// With rotation, and a provider that revokes all refresh tokens if a used refresh token is sent again.
    RefreshToken,
    /// The password grant, for which refresh tokens are stored.
    Password,
}

/// The provider's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reply {
    Token { refresh: bool },
    Unavailable,
    Limited,
    InvalidClient,
    InvalidGrant,
}

/// A [`Plan`] in the model's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Choice {
    AwaitDeletion,
    Suspend,
    Refuse(u16),
    Publish,
    Wait(Option<Seconds>),
    Issue(Cause),
    Rewrite,
    Nothing,
}

/// A [`decide::Outcome`] in the model's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Unchanged,
    Waiting,
    Suspended,
    Refused(u16),
    Failed(u16),
    Unwritten(Seconds),
    Published { token: HeldToken, target: Secret, unchanged: bool },
}

/// The parts of a status that the model needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // facts, not modes
pub(crate) struct Summary {
    pub(crate) ready: bool,
    pub(crate) renewed: bool,
    pub(crate) stalled: bool,
    pub(crate) reconciling: bool,
    pub(crate) failures: i32,
    pub(crate) retry_at: Option<Seconds>,
    pub(crate) renew_at: Option<Seconds>,
    pub(crate) expires_at: Option<Seconds>,
    pub(crate) generation: i64,
    /// The last renewal request that was handled.
    pub(crate) handled: u8,
    /// Whether Ready exists, no condition occurs twice, Stalled and Reconciling are True if they exist, and all conditions
    /// have the generation of the status.
    pub(crate) coherent: bool,
    pub(crate) sticky: bool,
}

/// The status that a plan leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) status: Status,
    pub(crate) reports_request: bool,
    pub(crate) after: Seconds,
}

type Asking = (TokenInputs, bool, Reply);

/// The product's logic of one grant, with a cache of its results.
pub(crate) struct Real {
    pub(crate) grant: Grant,
    pub(crate) specs: [TokenSourceSpec; 4],
    pub(crate) provider: TokenProviderSpec,
    pub(crate) failures: Vec<Failure>,
    pub(crate) statuses: Vec<TokenSourceStatus>,
    names: HashMap<String, u32>,
    pub(crate) fingerprints: HashMap<String, TokenInputs>,
    inputs: HashMap<(u8, TokenInputs), Fingerprints>,
    shifts: HashMap<(u32, Seconds), u32>,
    decisions: HashMap<Look, Choice>,
    nexts: HashMap<(Look, Choice, Outcome), Next>,
    summaries: HashMap<u32, Summary>,
    pub(crate) answers: HashMap<Asking, Result<(), u16>>,
    pub(crate) bonds: HashMap<(TokenInputs, TokenInputs), bool>,
}

impl Real {
    pub(crate) fn new(grant: Grant) -> Self {
        let provider = provider(grant);
        Self {
            grant,
            specs: [(0, false), (0, true), (1, false), (1, true)]
                .map(|(scope, suspend)| spec(&provider, scope, suspend)),
            provider,
            failures: Vec::new(),
            statuses: Vec::new(),
            names: HashMap::new(),
            fingerprints: HashMap::new(),
            inputs: HashMap::new(),
            shifts: HashMap::new(),
            decisions: HashMap::new(),
            nexts: HashMap::new(),
            summaries: HashMap::new(),
            answers: HashMap::new(),
            bonds: HashMap::new(),
        }
    }

    /// The status of an object that no controller has read.
    pub(crate) fn no_status(&mut self) -> Status {
        self.intern(TokenSourceStatus::default())
    }

    pub(crate) fn decide(&mut self, look: &Look) -> Choice {
        if let Some(choice) = self.decisions.get(look) {
            return *choice;
        }
        let status = self.status(look.source.status);
        let inputs = self.inputs(look);
        let plan = decide(&self.observed(look, &status, inputs));
        let choice = match plan {
            Plan::AwaitDeletion => Choice::AwaitDeletion,
            Plan::Suspend => Choice::Suspend,
            Plan::Refuse(failure) => Choice::Refuse(self.failure(failure)),
            Plan::Publish => Choice::Publish,
            Plan::Wait(until) => Choice::Wait(until.map(seconds)),
            Plan::Issue(cause) => Choice::Issue(cause),
            Plan::Rewrite => Choice::Rewrite,
            Plan::Nothing => Choice::Nothing,
            Plan::Withdraw
            | Plan::Probe
            | Plan::DeleteFormerTargets
            | Plan::Restart
            | Plan::SetFinalizer(_)
            | Plan::RevokeReplaced
            | Plan::ForgetReplaced(_)
            | Plan::Deletion(_) => {
                panic!("the model's specs need none of these: {plan:?}")
            }
        };
        self.decisions.insert(*look, choice);
        choice
    }

    /// Handles an outcome as `reconcile` does: updates the observation, makes the status, and returns the time of the next
    /// reconcile.
    pub(crate) fn next(&mut self, look: &Look, choice: Choice, outcome: Outcome) -> Next {
        if let Some(next) = self.nexts.get(&(*look, choice, outcome)) {
            return *next;
        }
        let status = self.status(look.source.status);
        let inputs = self.inputs(look);
        let (plan, came) = (self.plan(choice), self.outcome(outcome));
        let observed_after = ObservedAfter::new(self.observed(look, &status, inputs), &came);
        let recorded = next_status(&observed_after, &came);
        // The additional twenty milliseconds are dropped, because all times are whole seconds here.
        let after = requeue_after(&plan, &came, &recorded, None, at(0)).as_secs();
        let next = Next {
            status: self.intern(recorded),
            reports_request: came.reports_request(),
            after: Seconds::try_from(after).unwrap(),
        };
        self.nexts.insert((*look, choice, outcome), next);
        next
    }

    /// When a token with this lifetime is due, if the provider never returns the same token twice.
    pub(crate) fn due(&self, issued_at: Seconds, expires_at: Seconds) -> Seconds {
        let life = Life { issued_at: at(issued_at), expires_at: at(expires_at) };
        seconds(renew_at(life, &self.specs[0].renewal, UID, None))
    }

    /// Whether a token issued at this second was issued with a clock that was set back since. Its expiry is then unknown,
    /// and one request for a token with a known expiry is permitted.
    pub(crate) fn is_of_another_clock(issued_at: Seconds, now: Seconds) -> bool {
        Life { issued_at: at(issued_at), expires_at: at(issued_at) }.is_of_another_clock(at(now))
    }

    /// The minimum wait between this failure and the next attempt, by the table in docs/renewal.md; None if only a change
    /// may lead to the next attempt. `proven` says that the target's token was requested with the same inputs. `life_left`
    /// is the remaining lifetime of that token, and `refusals` counts the refusals of these inputs in a row.
    pub(crate) fn floor(
        &self,
        failure: u16,
        proven: bool,
        life_left: Seconds,
        refusals: u8,
    ) -> Option<Seconds> {
        const HALF_HOUR: Seconds = 1800;
        let failure = &self.failures[usize::from(failure)];
        // There is another attempt before the stored token expires.
        let long = || if life_left >= 10 { HALF_HOUR.min(life_left / 2) } else { HALF_HOUR };
        match (failure.reason, failure.retry) {
            (Reason::RateLimited, _) => Some(RETRY_AFTER_SECONDS),
            (_, Retry::Transient { .. }) => Some(1),
            (_, Retry::Terminal { repeat: Repeat::WhileNew }) if !proven && refusals < 5 => Some(10),
            (_, Retry::Terminal { repeat: Repeat::WhileNew | Repeat::BeforeExpiry }) => Some(long()),
            (_, Retry::Terminal { repeat: Repeat::Hourly }) => Some(HALF_HOUR),
            (_, Retry::Terminal { repeat: Repeat::Never }) => None,
            (_, other) => panic!("no such class in this model: {other:?}"),
        }
    }

    /// Whether the provider has refused, and not merely failed.
    pub(crate) fn is_refusal(&self, failure: u16) -> bool {
        matches!(self.failures[usize::from(failure)].retry, Retry::Terminal { .. })
    }

    pub(crate) fn shift(&mut self, status: Status, by: Seconds) -> Status {
        let id = remembered(&self.shifts, &(status.id, by)).unwrap_or_else(|| {
            let mut moved = self.statuses[status.id as usize].clone();
            move_status(&mut moved, by);
            let id = self.intern(moved).id;
            self.shifts.insert((status.id, by), id);
            id
        });
        Status { id, ..status }
    }

    pub(crate) fn summary(&mut self, status: Status) -> Summary {
        remembered(&self.summaries, &status.id).unwrap_or_else(|| {
            let summary = summary(&self.statuses[status.id as usize]);
            self.summaries.insert(status.id, summary);
            summary
        })
    }

    /// Every status that has been produced.
    pub(crate) fn statuses_made(&self) -> usize {
        self.statuses.len()
    }

    pub(crate) fn status(&self, status: Status) -> TokenSourceStatus {
        let mut content = self.statuses[status.id as usize].clone();
        if let Some(target) = &mut content.target {
            target.resource_version = (status.target > 0).then(|| status.target.to_string());
        }
        content
    }

    fn intern(&mut self, mut status: TokenSourceStatus) -> Status {
        let version = status.target.as_mut().and_then(|target| target.resource_version.take());
        for condition in &mut status.conditions {
            // The transition time of a condition has no effect on decisions.
            condition.last_transition_time = to_kubernetes(at(0));
        }
        // The count is limited, because a provider that always refuses would otherwise make a new state every hour.
        status.failures = status.failures.min(FAILURES);
        status.failures_of_class = status.failures_of_class.min(FAILURES);
        move_status(&mut status, 0);
        let name = serde_json::to_string(&status).unwrap();
        let id = *self.names.entry(name).or_insert_with(|| {
            self.statuses.push(status);
            u32::try_from(self.statuses.len() - 1).unwrap()
        });
        Status { id, target: version.map_or(0, |version| version.parse().unwrap()) }
    }

    pub(crate) fn failure(&mut self, failure: Failure) -> u16 {
        let known = self.failures.iter().position(|known| *known == failure);
        let id = known.unwrap_or_else(|| {
            self.failures.push(failure);
            self.failures.len() - 1
        });
        u16::try_from(id).unwrap()
    }

    pub(crate) fn inputs(&mut self, look: &Look) -> Fingerprints {
        let token_inputs = TokenInputs { scope: look.source.scope, credentials: look.credentials };
        self.fingerprint(look.source.generation, token_inputs)
    }

    pub(crate) fn fingerprint(&mut self, generation: u8, token_inputs: TokenInputs) -> Fingerprints {
        remembered(&self.inputs, &(generation, token_inputs)).unwrap_or_else(|| {
            let spec = &self.specs[usize::from(token_inputs.scope) * 2];
            let secrets = Secrets { credentials: present(token_inputs.credentials), ..Secrets::default() };
            let made = inputs::fingerprints(spec, i64::from(generation), &self.provider, &secrets)
                .unwrap_or_else(|| panic!("no Secret is missing"));
            self.inputs.insert((generation, token_inputs), made.clone());
            self.fingerprints.insert(made.token.clone(), token_inputs);
            made
        })
    }
}
