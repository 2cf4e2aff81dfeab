//! Sending the published token to the probe's URL.
//!
//! The token is sent as it is in the target, only to hosts that its owners allow, and the body of the answer is not read.
//! Must not decide what follows from an answer.

use crate::controller::error::IssueError;
use crate::controller::reconcile::context::ReconcilePermit;
use crate::controller::reconcile::credentials::service_accounts;
use crate::controller::reconcile::target::stored_token;
use crate::decide::{Failure, Observed, Outcome, ProbeVerdict, Probed};
use crate::issue::inputs::{read_ca_bundle, token_client};
use crate::oauth::Endpoint;

/// Sends the token, and remembers the result.
pub(crate) async fn probe(
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<Outcome, IssueError> {
    let (Some(settings), Some(published)) = (&observed.spec.renewal.probe, observed.published()) else {
        return Ok(Outcome::Waiting);
    };
    let url = Endpoint::parse(&settings.url).map_err(|error| IssueError::Refused(Failure::from(&error)))?;
    let verdict = match show(&url, observed, context).await {
        Ok(Some(status)) => ProbeVerdict::of(status),
        Ok(None) => return Ok(Outcome::Waiting),
        // A missing answer is not a failed renewal, and must not count as one.
        Err(IssueError::Failed(failure)) => {
            tracing::debug!(reason = %failure.reason, detail = failure.message, "The probe had no answer");
            ProbeVerdict::Unclear
        }
        Err(error) => return Err(error),
    };
    let probed = Probed::following(observed.probed.as_ref(), published.issued_at, context.now(), verdict);
    context.view.local.remember_probe(observed.uid, probed.clone());
    Ok(Outcome::Probed(probed))
}

/// The HTTP status of the answer; None if there is no token any more.
async fn show(
    url: &Endpoint,
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<Option<u16>, IssueError> {
    let provider = observed.provider.clone().map_err(IssueError::Refused)?;
    // The rules have checked the Secrets' allowed hosts. ServiceAccounts are not cached, so they are checked here.
    for account in provider.service_accounts() {
        service_accounts::consent(account, observed, provider, context).await?;
    }
    let ca_bundle = read_ca_bundle(observed, provider, context).await?;
    let client = token_client(observed, url.url().as_str(), provider, ca_bundle, None, context)?;
    let Some(token) = stored_token(observed, context).await? else { return Ok(None) };
    let answer = context.without_permit(client.probe(url, &token)).await;
    answer.map(Some).map_err(|error| IssueError::Failed(Failure::from(&error)))
}
