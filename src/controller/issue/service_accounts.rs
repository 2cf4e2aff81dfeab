//! Tokens of ServiceAccounts, for client authentication and for token exchange. They are created for one request and
//! never stored.
//!
//! Checks that the ServiceAccount's owner allows the hosts, and that the API server does not accept the token itself.
//! Must not know what a token is for.

use kube::ResourceExt;

use crate::api::{Reason, ServiceAccountTokenSettings, TokenProviderSpec, TokenSource, annotation};
use crate::controller::error::CallError;
use crate::controller::issue::error::IssueError;
use crate::controller::issue::lookup::Lookup;
use crate::decide::{Failure, refuse_service_account};
use crate::oauth::{Retry, Secret};

/// A new token of this ServiceAccount.
pub(crate) async fn token(
    settings: &ServiceAccountTokenSettings,
    source: &TokenSource,
    provider: &TokenProviderSpec,
    lookup: &impl Lookup,
) -> Result<Secret, IssueError> {
    consent(settings, source, provider, lookup).await?;
    let name = settings.name();
    let namespace = source.namespace().unwrap_or_default();
    let token = lookup.service_account_token(&namespace, settings).await;
    let token = token.map_err(|error| unissued(name, &error, ROLE))?;
    let audience = &settings.audience;
    let asked = (name.to_owned(), audience.clone());
    let own = lookup.caches().audiences.is_api_servers(&namespace, asked, &token, lookup.now()).await;
    if own.map_err(|error| unissued(name, &error, ""))? {
        return Err(IssueError::Refused(Failure::local(
            Reason::InvalidSpec,
            format!(
                "serviceAccountToken.audience {audience} is this cluster's own API server's: whoever receives such a \
                 token can act as ServiceAccount {name} here. Nothing was sent; write the audience that the provider \
                 documents."
            ),
        )));
    }
    Ok(token)
}

/// Fails unless the ServiceAccount exists and its owner allows the hosts of the spec.
pub(crate) async fn consent(
    settings: &ServiceAccountTokenSettings,
    source: &TokenSource,
    provider: &TokenProviderSpec,
    lookup: &impl Lookup,
) -> Result<(), IssueError> {
    let name = settings.name();
    let namespace = source.namespace().unwrap_or_default();
    let account = lookup.service_account(&namespace, name).await;
    let account = account.map_err(|error| unissued(name, &error, ROLE))?;
    let Some(account) = account else {
        return Err(IssueError::Refused(Failure::local(
            Reason::CredentialsNotFound,
            format!(
                "There is no ServiceAccount {name} in this namespace: create it, or correct serviceAccountToken.name."
            ),
        )));
    };
    let annotations = account.annotations.unwrap_or_default();
    let hosts = annotations.get(annotation::ALLOWED_HOSTS).map(String::as_str);
    match refuse_service_account(&namespace, name, hosts, &source.spec, provider) {
        Some(failure) => Err(IssueError::Refused(failure)),
        None => Ok(()),
    }
}

/// What to do about a 403.
const ROLE: &str = " The controller needs the right to `get` this ServiceAccount and to `create` its `token`: apply the Role of \
         deploy/examples/catalog/entra-secretless.yaml, for this ServiceAccount, in this namespace.";

fn unissued(name: &str, error: &CallError, remedy: &str) -> IssueError {
    let remedy = if error.is_forbidden() { remedy } else { "" };
    let reason = Reason::ServiceAccountTokenFailed;
    IssueError::Failed(Failure {
        reason,
        retry: Retry::TRANSIENT,
        retry_after: None,
        message: format!("{} ServiceAccount {name}: {error}.{remedy}", reason.sentence()),
    })
}
