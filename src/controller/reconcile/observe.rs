//! The first step: collects everything that a decision needs into `Observed`. A later step replaces only the parts that it
//! has read again.
//!
//! In the steady state this costs no call: the object, the provider and the metadata of Secrets are in caches. The target
//! is read in full only if its resourceVersion is not the one recorded as intact, and credentials only if their version
//! is not known.

use std::sync::{Arc, LazyLock};

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::api::{
    ClusterTokenProvider, Reason, TokenProvider, TokenProviderSpec, TokenSource, TokenSourceStatus,
    annotation, from_kubernetes,
};
use crate::controller::error::Error;
use crate::controller::reconcile::context::Context;
use crate::controller::reconcile::credentials::{upstream, versions};
use crate::controller::reconcile::target::former::former_targets;
use crate::controller::reconcile::target::{target, unread_target, unusable_reason};
use crate::controller::view::index::Reference;
use crate::controller::view::name::{name_of, uid_of};
use crate::controller::view::secrets::referenced_secret;
use crate::controller::view::watch::{Finalizers, unreadable};
use crate::decide::refresh::{secret_name, stores_refresh_token};
use crate::decide::{
    ChosenProvider, Deletion, Failure, Link, Observed, Secrets, UnwrittenToken, chosen_provider, follow,
    stray_probe,
};

static NO_STATUS: LazyLock<TokenSourceStatus> = LazyLock::new(TokenSourceStatus::default);

/// The provider block: in the spec, a `TokenProvider` or a `ClusterTokenProvider`.
pub(crate) enum Provider<'a> {
    Inline(&'a TokenProviderSpec),
    Namespaced(Arc<TokenProvider>),
    Cluster(Arc<ClusterTokenProvider>),
}

impl Provider<'_> {
    pub(crate) fn spec(&self) -> &TokenProviderSpec {
        match self {
            Provider::Inline(spec) => spec,
            Provider::Namespaced(provider) => &provider.spec,
            Provider::Cluster(provider) => &provider.spec.provider,
        }
    }
}

/// Finds the provider block, or the reason why there is none.
pub(crate) fn find_provider<'a>(source: &'a TokenSource, context: &Context) -> Result<Provider<'a>, Failure> {
    if let Some(failure) = unreadable(source) {
        return Err(failure);
    }
    let (namespace, _) = name_of(source);
    let cluster_only = context.settings.only_cluster_providers;
    match chosen_provider(&source.spec, cluster_only)? {
        ChosenProvider::Inline(provider) => Ok(Provider::Inline(provider)),
        ChosenProvider::Cluster(name) => {
            let provider = context.cluster.provider(name, &namespace)?;
            let refused = cluster_only.then(|| stray_probe(&source.spec, &provider.spec.provider)).flatten();
            refused.map_or(Ok(Provider::Cluster(provider)), Err)
        }
        ChosenProvider::Namespaced(name) => {
            let found = context.view.providers.get(&ObjectRef::new(name).within(&namespace));
            let provider = found.ok_or_else(|| {
                let message = format!(
                    "There is no TokenProvider {name} in this namespace: create it, or correct providerRef."
                );
                Failure::local(Reason::ProviderNotFound, message)
            })?;
            unreadable(&*provider).map_or(Ok(Provider::Namespaced(provider)), Err)
        }
    }
}

/// Collects the observation. If the target or rewritten credentials cannot be read, their cached metadata is used and the
/// error is returned too: then only a deletion continues, but the status must still be updated as time passes.
pub(crate) async fn observe<'a>(
    source: &'a TokenSource,
    provider: Result<&'a TokenProviderSpec, Failure>,
    context: &Context,
) -> (Observed<'a>, Option<Error>) {
    let [namespace, name] =
        [&source.metadata.namespace, &source.metadata.name].map(|text| text.as_deref().unwrap_or_default());
    let uid = uid_of(source);
    let status = source.status.as_ref().unwrap_or(&NO_STATUS);
    let mut observed = Observed {
        namespace,
        name,
        uid,
        created_at: source.creation_timestamp().as_ref().map(from_kubernetes),
        generation: source.metadata.generation.unwrap_or_default(),
        // The objects of a deleted namespace are deleted in any order, and none of them may be created again.
        deleting: source.metadata.deletion_timestamp.is_some() || context.cluster.is_ending(namespace),
        deletion: deletion(source, context),
        replaced_token: context
            .view
            .replaced
            .get(namespace, uid, context.now())
            .map(|(_, replaced_token)| replaced_token),
        renew_request: source.annotations().get(annotation::RENEW_REQUESTED_AT).map(|value| shortened(value)),
        conflicting_source: older_source(source, context),
        unwritten_token: context.view.local.unwritten_token(uid).map(|issued| UnwrittenToken {
            inputs_fingerprint: issued.inputs_fingerprint,
            expires_at: issued.token.expires_at,
        }),
        probed: context.view.local.probed(uid),
        ..Observed::new(&source.spec, status, provider, context.now())
    };
    if let Ok(provider) = &observed.provider {
        observed.template_problem = context.view.local.template_problem(source, &provider.response.keep);
        observed.secrets = Secrets::find(&source.spec, provider, |name| {
            referenced_secret(name, context.view.secrets.get(namespace, name))
        });
        let mut named: Vec<Reference> = observed
            .secrets
            .named()
            .filter_map(|secret| Some(Reference::Secret(secret.name()?.into())))
            .collect();
        for name in provider.token_sources() {
            let (upstream, source) = upstream::known(namespace, name, context);
            named.push(Reference::TokenSource(name.into()));
            named.extend(source.map(|source| Reference::Secret(source.target_name().into())));
            observed.secrets.upstreams.push(upstream);
        }
        if !observed.secrets.upstreams.is_empty() {
            let chain = follow(name, |name| link(namespace, name, context));
            (observed.circle, observed.upstream_has_owner) = (chain.circle, chain.has_owner);
        }
        if stores_refresh_token(provider) {
            named.push(Reference::Secret(secret_name(name).into()));
        }
        // From the spec itself, the index knows only the target, the credentials and the provider object.
        context.view.depends(namespace, observed.name, named);
    }
    let unresolved = versions::resolve(&mut observed, context).await.err();
    observed.fingerprints = observed.current_fingerprints();
    let (target, unread) = match target(&observed, context).await {
        Ok(target) => (target, None),
        Err(error) => (unread_target(&observed, context), Some(error)),
    };
    observed.target = target;
    observed.former_targets = former_targets(&observed, context);
    observed.refresh_conflict = refresh_conflict(&observed, context);
    (observed, unread.or(unresolved))
}

fn deletion(source: &TokenSource, context: &Context) -> Deletion {
    let ((namespace, _), uid) = (name_of(source), uid_of(source));
    let stored = context.view.secrets.get(&namespace, &secret_name(&source.name_any()));
    Deletion {
        finalizer: matches!(Finalizers::of(source), Finalizers::Own(_)),
        since: source.metadata.deletion_timestamp.as_ref().map(from_kubernetes),
        of_namespace: context.cluster.is_ending(&namespace),
        refresh_token: stored.is_some_and(|meta| unusable_reason(&meta, uid).is_none()),
        tries: context.view.local.tries(uid),
    }
}

/// A renewal request, cut to the length that fits into the status. A longer one would make every write of the status fail.
fn shortened(request: &str) -> &str {
    match request.char_indices().nth(1024) {
        Some((end, _)) => request.get(..end).unwrap_or_default(),
        None => request,
    }
}

/// The TokenSource of this name as a link of a chain. A TokenSource that is missing, or has no provider, ends the chain.
fn link(namespace: &str, name: &str, context: &Context) -> Link {
    let Some(source) = context.view.find(&(namespace.into(), name.into())) else { return Link::default() };
    find_provider(&source, context)
        .map_or_else(|_| Link::default(), |provider| Link::of(&source.spec, provider.spec()))
}

/// Why the Secret in which the refresh token would be stored cannot be used, as the end of a sentence.
fn refresh_conflict(observed: &Observed<'_>, context: &Context) -> Option<String> {
    observed.provider.as_ref().ok().filter(|provider| stores_refresh_token(provider))?;
    let meta = context.view.secrets.get(observed.namespace, &secret_name(observed.name))?;
    unusable_reason(&meta, observed.uid)
}

/// The oldest other `TokenSource` with the same target, if it is older.
fn older_source(source: &TokenSource, context: &Context) -> Option<String> {
    let (namespace, name) = name_of(source);
    let oldest = context.view.oldest_claim(&namespace, source.target_name())?;
    (oldest != name).then(|| oldest.to_string())
}
