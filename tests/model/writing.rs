//! The calls of [`PublishCall`]: the refresh token is stored, the target is written, and a token that could not be written is
//! kept. Follows the order of `decide::sequence`, except with the mutation that changes the order.

use tokensource::decide::PublishCall;

use crate::controller::Reached;
use crate::model::{Luck, Model, Mutation, Violation};
use crate::properties;
use crate::real::{Choice, Outcome};
use crate::world::{HeldToken, Look, Requested, Secret, Step, Stored, World};

impl Model {
    /// Simulates a call that stores the refresh token or writes the target.
    pub(crate) fn publish(
        &mut self,
        mut world: World,
        (call, mut look, mut token): (PublishCall, Look, HeldToken),
        luck: Luck,
    ) -> Reached {
        let is_written = look.target.is_some_and(|target| target.token == token.token);
        let late = self.mutation == Some(Mutation::StoresRefreshTokenLast) && !is_written;
        let mut unchanged = false;
        let done = match call {
            PublishCall::StoreRefreshToken if late => true,
            PublishCall::StoreRefreshToken => self.store(&mut world, &mut token, luck),
            PublishCall::WriteTarget => {
                unchanged = is_same(&token, &look, &world);
                let written = match look.target.filter(|_| unchanged) {
                    Some(published) => {
                        Some(Secret { handled_renew_request: token.handled_renew_request, ..published })
                    }
                    None => self.write(&mut world, &look, &token, luck)?,
                };
                look.target = written.or(look.target);
                written.is_some()
            }
        };
        if !done {
            return self.hold(world, look, token);
        }
        let last = PublishCall::StoreRefreshToken;
        if let Some(next) = call.after_success().or((late && token.refresh.is_some()).then_some(last)) {
            world.step = Step::Publish(next, look, token);
            return Ok(world);
        }
        world.held = None;
        let outcome =
            look.target.map_or(Outcome::Waiting, |target| Outcome::Published { token, target, unchanged });
        self.finish(world, look, Choice::Issue(token.cause), outcome, false)
    }

    /// Stores the token's refresh token. Returns whether the controller knows that it was stored.
    pub(crate) fn store(&self, world: &mut World, token: &mut HeldToken, luck: Luck) -> bool {
        let forgets = self.mutation == Some(Mutation::DropsRefreshToken);
        if luck != Luck::Refused && !forgets {
            world.stored = token.refresh.map(|kept| Stored { token: kept, token_inputs: token.token_inputs });
        }
        token.refresh = token.refresh.filter(|_| luck != Luck::Good);
        luck == Luck::Good
    }

    /// Writes the target. Returns it if the controller knows that it was written.
    fn write(
        &self,
        world: &mut World,
        look: &Look,
        token: &HeldToken,
        luck: Luck,
    ) -> Result<Option<Secret>, Violation> {
        let careless = self.mutation == Some(Mutation::OverwritesWhatIsThere);
        let uid = match (look.target, world.known_target, world.target) {
            // The Secret is created by POST, which fails if a Secret exists.
            (None, _, None) => Some(World::unused()),
            // The write is bound to the uid of the observed target.
            (Some(seen), Some(known), Some(there)) if known.ours && known.uid == seen.uid => {
                (there.uid == seen.uid).then_some(seen.uid)
            }
            (_, _, Some(there)) if careless => Some(there.uid),
            _ => None,
        };
        let (Some(uid), Luck::Good | Luck::Lost) = (uid, luck) else {
            if uid.is_none() {
                world.known_target = world.target;
            }
            return Ok(None);
        };
        let written = Secret {
            uid,
            version: World::unused(),
            ours: true,
            altered: false,
            token: token.token,
            token_inputs: token.token_inputs,
            handled_renew_request: token.handled_renew_request,
            issued_at: token.issued_at,
            expires_at: token.expires_at,
        };
        properties::target_write(world, &written)?;
        world.target = Some(written);
        world.ghost.came = None;
        if world.source.is_some_and(|source| source.request == token.saw) {
            world.ghost.requested = Requested::No;
        }
        let known = Some(written).filter(|_| luck == Luck::Good);
        world.known_target = known.or(world.known_target);
        Ok(known)
    }

    fn hold(&mut self, mut world: World, look: Look, token: HeldToken) -> Reached {
        if self.mutation != Some(Mutation::ForgetsHeldToken) {
            world.held = Some(token);
        }
        let claims = self.mutation == Some(Mutation::ClaimsUnwritten);
        let outcome = match look.target.filter(|_| claims) {
            Some(target) => Outcome::Published {
                token,
                target: Secret {
                    altered: false,
                    expires_at: token.expires_at,
                    token_inputs: token.token_inputs,
                    ..target
                },
                unchanged: false,
            },
            None => Outcome::Unwritten(token.issued_at),
        };
        self.finish(world, look, Choice::Issue(token.cause), outcome, true)
    }
}

/// `apply::is_same` and `apply::record_is_current`. The compared hash covers the token, its lifetime and its inputs.
fn is_same(token: &HeldToken, look: &Look, world: &World) -> bool {
    let (Some(published), Some(known)) = (look.target, world.known_target) else { return false };
    let extended = token.expires_at - published.expires_at > 60;
    let expired = token.issued_at >= published.expires_at;
    published.ours
        && !published.altered
        && published.token_inputs == token.token_inputs
        && !extended
        && !expired
        && (known.token, known.token_inputs) == (token.token, published.token_inputs)
        && (known.issued_at, known.expires_at) == (published.issued_at, published.expires_at)
}
