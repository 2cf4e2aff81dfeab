//! The first step: collects everything that a decision needs into `Observed`, which nothing else writes.
//!
//! In the steady state this costs no call: the object, the provider and the metadata of Secrets are in caches. The target
//! is read in full only if its resourceVersion is not the one recorded as intact, and credentials only if their version
//! is not known.

use std::sync::{Arc, LazyLock};

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::api::{
    ClusterTokenProvider, ProviderKind, Reason, TokenProvider, TokenProviderSpec, TokenSource,
    TokenSourceSpec, TokenSourceStatus, annotation, from_kubernetes,
};
use crate::controller::error::Error;
use crate::controller::reconcile::context::Context;
use crate::controller::reconcile::credentials::{upstream, versions};
use crate::controller::reconcile::target::former::former_targets;
use crate::controller::reconcile::target::{foreign_owner, target, unread_target};
use crate::controller::view::index::Reference;
use crate::controller::view::secrets::credentials;
use crate::controller::view::watch::unreadable;
use crate::decide::refresh::{is_kept, secret_name};
use crate::decide::{
    Deletion, Failure, Observed, Secrets, Target, UnwrittenToken, circle, has_owner, names_owned,
};
use crate::oauth::Endpoint;

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
    let namespace = source.namespace().unwrap_or_default();
    let spec = &source.spec;
    let cluster_only = context.settings.only_cluster_providers;
    if let Some(failure) = unreadable(source) {
        return Err(failure);
    }
    match (&spec.provider, &spec.provider_ref) {
        (Some(_), Some(_)) | (None, None) => {
            Err(Failure::local(Reason::InvalidSpec, "Set exactly one of provider and providerRef."))
        }
        (_, Some(reference)) if reference.kind == ProviderKind::ClusterTokenProvider => {
            let provider = context.cluster.provider(&reference.name, &namespace)?;
            if cluster_only && stray_probe(spec, &provider.spec.provider) {
                return Err(Failure::local(
                    Reason::ProviderNotAllowed,
                    "This controller speaks to the hosts of ClusterTokenProviders only (--only-cluster-providers): \
                     remove renewal.probe, or point it at the provider's own host.",
                ));
            }
            Ok(Provider::Cluster(provider))
        }
        _ if cluster_only => Err(Failure::local(
            Reason::ProviderNotAllowed,
            "This controller takes endpoints from ClusterTokenProviders only (--only-cluster-providers): set \
             providerRef to one.",
        )),
        (Some(provider), None) => Ok(Provider::Inline(provider)),
        (None, Some(reference)) => {
            let found = context.view.providers.get(&ObjectRef::new(&reference.name).within(&namespace));
            let provider = found.ok_or_else(|| {
                Failure::local(
                    Reason::ProviderNotFound,
                    format!(
                        "There is no TokenProvider {} in this namespace: create it, or correct providerRef.",
                        reference.name
                    ),
                )
            })?;
            unreadable(&*provider).map_or(Ok(Provider::Namespaced(provider)), Err)
        }
    }
}

/// Whether the probe's URL is at another host than the provider.
fn stray_probe(spec: &TokenSourceSpec, provider: &TokenProviderSpec) -> bool {
    let host = |url: Option<&str>| {
        let endpoint = Endpoint::parse(url?).ok()?;
        Some((endpoint.host().to_owned(), endpoint.port()))
    };
    let probe = spec.renewal.probe.as_ref().map(|probe| probe.url.as_str());
    probe.is_some() && host(probe) != host(provider.token_endpoint.as_deref().or(provider.issuer.as_deref()))
}

/// Collects the observation. If the target or rewritten credentials cannot be read, their cached metadata is used and the
/// error is returned too: nothing may be decided then, but the status still has to follow the clock.
pub(crate) async fn observe<'a>(
    source: &'a TokenSource,
    provider: Result<&'a TokenProviderSpec, Failure>,
    context: &Context,
) -> (Observed<'a>, Option<Error>) {
    let namespace = source.namespace().unwrap_or_default();
    let uid = source.metadata.uid.as_deref().unwrap_or_default();
    let now = context.now();
    let mut observed = Observed {
        now,
        namespace: source.metadata.namespace.as_deref().unwrap_or_default(),
        name: source.metadata.name.as_deref().unwrap_or_default(),
        uid,
        generation: source.metadata.generation.unwrap_or_default(),
        // When a namespace is deleted, its objects go in any order, and none of them may be created again.
        deleting: source.metadata.deletion_timestamp.is_some() || context.cluster.is_ending(&namespace),
        deletion: deletion(source, context),
        replacement: context.view.replaced.get(&namespace, uid, now).map(|(_, replacement)| replacement),
        spec: &source.spec,
        status: source.status.as_ref().unwrap_or(&NO_STATUS),
        renew_request: source.annotations().get(annotation::RENEW_REQUESTED_AT).map(|value| shortened(value)),
        provider,
        secrets: Secrets::default(),
        inputs: None,
        template_problem: None,
        target: Target::Missing,
        former_targets: Vec::new(),
        refresh_conflict: None,
        conflicting_source: conflicting_source(source, context),
        unwritten_token: context
            .view
            .local
            .unwritten_token(uid)
            .map(|issued| UnwrittenToken { asked: issued.asked, expires_at: issued.token.expires_at }),
        probed: context.view.local.probed(uid),
        circle: Vec::new(),
        upstream_has_owner: false,
    };
    if let Ok(provider) = &observed.provider {
        observed.template_problem = context.view.local.template_problem(source, &provider.response.keep);
        observed.secrets = Secrets::find(&source.spec, provider, |name| {
            credentials(name, context.view.secrets.get(&namespace, name))
        });
        let mut named: Vec<Reference> = observed
            .secrets
            .named()
            .filter_map(|secret| Some(Reference::Secret(secret.name()?.into())))
            .collect();
        for name in provider.token_sources() {
            let (upstream, source) = upstream::known(&namespace, name, context);
            named.push(Reference::TokenSource(name.into()));
            named.extend(source.map(|source| Reference::Secret(source.target_name().into())));
            observed.secrets.upstreams.push(upstream);
        }
        if !observed.secrets.upstreams.is_empty() {
            let namespace = observed.namespace;
            observed.circle = circle(observed.name, |name| described(name, namespace, context).1);
            let names = provider.token_sources();
            observed.upstream_has_owner = has_owner(names, |name| described(name, namespace, context));
        }
        // The spec alone does not tell these objects if the provider block is in another one.
        context.view.depends(&namespace, observed.name, named);
    }
    let uncounted = versions::count(&mut observed, context).await.err();
    observed.inputs = observed.fingerprint();
    let (target, unread) = match target(&observed, &namespace, context).await {
        Ok(target) => (target, None),
        Err(error) => (unread_target(&observed, &namespace, context), Some(error)),
    };
    observed.target = target;
    observed.former_targets = former_targets(&observed, &namespace, context);
    observed.refresh_conflict = refresh_conflict(&observed, &namespace, context);
    (observed, unread.or(uncounted))
}

fn deletion(source: &TokenSource, context: &Context) -> Deletion {
    let (namespace, uid) = (source.namespace().unwrap_or_default(), source.uid().unwrap_or_default());
    let stored = context.view.secrets.get(&namespace, &secret_name(&source.name_any()));
    Deletion {
        finalizer: source.finalizers().iter().any(|finalizer| finalizer == annotation::FINALIZER),
        since: source.metadata.deletion_timestamp.as_ref().map(from_kubernetes),
        of_namespace: context.cluster.is_ending(&namespace),
        refresh_token: stored.is_some_and(|meta| foreign_owner(&meta, &uid).is_none()),
        tries: context.view.local.tries(&uid),
    }
}

/// A renewal request, cut to the length that fits into the status. A longer one would make every write of the status fail.
fn shortened(request: &str) -> &str {
    match request.char_indices().nth(1024) {
        Some((end, _)) => request.get(..end).unwrap_or_default(),
        None => request,
    }
}

/// Whether the request of a TokenSource has something with an owner, and the TokenSources that its provider block names.
fn described(name: &str, namespace: &str, context: &Context) -> (bool, Vec<String>) {
    let Some(source) = context.view.find(&(namespace.into(), name.into())) else {
        return (false, Vec::new());
    };
    let Ok(provider) = find_provider(&source, context) else { return (false, Vec::new()) };
    let named = provider.spec().token_sources().into_iter().map(str::to_owned).collect();
    (names_owned(&source.spec, provider.spec()), named)
}

/// The foreign owner of the Secret in which the refresh token would be stored.
fn refresh_conflict(observed: &Observed<'_>, namespace: &str, context: &Context) -> Option<String> {
    observed.provider.as_ref().ok().filter(|provider| is_kept(provider))?;
    let meta = context.view.secrets.get(namespace, &secret_name(observed.name))?;
    foreign_owner(&meta, observed.uid)
}

/// The oldest other `TokenSource` with the same target, if it is older than this one.
fn conflicting_source(source: &TokenSource, context: &Context) -> Option<String> {
    let namespace = source.namespace().unwrap_or_default();
    let target = |source: &TokenSource| source.target_name().to_owned();
    let age = |source: &TokenSource| (source.creation_timestamp().map(|time| time.0), source.name_any());
    let mine = target(source);
    context
        .view
        .users(&namespace, Reference::Secret(mine.as_str().into()))
        .into_iter()
        .filter(|(_, name)| *name != source.name_any())
        .filter_map(|user| context.view.find(&user))
        .filter(|other| {
            target(other) == mine && age(other) < age(source) && other.metadata.deletion_timestamp.is_none()
        })
        .min_by_key(|other| age(other))
        .map(|other| other.name_any())
}
