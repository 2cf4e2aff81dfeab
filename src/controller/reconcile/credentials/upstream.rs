//! Other TokenSources whose tokens a request needs: what is known of them, and reading such a token from its target.
//! Must not decide whether the token may be used.

use std::sync::Arc;

use crate::api::{TARGET_KEYS, TokenSource};
use crate::controller::error::{CallError, Error};
use crate::controller::reconcile::context::Context;
use crate::controller::reconcile::target::{is_intact, unusable_reason};
use crate::controller::view::name::{NamespacedName, uid_of};
use crate::controller::view::secrets::{SecretMeta, referenced_secret};
use crate::decide::{Upstream, UpstreamState};
use crate::oauth::Secret;

/// The upstream as the caches know it.
pub(crate) fn known(namespace: &str, name: &str, context: &Context) -> (Upstream, Option<Arc<TokenSource>>) {
    let source = find(namespace, name, context);
    let state = source.as_ref().map_or(UpstreamState::Missing, |source| {
        let meta = context.view.secrets.get(namespace, source.target_name());
        state(source, meta, context)
    });
    (Upstream { name: name.to_owned(), state }, source)
}

/// The upstream and its token, read from its target.
pub(crate) async fn read(
    namespace: &str,
    name: &str,
    context: &Context,
) -> Result<(UpstreamState, Option<Secret>), Error> {
    let Some(source) = find(namespace, name, context) else { return Ok((UpstreamState::Missing, None)) };
    let found: Result<_, CallError> = context.read_secret(namespace, source.target_name()).await;
    let Some((secret, meta)) = found.map_err(Error::ReadToken)? else {
        return Ok((state(&source, None, context), None));
    };
    let is_intact = is_intact(&meta, secret.data.as_ref());
    let state = state(&source, Some(meta).filter(|_| is_intact), context);
    let [key, ..] = TARGET_KEYS;
    let value = secret.data.and_then(|mut data| data.remove(key));
    let token = value.and_then(|value| String::from_utf8(value.0).ok()).map(Secret::new);
    let is_ready = matches!(state, UpstreamState::Ready(_));
    Ok((state, token.filter(|_| is_ready)))
}

fn find(namespace: &str, name: &str, context: &Context) -> Option<Arc<TokenSource>> {
    let named: NamespacedName = (namespace.into(), name.into());
    context.view.find(&named)
}

fn state(source: &TokenSource, meta: Option<Arc<SecretMeta>>, context: &Context) -> UpstreamState {
    let target = meta.filter(|meta| unusable_reason(meta, uid_of(source)).is_none()).and_then(|meta| {
        let expires_at = meta.record.as_ref()?.expires_at;
        Some((referenced_secret(source.target_name(), Some(meta)), expires_at))
    });
    UpstreamState::of(source, target, context.now())
}
