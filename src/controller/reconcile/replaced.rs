//! Revoking a token that another one has replaced, some time after the replacement.
//!
//! A failed last attempt, and a revocation that is given up, are reported by an Event and a log line. Neither changes a
//! condition, since the token in the target is valid. Must not decide when a token is revoked.

use std::time::Duration;

use kube::Resource;

use crate::api::TokenSource;
use crate::controller::error::Error;
use crate::controller::reconcile::context::{Context, ReconcilePermit};
use crate::controller::reconcile::revocation::{self, Tried};
use crate::controller::reconcile::target::stored_token;
use crate::controller::view::name::name_of;
use crate::decide::{Failure, Observed, ReplacedToken, grace_of_current, revocation_failed};
use crate::issue::revoke::Tokens;
use crate::oauth::Secret;

/// The maximum time of an attempt.
const ALLOWANCE: Duration = Duration::from_secs(25);

/// The current token, and when it is revoked once a new token has been written.
pub(crate) struct CurrentToken {
    token: Secret,
    replaced_token: ReplacedToken,
}

/// Reads the token in the target before it is replaced; None if it must not or need not be revoked. A token that cannot be
/// read is not revoked, since the new token must not wait for that.
pub(crate) async fn current_token(observed: &Observed<'_>, context: &Context) -> Option<CurrentToken> {
    let grace = grace_of_current(observed)?;
    let replaced_token = ReplacedToken::new(context.now(), grace, observed.published()?)?;
    let token = stored_token(observed, context).await.ok()??;
    Some(CurrentToken { token, replaced_token })
}

/// Records that a new token was written. The previous one is revoked later, unless it is the same.
pub(crate) fn record_replacement(
    current_token: Option<CurrentToken>,
    by: &Secret,
    observed: &Observed<'_>,
    context: &Context,
) {
    let (namespace, uid, now) = (observed.namespace, observed.uid, context.now());
    let tokens = &context.view.replaced;
    // A provider may return an earlier token again.
    if tokens.get(namespace, uid, now).is_some_and(|(token, _)| token == *by) {
        tokens.forget(namespace, uid);
    }
    if let Some(CurrentToken { token, replaced_token }) = current_token.filter(|current| current.token != *by)
    {
        tokens.remember(namespace, uid, token, replaced_token, now);
    }
}

/// Revokes the replaced token. Returns the token if its revocation must be tried again.
pub(crate) async fn revoke(
    source: &TokenSource,
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<Option<ReplacedToken>, Error> {
    let (namespace, uid) = (observed.namespace, observed.uid);
    let Some((token, replaced_token)) = context.view.replaced.get(namespace, uid, context.now()) else {
        return Ok(None);
    };
    let tokens = Tokens { access: vec![token.clone()], ..Tokens::default() };
    let tried = revocation::attempt(async { Ok(tokens) }, ALLOWANCE, observed, context).await?;
    let now = context.now();
    let failure = match tried {
        Tried::Waiting => return Ok(Some(replaced_token.waiting(now))),
        Tried::Revoked => {
            context.log.revoked(&name_of(source), now);
            context.view.replaced.forget(namespace, uid);
            return Ok(None);
        }
        Tried::Failed(failure) => failure,
    };
    let next = replaced_token.failed(&failure, now);
    if let Some(next) = &next {
        context.view.replaced.remember(namespace, uid, token, next.clone(), now);
    } else {
        forget(Some(&failure), source, observed, context);
    }
    Ok(next)
}

/// Forgets the replaced token, and reports this failure to revoke it.
pub(crate) fn forget(
    failure: Option<&Failure>,
    source: &TokenSource,
    observed: &Observed<'_>,
    context: &Context,
) {
    context.view.replaced.forget(observed.namespace, observed.uid);
    if let Some(failure) = failure {
        let now = context.now();
        context.log.not_revoked(&name_of(source), failure, now);
        context.events.publish(source.object_ref(&()), revocation_failed(failure), now);
    }
}
