//! What should happen: pure functions from what was observed to what to do and what to report.
//!
//! Knows the rules of renewal, backoff and readiness. Must not know a client, a clock, the environment, or a
//! random number: time is an argument, and jitter is a hash of the uid.
//!
//! Read `rules` first: the list of rules in it decides what the controller does.

mod ask;
pub mod backoff;
mod cause;
mod conditions;
pub mod credentials;
mod deletion;
mod disclosure;
mod event;
mod failure;
#[cfg(test)]
mod fixture;
mod former_target;
mod gauges;
mod hex;
pub mod inputs;
mod jitter;
pub mod limiter;
mod loop_guard;
mod notices;
mod observed;
mod observed_after;
mod outcome;
mod plan;
mod probe;
mod probed;
mod provider;
mod provider_label;
mod provider_status;
mod provider_use;
pub mod publication;
mod readiness;
pub mod refresh;
mod refusal;
pub mod render;
mod replaced_token;
mod requeue;
mod restart;
mod revocation;
mod rules;
pub mod schedule;
mod secrets;
mod sequence;
mod stale_caches;
mod status;
mod target;
mod token_bucket;
mod upstream;
mod validation;
pub mod versions;

pub use ask::{Ask, RequestInputs, TokenToSign, ask, ask_revocation, token_to_sign};
pub use cause::Cause;
pub use deletion::{Deletion, DeletionStep, RevocationTries};
pub use disclosure::disclosure;
pub use event::{Transition, revocation_failed, transition};
pub use failure::Failure;
pub use gauges::{Gauges, gauges};
pub(crate) use hex::hex;
pub use inputs::{Fingerprints, Secrets};
pub use loop_guard::LoopGuard;
pub use observed::{Observed, UnwrittenToken};
pub use observed_after::ObservedAfter;
pub use outcome::{Deferral, Outcome, Publication};
pub use plan::Plan;
pub use probe::next_probe;
pub use probed::{ProbeVerdict, Probed};
pub use provider::{ChosenProvider, chosen_provider, provider_host, stray_probe};
pub use provider_label::{HostUse, ProviderLabels};
pub use provider_status::provider_status;
pub use provider_use::ProviderUse;
pub use refusal::add_token_warning;
pub use replaced_token::ReplacedToken;
pub use requeue::requeue_after;
pub use restart::{next_follow_up, restart_annotation};
pub use revocation::{Revocable, foreign_token, grace_of_current, revocable};
pub use rules::decide;
pub use secrets::ReferencedSecret;
pub use sequence::{ObtainCall, PublishCall};
pub use stale_caches::caches_may_be_stale;
pub use status::next_status;
pub use target::{FormerTarget, Published, Target};
pub use token_bucket::{SharedBuckets, TokenBucket};
pub use upstream::{Chain, Link, Upstream, UpstreamState, follow};
pub use validation::{
    LONGEST_HOSTS, credentials as refuse_credentials, service_account as refuse_service_account,
    unready as refuse_unready,
};
