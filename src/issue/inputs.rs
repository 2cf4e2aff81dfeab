//! Collects the parts of a token or revocation request: the endpoint, Secrets, tokens of ServiceAccounts and of other
//! TokenSources, and trusted certificates.
//!
//! Everything that was read is checked again, so that nothing unchecked is sent. Must not know the bytes of a request, nor
//! the cause of the request.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::api::{InputSource, KeyReference, Reason, Tls, TokenProviderSpec};
use crate::decide::publication::Data;
use crate::decide::versions::{Role, Versions};
use crate::decide::{
    Failure, Observed, ReferencedSecret, RequestInputs, Secrets, Upstream, disclosure, refuse_credentials,
    refuse_unready,
};
use crate::issue::error::IssueError;
use crate::issue::lookup::Lookup;
use crate::issue::metadata_cache::MetadataKey;
use crate::issue::token_clients::digest;
use crate::oauth::{ClientCertificate, Disclosure, Endpoint, Metadata, Secret, TokenClient};

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// To get a token.
    Token,
    /// To revoke a token.
    Revocation,
}

impl Purpose {
    /// The URL that the request is sent to; None if there is none.
    fn url(self, provider: &TokenProviderSpec) -> Option<&str> {
        match self {
            Self::Token if provider.signed_token.is_some() => None,
            Self::Token => Some(provider.token_endpoint.as_deref().unwrap_or_default()),
            Self::Revocation => provider.revocation_endpoint(),
        }
    }
}

/// All parts of a request, except a stored refresh token.
pub(crate) struct PreparedRequest<'a> {
    pub(crate) purpose: Purpose,
    /// The provider block, with its endpoints also if the spec has an `issuer`.
    pub(crate) provider: Cow<'a, TokenProviderSpec>,
    pub(crate) inputs: RequestInputs,
    /// The client for the endpoint; None if there is no endpoint, as for a token that the controller signs itself.
    pub(crate) client: Option<TokenClient>,
    /// The client for refresh requests, if they go to another endpoint.
    pub(crate) refresh_client: Option<TokenClient>,
    /// The fingerprint of the request's inputs.
    pub(crate) inputs_fingerprint: String,
    /// The versions of the Secrets that are part of the fingerprint.
    pub(crate) versions: Versions,
    /// The issuer's metadata with its key in the cache; None if the spec names the endpoint.
    pub(crate) found: Option<(MetadataKey, Metadata)>,
}

/// Reads the Secrets, checks an observation with their current metadata, and prepares the request. Stores this new observation
/// in `read`, even if the request is then refused.
pub(crate) async fn prepare<'a, L: Lookup>(
    purpose: Purpose,
    observed: &Observed<'a>,
    read: &mut Option<Observed<'a>>,
    lookup: &L,
) -> Result<PreparedRequest<'a>, IssueError<L::Error>> {
    let provider = observed.provider.clone().map_err(IssueError::Refused)?;
    let ca_bundle = read_ca_bundle(observed, provider, lookup).await?;
    let (provider, found) = locate(observed, provider, ca_bundle.as_deref(), lookup).await?;
    let (secrets, mut inputs, pair) = read_secrets(purpose, observed, &provider, lookup).await?;
    let observed = &*read.insert(observed.with_secrets(secrets));
    if let Some(failure) = refuse_credentials(observed, &provider).or_else(|| refuse_unready(observed)) {
        return Err(IssueError::Refused(failure));
    }
    let certificate = certificate(&observed.secrets.certificate, pair)?;
    let Some(inputs_fingerprint) =
        observed.fingerprints.as_ref().map(|fingerprints| fingerprints.token.clone())
    else {
        let gone = "The credentials have just been deleted.";
        return Err(IssueError::Refused(Failure::local(Reason::CredentialsNotFound, gone)));
    };
    issue_tokens(observed, &provider, &mut inputs, lookup).await?;
    let client = |url: Option<&str>| {
        url.map(|url| token_client(observed, url, &provider, ca_bundle.clone(), certificate.clone(), lookup))
            .transpose()
    };
    let refresh_client = client(provider.refresh_endpoint().filter(|_| purpose == Purpose::Token))?;
    let client = client(purpose.url(&provider))?;
    let versions = observed.secrets.versions.clone();
    Ok(PreparedRequest {
        purpose,
        provider,
        inputs,
        client,
        refresh_client,
        inputs_fingerprint,
        versions,
        found,
    })
}

/// Reads the parts of the request, without contact to any host.
pub(crate) async fn read_inputs<L: Lookup>(
    observed: &Observed<'_>,
    provider: &TokenProviderSpec,
    lookup: &L,
) -> Result<RequestInputs, IssueError<L::Error>> {
    let (_, mut inputs, _) = read_secrets(Purpose::Token, observed, provider, lookup).await?;
    issue_tokens(observed, provider, &mut inputs, lookup).await?;
    Ok(inputs)
}

/// Reads and parses the certificates that the provider block names.
pub(crate) async fn parse_certificates<L: Lookup>(
    observed: &Observed<'_>,
    provider: &TokenProviderSpec,
    lookup: &L,
) -> Result<(), IssueError<L::Error>> {
    if provider.tls == Tls::default() {
        return Ok(());
    }
    let ca_bundle = read_ca_bundle(observed, provider, lookup).await?;
    let (secrets, _, pair) = read_secrets(Purpose::Token, observed, provider, lookup).await?;
    let certificate = certificate(&secrets.certificate, pair)?;
    let probe = observed.spec.renewal.probe.as_ref().map(|probe| probe.url.as_str());
    let url = provider.url().or(probe);
    // A token that the controller signs and that is not probed is sent nowhere.
    let Some(url) = url else { return Ok(()) };
    token_client(observed, url, provider, ca_bundle, certificate, lookup).map(drop)
}

/// Creates the tokens of ServiceAccounts for each request, since some servers refuse a token that they have seen before.
pub(crate) async fn issue_tokens<L: Lookup>(
    observed: &Observed<'_>,
    provider: &TokenProviderSpec,
    inputs: &mut RequestInputs,
    lookup: &L,
) -> Result<(), IssueError<L::Error>> {
    for (part, source) in provider.inputs() {
        if let InputSource::ServiceAccount(settings) = source {
            let token = lookup.service_account_token(settings, observed, provider).await?;
            inputs.tokens.insert(part, token);
        }
    }
    Ok(())
}

/// The provider block with its endpoints, which are in the issuer's metadata if the spec names an issuer. A revocation
/// endpoint in the spec takes precedence.
async fn locate<'a, L: Lookup>(
    observed: &Observed<'_>,
    provider: &'a TokenProviderSpec,
    ca_bundle: Option<&str>,
    lookup: &L,
) -> Result<(Cow<'a, TokenProviderSpec>, Option<(MetadataKey, Metadata)>), IssueError<L::Error>> {
    let Some(issuer) = &provider.issuer else { return Ok((Cow::Borrowed(provider), None)) };
    let key = MetadataKey {
        namespace: observed.namespace.to_owned(),
        issuer: issuer.clone(),
        ca_bundle_digest: digest(ca_bundle),
        mutual_tls: provider.shows_certificate(),
    };
    // Metadata is public, so no client certificate is presented.
    let client = token_client(observed, issuer, provider, ca_bundle.map(str::to_owned), None, lookup)?;
    let metadata = lookup.wait_for(lookup.caches().metadata.metadata(&key, &client)).await;
    let metadata = metadata.map_err(|error| {
        let shown = Endpoint::parse(issuer)
            .map_or(Disclosure::Withheld, |host| disclosure(observed, provider, &host, false));
        IssueError::Failed(Failure::of_exchange(error, shown))
    })?;
    let endpoint = metadata.token_endpoint.clone();
    let mut located = TokenProviderSpec { token_endpoint: Some(endpoint), ..provider.clone() };
    if let Some(revocation) = &mut located.revocation {
        revocation.endpoint = revocation.endpoint.take().or_else(|| metadata.revocation_endpoint.clone());
    }
    Ok((Cow::Owned(located), Some((key, metadata))))
}

/// The largest bundle of certificates in bytes: twice the size of all public authorities.
const MAX_BUNDLE: usize = 512 << 10;

/// A client certificate and the version of its Secret.
type Certificate = (String, ClientCertificate);

/// Reads the Secrets that the request uses. Returns their metadata and versions, their data, and the data of the client
/// certificate.
async fn read_secrets<L: Lookup>(
    purpose: Purpose,
    observed: &Observed<'_>,
    provider: &TokenProviderSpec,
    lookup: &L,
) -> Result<(Secrets, RequestInputs, Data), IssueError<L::Error>> {
    let (mut secrets, mut data) = (Secrets::default(), BTreeMap::new());
    for role in Role::ALL {
        if let Some(name) = role.secret_name(observed.spec, provider) {
            let (secret, values) = lookup.secret(observed.namespace, name, role).await?;
            *secrets.of_mut(role) = secret;
            data.insert(role, values);
        }
    }
    secrets.versions = match purpose {
        Purpose::Token => lookup.resolve_versions(observed, provider, &secrets, &data).await,
        // No token is recorded with these versions.
        Purpose::Revocation => observed.secrets.versions.clone(),
    };
    let pair = data.remove(&Role::Certificate).unwrap_or_default();
    let credentials = data.remove(&Role::Credentials).unwrap_or_default();
    let mut inputs = RequestInputs { credentials, secrets: data, tokens: BTreeMap::new() };
    read_upstreams(observed, provider, &mut secrets, &mut inputs, lookup).await?;
    Ok((secrets, inputs, pair))
}

/// Reads the tokens of other TokenSources, each once.
async fn read_upstreams<L: Lookup>(
    observed: &Observed<'_>,
    provider: &TokenProviderSpec,
    secrets: &mut Secrets,
    inputs: &mut RequestInputs,
    lookup: &L,
) -> Result<(), IssueError<L::Error>> {
    for name in provider.token_sources() {
        let (state, token) = lookup.upstream(observed.namespace, name).await?;
        secrets.upstreams.push(Upstream { name: name.to_owned(), state });
        let parts = provider.inputs().filter(|(_, source)| *source == InputSource::TokenSource(name));
        let tokens = parts.filter_map(|(part, _)| Some((part, token.clone()?)));
        inputs.tokens.extend(tokens);
    }
    Ok(())
}

/// The certificate and the key in a kubernetes.io/tls Secret.
fn certificate<E>(secret: &ReferencedSecret, mut data: Data) -> Result<Option<Certificate>, IssueError<E>> {
    let ReferencedSecret::Present { name, uid, resource_version, .. } = secret else { return Ok(None) };
    let mut text = |key: &str| {
        let bytes = data.remove(key).filter(|value| !value.0.is_empty()).ok_or_else(|| {
            let message =
                format!("Secret {name} has no key {key}: a client certificate needs tls.crt and tls.key.");
            IssueError::Refused(Failure::local(Reason::CredentialsNotFound, message))
        })?;
        String::from_utf8(bytes.0).map_err(|_| {
            let message = format!("Key {key} of Secret {name} is not UTF-8 text: correct it.");
            IssueError::Refused(Failure::local(Reason::CredentialsInvalid, message))
        })
    };
    let certificate = ClientCertificate { certificate: text("tls.crt")?, key: Secret::new(text("tls.key")?) };
    Ok(Some((format!("{uid}/{resource_version}"), certificate)))
}

/// The client for requests to this URL's host.
pub(crate) fn token_client<L: Lookup>(
    observed: &Observed<'_>,
    url: &str,
    provider: &TokenProviderSpec,
    ca_bundle: Option<String>,
    certificate: Option<Certificate>,
    lookup: &L,
) -> Result<TokenClient, IssueError<L::Error>> {
    let made = Endpoint::parse(url).and_then(|host| {
        lookup.caches().clients.get(
            observed.namespace,
            &host,
            ca_bundle,
            certificate,
            provider.timeout(),
            lookup.now(),
        )
    });
    made.map_err(|error| IssueError::Refused(Failure::from(&error)))
}

/// Reads the certificates to trust instead of the system's authorities; None if the provider block names none.
pub(crate) async fn read_ca_bundle<L: Lookup>(
    observed: &Observed<'_>,
    provider: &TokenProviderSpec,
    lookup: &L,
) -> Result<Option<String>, IssueError<L::Error>> {
    let Some(KeyReference { name, key }) = &provider.tls.ca_bundle_ref else {
        return Ok(provider.tls.ca_bundle.clone());
    };
    let found = lookup.config_map(observed.namespace, name).await?;
    let value = found.and_then(|mut data| data.remove(key));
    if value.as_ref().is_some_and(|value| value.len() > MAX_BUNDLE) {
        return Err(IssueError::Refused(Failure::local(
            Reason::InvalidSpec,
            format!(
                "tls.caBundleRef: key {key} of ConfigMap {name} has more than {} KiB: keep only the authorities \
                 that sign the provider's certificate.",
                MAX_BUNDLE >> 10
            ),
        )));
    }
    value.map(Some).ok_or_else(|| {
        IssueError::Refused(Failure::local(
            Reason::InvalidSpec,
            format!(
                "tls.caBundleRef: there is no ConfigMap {name} with a key {key} in this namespace: create it."
            ),
        ))
    })
}
