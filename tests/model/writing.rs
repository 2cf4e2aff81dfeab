//! The controller's part in `act` and `publish`: the refresh token first, then the target, and the handling of a token that
//! could not be written.

use crate::controller::Reached;
use crate::model::{Luck, Model, Mutation};
use crate::properties;
use crate::real::{Choice, Outcome};
use crate::world::{HeldToken, Look, Requested, Secret, Step, Stored, World};

impl Model {
    /// Stores the refresh token of an issued token.
    pub(crate) fn store(
        &mut self,
        mut world: World,
        look: Look,
        mut token: HeldToken,
        luck: Luck,
    ) -> Reached {
        let forgets = self.mutation == Some(Mutation::DropsRefreshToken);
        if luck != Luck::Refused && !forgets {
            world.stored = token.refresh.map(|kept| Stored { token: kept, token_inputs: token.token_inputs });
        }
        if luck != Luck::Good {
            return self.hold(world, look, token);
        }
        token.refresh = None;
        world.step = Step::Write(look, token);
        Ok(world)
    }

    /// Writes the target.
    pub(crate) fn write(&mut self, mut world: World, look: Look, token: HeldToken, luck: Luck) -> Reached {
        if let (Some(published), Some(known)) = (look.target, world.known_target)
            && is_same(&token, &published, &known)
        {
            world.held = None;
            let target = Secret { handled_renew_request: token.handled_renew_request, ..published };
            let outcome = Outcome::Published { token, target, unchanged: true };
            return self.finish(world, look, Choice::Issue(token.cause), outcome, false);
        }
        let careless = self.mutation == Some(Mutation::OverwritesWhatIsThere);
        let uid = match (look.target, world.known_target, world.target) {
            // Created by POST, which fails if a Secret exists.
            (None, _, None) => Some(World::unused()),
            // Bound to the uid of the observed target.
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
            return self.hold(world, look, token);
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
        properties::target_write(&world, &written)?;
        world.target = Some(written);
        world.ghost.came = None;
        if world.source.is_some_and(|source| source.request == token.saw) {
            world.ghost.requested = Requested::No;
        }
        if luck == Luck::Lost {
            return self.hold(world, look, token);
        }
        world.known_target = Some(written);
        world.held = None;
        let outcome = Outcome::Published { token, target: written, unchanged: false };
        self.finish(world, look, Choice::Issue(token.cause), outcome, false)
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

/// `publish::is_same`: the hash that is compared is one over the token, its life and its inputs.
fn is_same(token: &HeldToken, published: &Secret, known: &Secret) -> bool {
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
