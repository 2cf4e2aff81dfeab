//! What should happen: pure functions from what was observed to what to do and what to report.
//!
//! Knows the rules of renewal, backoff and readiness. Must not know a client, a clock, the environment, or a
//! random number: time is an argument, and jitter is a hash of the uid.
//!
//! Read `rules` first: the list in it is the product.

mod ask;
pub mod backoff;
mod cause;
mod conditions;
mod conflict;
pub mod credentials;
mod deletion;
mod disclosure;
mod ending;
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
pub mod render;
mod replacement;
mod requeue;
mod restart;
mod revocation;
mod rules;
pub mod schedule;
mod secrets;
mod settled;
mod settling;
mod status;
mod target;
mod token_bucket;
mod upstream;
mod validation;
pub mod versions;

pub use ask::{Ask, RequestInputs, TokenToSign, ask, ask_revocation, token_to_sign};
pub use cause::Cause;
pub use conflict::conflicting_source;
pub use deletion::{Deletion, Ending, RevocationTries};
pub use disclosure::disclosure;
pub use ending::{Revocable, foreign_token, grace_of_present, revocable};
pub use event::{Transition, revocation_failed, transition};
pub use failure::Failure;
pub use gauges::{Gauges, gauges};
pub(crate) use hex::hex;
pub use inputs::{Inputs, Secrets};
pub use loop_guard::LoopGuard;
pub use observed::{Observed, UnwrittenToken};
pub use outcome::{Deferral, Outcome, Publication};
pub use plan::Plan;
pub use probe::next_probe;
pub use probed::{Probed, Verdict};
pub use provider::{ChosenProvider, chosen_provider, provider_host, stray_probe};
pub use provider_label::{HostUse, ProviderLabels};
pub use provider_status::provider_status;
pub use provider_use::ProviderUse;
pub use replacement::Replacement;
pub use requeue::requeue_after;
pub use restart::{next_follow_up, restart_annotation};
pub use revocation::flag as flag_revocation;
pub use rules::decide;
pub use secrets::Credentials;
pub use settled::Settled;
pub use settling::is_settling;
pub use status::next_status;
pub use target::{FormerTarget, Published, Target};
pub use token_bucket::{SharedBuckets, TokenBucket};
pub use upstream::{Chain, Link, Upstream, UpstreamState, follow};
pub use validation::{
    LONGEST_HOSTS, credentials as refuse_credentials, service_account as refuse_service_account,
    unready as refuse_unready,
};
