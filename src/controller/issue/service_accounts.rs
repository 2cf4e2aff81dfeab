//! Tokens of ServiceAccounts, as client assertions and as tokens to exchange: asked of the API server (`TokenRequest`)
//! for one request, and never stored.
//!
//! Knows the account, its owner's consent, and that a token of the API server's own audience must not leave the cluster
//! (`oauth.md` §e.9). Must not know what a token is for.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::authentication::v1::{SelfSubjectReview, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::AuthInfo;
use kube::{Api, Client, Config, ResourceExt};

use crate::api::{Reason, ServiceAccountTokenSettings, TokenProviderSpec, TokenSource, annotation};
use crate::controller::error::{CallError, call};
use crate::controller::issue::tenant_cache::{Limits, TenantCache};
use crate::controller::reconcile::context::Context;
use crate::controller::reconcile::obtain::Stop;
use crate::decide::{Failure, refuse_service_account};
use crate::oauth::{Retry, Secret};

/// The least that the API server grants, and more than one request needs.
const LIFETIME_SECONDS: i64 = 600;

/// Asks the API server whether a token is meant for itself.
pub(crate) struct Audiences {
    /// The way to the API server, without anybody's credentials.
    config: Config,
    /// Whose token for which audience it has refused as a bearer, and when: not its own.
    foreign: TenantCache<Asked, DateTime<Utc>>,
}

/// ServiceAccount and audience.
type Asked = (String, String);

/// Hundreds of ServiceAccounts and audiences of a namespace: who asks for another each time asks the API server each time.
const LIMITS: Limits = Limits { share: 64 << 10, total: 2 << 20 };
/// About what an entry takes beside its texts.
const ENTRY: usize = 128;

/// So long that is believed: the API server may be given other audiences.
const BELIEVED: TimeDelta = TimeDelta::hours(1);

impl Audiences {
    pub(crate) fn new(config: &Config) -> Self {
        let mut config = config.clone();
        config.auth_info = AuthInfo::default();
        Self { config, foreign: TenantCache::new(LIMITS) }
    }

    /// About how many bytes are kept.
    pub(crate) fn size(&self) -> usize {
        self.foreign.size()
    }

    /// Whether the API server itself takes this token.
    async fn is_api_servers(
        &self,
        namespace: &str,
        asked: Asked,
        token: &Secret,
        now: DateTime<Utc>,
    ) -> Result<bool, CallError> {
        if self.foreign.get(namespace, &asked).is_some_and(|at| now - at < BELIEVED && at <= now) {
            return Ok(false);
        }
        let mut config = self.config.clone();
        config.auth_info.token = Some(token.expose().to_owned().into());
        let client = Client::try_from(config).map_err(CallError::Kube)?;
        let review = SelfSubjectReview::default();
        match call(Api::<SelfSubjectReview>::all(client).create(&PostParams::default(), &review)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_unauthorized() => {
                self.note_foreign(namespace, asked, now);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps for a while that the API server has refused this token.
    fn note_foreign(&self, namespace: &str, asked: Asked, now: DateTime<Utc>) {
        self.foreign.retain(|at| now - *at < BELIEVED && *at <= now);
        let size = ENTRY + asked.0.len() + asked.1.len();
        self.foreign.insert(namespace, asked, now, size);
    }
}

/// A token of this account, fresh for one request.
pub(crate) async fn token(
    settings: &ServiceAccountTokenSettings,
    source: &TokenSource,
    provider: &TokenProviderSpec,
    context: &Context,
) -> Result<Secret, Stop> {
    consent(settings, source, provider, context).await?;
    let name = settings.name();
    let token = request(settings, source, context).await.map_err(|error| unissued(name, &error, ROLE))?;
    let audience = &settings.audience;
    let namespace = source.namespace().unwrap_or_default();
    let asked = (name.to_owned(), audience.clone());
    let own = context.audiences.is_api_servers(&namespace, asked, &token, context.now()).await;
    if own.map_err(|error| unissued(name, &error, ""))? {
        return Err(Stop::Refused(Failure::local(
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

/// Whether the account exists, and its owner lets the hosts of the spec have what it brings.
pub(crate) async fn consent(
    settings: &ServiceAccountTokenSettings,
    source: &TokenSource,
    provider: &TokenProviderSpec,
    context: &Context,
) -> Result<(), Stop> {
    let name = settings.name();
    let api = accounts(source, context);
    let account = call(api.get_metadata_opt(name)).await.map_err(|error| unissued(name, &error, ROLE))?;
    let Some(account) = account else {
        return Err(Stop::Refused(Failure::local(
            Reason::CredentialsNotFound,
            format!(
                "There is no ServiceAccount {name} in this namespace: create it, or correct serviceAccountToken.name."
            ),
        )));
    };
    let hosts = account.annotations().get(annotation::ALLOWED_HOSTS).map(String::as_str);
    let namespace = source.metadata.namespace.as_deref().unwrap_or_default();
    match refuse_service_account(namespace, name, hosts, &source.spec, provider) {
        Some(failure) => Err(Stop::Refused(failure)),
        None => Ok(()),
    }
}

fn accounts(source: &TokenSource, context: &Context) -> Api<ServiceAccount> {
    Api::namespaced(context.client.clone(), &source.namespace().unwrap_or_default())
}

async fn request(
    settings: &ServiceAccountTokenSettings,
    source: &TokenSource,
    context: &Context,
) -> Result<Secret, CallError> {
    let wanted = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![settings.audience.clone()],
            expiration_seconds: Some(settings.expiration_seconds.unwrap_or(LIFETIME_SECONDS)),
            bound_object_ref: None,
        },
        ..TokenRequest::default()
    };
    let issued = call(accounts(source, context).create_token_request(
        settings.name(),
        &PostParams::default(),
        &wanted,
    ))
    .await?;
    // An answer without a token is none: the provider would refuse an empty assertion, and the message mislead.
    let token = issued.status.map(|status| status.token).filter(|token| !token.is_empty());
    token.map(Secret::new).ok_or(CallError::Empty)
}

/// What a 403 calls for.
const ROLE: &str = " The controller needs the right to `get` this ServiceAccount and to `create` its `token`: apply the Role of \
         deploy/examples/catalog/entra-secretless.yaml, for this ServiceAccount, in this namespace.";

fn unissued(name: &str, error: &CallError, remedy: &str) -> Stop {
    let remedy = if error.is_forbidden() { remedy } else { "" };
    let reason = Reason::ServiceAccountTokenFailed;
    Stop::Failed(Failure {
        reason,
        retry: Retry::TRANSIENT,
        retry_after: None,
        message: format!("{} ServiceAccount {name}: {error}.{remedy}", reason.sentence()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_asks_for_another_audience_each_time_keeps_its_share_alone() {
        let audiences = Audiences::new(&Config::new(http::Uri::from_static("https://api.example")));
        let (now, quiet) = (DateTime::UNIX_EPOCH, ("account".to_owned(), "https://quiet.example".to_owned()));
        audiences.note_foreign("quiet", quiet.clone(), now);
        let before = audiences.size();
        for index in 0..10_000 {
            audiences.note_foreign("loud", ("account".to_owned(), format!("https://{index}.example")), now);
        }
        assert!(audiences.size() <= before + LIMITS.share, "{} bytes", audiences.size());
        assert_eq!(audiences.foreign.get("quiet", &quiet), Some(now));
    }
}
