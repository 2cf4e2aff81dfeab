//! Tokens of ServiceAccounts as a part of a request, for example as the client assertion. These tokens are created for one
//! request and never stored.
//!
//! Checks that the ServiceAccount's owner allows the hosts, and that the API server does not accept the token itself. Must
//! not know the use of a token.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;

use crate::api::{Reason, ServiceAccountTokenSettings, TokenProviderSpec, annotation};
use crate::controller::error::{CallError, IssueError, call};
use crate::controller::reconcile::context::Context;
use crate::decide::{Failure, Observed, refuse_service_account};
use crate::oauth::{Retry, Secret};

/// The shortest lifetime that the API server grants; one request needs less.
const LIFETIME_SECONDS: i64 = 600;

/// A new token of this ServiceAccount.
pub(crate) async fn token(
    settings: &ServiceAccountTokenSettings,
    observed: &Observed<'_>,
    provider: &TokenProviderSpec,
    context: &Context,
) -> Result<Secret, IssueError> {
    consent(settings, observed, provider, context).await?;
    let name = settings.name();
    let token =
        issue(settings, observed.namespace, context).await.map_err(|error| unissued(name, &error, ROLE))?;
    let audience = &settings.audience;
    let asked = (name.to_owned(), audience.clone());
    let own = context.audiences.is_api_servers(observed.namespace, asked, &token, context.now()).await;
    if own.map_err(|error| unissued(name, &error, ""))? {
        return Err(IssueError::Refused(Failure::local(
            Reason::InvalidSpec,
            format!(
                "This cluster's API server accepts tokens with serviceAccountToken.audience {audience}: whoever receives such \
                 a token can act as ServiceAccount {name} in this cluster. Nothing was sent; write the audience that the \
                 provider documents."
            ),
        )));
    }
    Ok(token)
}

/// Fails unless the ServiceAccount exists and its owner allows the hosts of the spec.
pub(crate) async fn consent(
    settings: &ServiceAccountTokenSettings,
    observed: &Observed<'_>,
    provider: &TokenProviderSpec,
    context: &Context,
) -> Result<(), IssueError> {
    let name = settings.name();
    let accounts: Api<ServiceAccount> = Api::namespaced(context.client.clone(), observed.namespace);
    let account =
        call(accounts.get_metadata_opt(name)).await.map_err(|error| unissued(name, &error, ROLE))?;
    let Some(account) = account else {
        return Err(IssueError::Refused(Failure::local(
            Reason::CredentialsNotFound,
            format!(
                "There is no ServiceAccount {name} in this namespace: create it, or correct serviceAccountToken.name."
            ),
        )));
    };
    let annotations = account.metadata.annotations.unwrap_or_default();
    let hosts = annotations.get(annotation::ALLOWED_HOSTS).map(String::as_str);
    match refuse_service_account(observed.namespace, name, hosts, observed.spec, provider) {
        Some(failure) => Err(IssueError::Refused(failure)),
        None => Ok(()),
    }
}

async fn issue(
    settings: &ServiceAccountTokenSettings,
    namespace: &str,
    context: &Context,
) -> Result<Secret, CallError> {
    let accounts: Api<ServiceAccount> = Api::namespaced(context.client.clone(), namespace);
    let wanted = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![settings.audience.clone()],
            expiration_seconds: Some(settings.expiration_seconds.unwrap_or(LIFETIME_SECONDS)),
            bound_object_ref: None,
        },
        ..TokenRequest::default()
    };
    let issued =
        call(accounts.create_token_request(settings.name(), &PostParams::default(), &wanted)).await?;
    // With an empty token, the provider would refuse the request, and its message would mislead.
    let token = issued.status.map(|status| status.token).filter(|token| !token.is_empty());
    token.map(Secret::new).ok_or(CallError::Empty)
}

/// The advice after a 403.
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
