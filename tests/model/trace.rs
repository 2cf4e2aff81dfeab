//! A state in one line, for a person who reads a counterexample.

use crate::real::Real;
use crate::world::{HeldToken, Secret, Step, World};

/// The description of a state.
pub(crate) fn state(real: &Real, world: &World) -> String {
    let mut parts = vec![format!("target {}", secret(world.target))];
    if world.known_target != world.target {
        parts.push(format!("known: {}", secret(world.known_target)));
    }
    parts.extend(world.held.map(|held| format!("holds {}", token(&held))));
    parts.extend(world.stored.map(|stored| format!("refresh token {:?}", stored.token)));
    parts.push(match world.step {
        Step::Idle if world.triggered => "triggered".to_owned(),
        Step::Idle => format!("sleeps {:?}", world.timer),
        Step::Obtain(call, _, cause) => format!("next: {call:?} ({cause:?})"),
        Step::Publish(call, _, held) => format!("next: {call:?} {}", token(&held)),
        Step::Record { status, .. } => format!("next: record [{}]", real.describe(status)),
    });
    parts.push(match world.source {
        None => "no TokenSource".to_owned(),
        Some(source) => {
            let unseen = if world.seen_source == world.source { "" } else { " (unseen)" };
            format!("generation {} [{}]{unseen}", source.generation, real.describe(source.status))
        }
    });
    parts.join("; ")
}

fn secret(secret: Option<Secret>) -> String {
    match secret {
        None => "missing".to_owned(),
        Some(secret) if !secret.ours => "foreign".to_owned(),
        Some(secret) => format!(
            "v{} #{} {}..{} for {}/{}{}",
            secret.version,
            secret.token,
            secret.issued_at,
            secret.expires_at,
            secret.token_inputs.scope,
            secret.token_inputs.credentials,
            if secret.altered { " altered" } else { "" }
        ),
    }
}

fn token(held: &HeldToken) -> String {
    format!(
        "#{} {}..{} for {}/{} refresh {:?}",
        held.token,
        held.issued_at,
        held.expires_at,
        held.token_inputs.scope,
        held.token_inputs.credentials,
        held.refresh
    )
}
