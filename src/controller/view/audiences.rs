//! Checks whether the API server itself accepts a ServiceAccount token. Such a token must not leave the cluster.
//!
//! Knows how long a refusal by the API server is cached. Must not know the use of a token.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::PostParams;
use kube::config::AuthInfo;
use kube::{Api, Client, Config};

use crate::controller::error::{CallError, call};
use crate::issue::tenant_cache::{Limits, TenantCache};
use crate::oauth::Secret;

/// Presents tokens to the API server, and caches its refusals.
pub(crate) struct Audiences {
    /// The configuration of the API server's client, without credentials.
    config: Config,
    /// The ServiceAccounts and audiences whose tokens the API server has refused, and when.
    foreign: TenantCache<Asked, DateTime<Utc>>,
}

/// ServiceAccount and audience.
type Asked = (String, String);

/// Room for hundreds of ServiceAccounts and audiences of a namespace. A namespace that uses more of them asks the API server
/// more often.
const LIMITS: Limits = Limits { share: 64 << 10, total: 2 << 20 };
/// The approximate size of an entry without its strings.
const ENTRY: usize = 128;

/// How long a cached answer is used: the audiences of the API server may change.
const BELIEVED: TimeDelta = TimeDelta::hours(1);

impl Audiences {
    pub(crate) fn new(config: &Config) -> Self {
        let mut config = config.clone();
        config.auth_info = AuthInfo::default();
        Self { config, foreign: TenantCache::new(LIMITS) }
    }

    /// The approximate size in bytes.
    pub(crate) fn size(&self) -> usize {
        self.foreign.size()
    }

    /// Whether the API server itself accepts this token.
    pub(crate) async fn is_api_servers(
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

    /// Caches that the API server refuses tokens of this ServiceAccount with this audience.
    fn note_foreign(&self, namespace: &str, asked: Asked, now: DateTime<Utc>) {
        self.foreign.retain(|at| now - *at < BELIEVED && *at <= now);
        let size = ENTRY + asked.0.len() + asked.1.len();
        self.foreign.insert(namespace, asked, now, size);
    }
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
