//! Anvil's property (OSDI '24), eventually stable reconciliation, for the layer that decides: a small model of API server,
//! provider and clock, explored exhaustively around the real `decide` (docs/verification.md). Knows the searches; must not
//! know a state.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test: also in its helpers
#![allow(clippy::large_types_passed_by_value, clippy::result_large_err)] // states are copied, and an error ends the search
#![allow(clippy::print_stdout)] // the number of visited states is part of the result

mod asking;
mod controller;
mod effects;
mod model;
mod mutations;
mod normal;
mod properties;
mod protocol;
mod real;
mod samples;
mod search;
mod terms;
mod trace;
mod world;
mod writing;

use std::time::Instant;

use model::Model;
use real::Grant;
use search::explore;

/// The number of faults and user actions in one sequence. docs/verification.md has the results for two, and says how
/// far three have been tried.
const DISTURBANCES: u8 = 2;

#[test]
fn every_way_of_client_credentials_leads_to_rest() {
    holds(Model::new(Grant::ClientCredentials), disturbances());
}

#[test]
fn every_way_of_rotating_refresh_tokens_leads_to_rest() {
    holds(Model::new(Grant::RefreshToken), disturbances());
}

#[test]
fn every_way_of_a_password_with_refresh_tokens_leads_to_rest() {
    holds(Model::new(Grant::Password), disturbances());
}

fn holds(mut model: Model, disturbances: u8) {
    // Beyond the usual depth, a stale status that is written over a newer status is known to cost a request (docs/verification.md).
    model.stale_restarts = disturbances <= DISTURBANCES;
    let begun = Instant::now();
    match explore(&mut model, disturbances) {
        Err(found) => panic!("{found}"),
        Ok(visited) => {
            let name = format!("{:?}, {disturbances} disturbances", model.real.grant);
            println!(
                "{name}: {visited}, {} statuses, in {:.0?}",
                model.real.statuses_made(),
                begun.elapsed()
            );
            // A model without moves would satisfy every property.
            assert!(visited.states > 1000, "{visited}");
        }
    }
}

#[allow(clippy::disallowed_methods)] // of the test, not of the product
fn disturbances() -> u8 {
    let chosen = std::env::var("TOKENSOURCE_MODEL_DISTURBANCES").ok();
    chosen.map_or(DISTURBANCES, |number| number.parse().unwrap())
}
