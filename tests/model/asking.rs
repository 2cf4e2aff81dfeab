//! The calls of [`ObtainCall`]: the token request, the provider's reaction and its result, and the stored refresh token. Knows
//! the provider's own state, which the controller must not know.

use tokensource::decide::{Cause, ObtainCall, PublishCall};

use crate::controller::Reached;
use crate::model::{Luck, Model, Mutation};
use crate::properties;
use crate::real::{Choice, Grant, Outcome, Reply};
use crate::samples::LIFETIME;
use crate::world::{HeldToken, Look, RefreshToken, Requested, Seconds, Step, Stored, TokenInputs, World};

/// A fault of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The provider replies with this, and does nothing.
    Reply(Reply),
    /// The provider carries out the request, but a gateway answers instead.
    Lost,
}

impl Model {
    /// Simulates a call before or after a token request, or a token request whose inputs cannot be read.
    pub(crate) fn obtain(
        &mut self,
        mut world: World,
        (call, look, cause): (ObtainCall, Look, Cause),
        luck: Luck,
    ) -> Reached {
        match call {
            ObtainCall::StoreUnwritten => {
                let mut held = world.held.unwrap();
                self.store(&mut world, &mut held, luck);
                world.held = Some(held);
            }
            ObtainCall::DropRefreshToken if luck == Luck::Refused => {}
            ObtainCall::DropRefreshToken => world.stored = None,
            // The inputs cannot be read, so nothing is sent. `ask` simulates a request that is sent.
            ObtainCall::Request | ObtainCall::RequestAgain => {}
        }
        let next = if luck == Luck::Good { call.after_success() } else { call.after_failure(false) };
        let Some(next) = next else {
            return self.finish(world, look, Choice::Issue(cause), Outcome::Waiting, true);
        };
        world.step = Step::Obtain(next, look, cause);
        Ok(world)
    }

    /// The token request, and the provider's answer to it, or `fault` instead.
    pub(crate) fn ask(&mut self, mut world: World, fault: Option<Fault>) -> Reached {
        let Step::Obtain(call, mut look, cause) = world.step else { return Ok(world) };
        let again = call == ObtainCall::RequestAgain;
        (look.credentials, world.seen_credentials) = (world.credentials, world.credentials);
        let token_inputs = TokenInputs { scope: look.source.scope, credentials: world.credentials };
        let usable = world
            .stored
            .filter(|_| !again && self.real.keeps_refresh_tokens())
            .filter(|stored| self.real.may_refresh(stored.token_inputs, token_inputs));
        let refreshing = usable.is_some();
        if !world.ghost.in_the_past {
            properties::request(self, &world, &look, token_inputs, again)?;
        }
        if std::mem::take(&mut world.ghost.in_the_past) {
            // The outdated status is written over the newer status, with its count of refusals.
            world.ghost.refusals = None;
            if world.ghost.requested != Requested::No {
                // The order of two requests within a second is unknown, and the recorded minimum interval was lost, too.
                world.ghost.requested = Requested::Unknown;
            }
        }
        let reply = match fault {
            Some(Fault::Reply(reply)) => reply,
            None | Some(Fault::Lost) => self.serve(&mut world, usable),
        };
        properties::family(&world)?;
        let ghost = &mut world.ghost;
        (ghost.asked_at, ghost.unrecorded) = (Some(0), true);
        ghost.crashed = false;
        let received = if fault == Some(Fault::Lost) { Reply::Unavailable } else { reply };
        if fault == Some(Fault::Lost) && matches!(reply, Reply::Token { refresh: true }) {
            world.ghost.refresh_lost = true;
        }
        match self.real.answer(token_inputs, refreshing, received) {
            Ok(()) => {
                let rotated = matches!(reply, Reply::Token { refresh: true });
                let token = HeldToken {
                    token: World::unused(),
                    token_inputs,
                    issued_at: 0,
                    expires_at: LIFETIME,
                    cause,
                    handled_renew_request: if self.mutation == Some(Mutation::HandlesNoRequest) {
                        0
                    } else {
                        look.source.request
                    },
                    saw: look.source.request,
                    refresh: rotated.then_some(RefreshToken::Current),
                    fell_back: again,
                };
                (world.ghost.failed, world.ghost.came) = (None, Some((token_inputs, LIFETIME)));
                world.ghost.refusals = None;
                world.step = Step::Publish(PublishCall::first(rotated), look, token);
                Ok(world)
            }
            Err(failure) => {
                let falls_back_to_grant = refreshing && self.real.falls_back_to_grant(&look, failure);
                if let Some(next) = call.after_failure(falls_back_to_grant) {
                    world.step = Step::Obtain(next, look, cause);
                    return Ok(world);
                }
                let with = look.source.generation;
                let before = world
                    .ghost
                    .refusals
                    .filter(|(generation, inputs, _)| (*generation, *inputs) == (with, token_inputs));
                let refusals = before.map_or(0, |(.., refusals)| refusals).saturating_add(1).min(6);
                world.ghost.refusals =
                    self.real.is_refusal(failure).then_some((with, token_inputs, refusals));
                let ours = look.target.filter(|target| target.ours);
                let proven = ours.is_some_and(|target| target.token_inputs == token_inputs);
                let life_left = ours.map_or(0, |target| target.expires_at);
                let until = self.real.floor(failure, proven, life_left, refusals).unwrap_or(Seconds::MAX);
                world.ghost.failed = Some((with, token_inputs, until));
                let seen = world.source.is_some_and(|source| source.request == look.source.request);
                if seen && world.ghost.requested == Requested::Open {
                    world.ghost.requested = Requested::Tried(with, token_inputs.credentials);
                }
                self.finish(world, look, Choice::Issue(cause), Outcome::Failed(failure), false)
            }
        }
    }

    /// Returns the answer of a healthy provider. The provider assumes that a used refresh token is stolen, and then revokes all
    /// refresh tokens.
    fn serve(&self, world: &mut World, usable: Option<Stored>) -> Reply {
        let begins = if world.family.begun { RefreshToken::Used } else { RefreshToken::Current };
        let shown = match (self.real.grant, usable) {
            (Grant::ClientCredentials, _) => return Reply::Token { refresh: false },
            (_, Some(stored)) => stored.token,
            (Grant::RefreshToken, None) => begins,
            (Grant::Password, None) => {
                world.family.revoked = false;
                RefreshToken::Current
            }
        };
        if shown == RefreshToken::Used || world.family.revoked {
            world.family.revoked = true;
            return Reply::InvalidGrant;
        }
        world.family.begun = true;
        if let Some(stored) = &mut world.stored {
            stored.token = RefreshToken::Used;
        }
        for token in world.tokens() {
            token.refresh = token.refresh.map(|_| RefreshToken::Used);
        }
        Reply::Token { refresh: true }
    }
}
