//! Reads the state of the cluster: the leader, pods, the client's report, Secrets. Must not know the expected state.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use tokensource_kit::control_plane::ControlPlane;
use tokensource_kit::{eventually, token_sources};

use crate::pods::{PORT, REPORT_PORT, Report};

/// The namespaces of the chart and of its users.
pub(crate) const SYSTEM: &str = "tokensource-system";
pub(crate) const SHOP: &str = "shop";
/// The deadline for a change of state on a loaded machine. Without load, changes take seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Cluster {
    pub(crate) client: Client,
    http: reqwest::Client,
}

impl Cluster {
    pub(crate) fn of(plane: &ControlPlane) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build();
        Self { client: plane.admin(), http: http.expect("an HTTP client") }
    }

    /// The controller's pods that are not being deleted.
    pub(crate) async fn controllers(&self) -> Vec<Pod> {
        let pods = self.pods(SYSTEM, "app.kubernetes.io/name=tokensource").await;
        pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect()
    }

    async fn pods(&self, namespace: &str, labels: &str) -> Vec<Pod> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        api.list(&ListParams::default().labels(labels)).await.map(|list| list.items).unwrap_or_default()
    }

    /// Waits until two controllers are Ready and no others are left.
    pub(crate) async fn two_are_ready(&self) -> Vec<Pod> {
        eventually("two controllers that are Ready", PATIENCE, async || {
            let pods = self.controllers().await;
            let ready = pods.iter().filter(|pod| is_ready(pod)).count();
            if (pods.len(), ready) == (2, 2) { Ok(pods) } else { Err(format!("{ready} of {}", pods.len())) }
        })
        .await
    }

    /// The holder of the lease: a pod's name, and a word that is unique to the process.
    pub(crate) async fn leader(&self) -> Option<String> {
        let api: Api<Lease> = Api::namespaced(self.client.clone(), SYSTEM);
        let lease = api.get_opt("tokensource").await.ok()??;
        lease.spec?.holder_identity.filter(|holder| !holder.is_empty())
    }

    /// The pod that holds the lease.
    pub(crate) async fn leading_pod(&self) -> Pod {
        eventually("a leader among the pods", PATIENCE, async || {
            let leader = self.leader().await.ok_or("nobody leads")?;
            let pods = self.controllers().await;
            let mut of = pods.into_iter().filter(|pod| leader.starts_with(&format!("{}_", pod.name_any())));
            of.next().ok_or(format!("{leader} is no pod"))
        })
        .await
    }

    /// Waits for another leader, and returns how long that took.
    pub(crate) async fn takeover(&self, from: &str) -> (String, Duration) {
        let start = std::time::Instant::now();
        let next = eventually("another leader", PATIENCE, async || match self.leader().await {
            Some(leader) if leader != from => Ok(leader),
            other => Err(format!("{other:?}")),
        })
        .await;
        (next, start.elapsed())
    }

    /// The leadership metric of each pod: 1 for the leader.
    pub(crate) async fn leading_by_metrics(&self, pods: &[Pod]) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for pod in pods {
            let metrics = self.get(pod, 8080, "/metrics").await.unwrap_or_default();
            let mut values = metrics.lines().filter_map(|line| line.strip_prefix("tokensource_leader "));
            found.insert(pod.name_any(), values.next().unwrap_or("silent").to_owned());
        }
        found
    }

    /// The client's report so far.
    pub(crate) async fn report(&self) -> Result<Report, String> {
        let pods = self.pods(SHOP, "app=books-reader").await;
        let pod = pods.first().ok_or("no client")?;
        let text = self.get(pod, REPORT_PORT, "/report").await?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    /// Waits until the client has presented this number of different tokens.
    pub(crate) async fn client_has_shown(&self, tokens: usize, patience: Duration) -> Report {
        eventually(&format!("token {tokens} at the client"), patience, async || {
            let report = self.report().await?;
            if report.tokens.len() >= tokens { Ok(report) } else { Err(format!("{report:?}")) }
        })
        .await
    }

    /// The resource server's response to this token.
    pub(crate) async fn show(&self, token: &str) -> (u16, String) {
        let pods = self.pods(SHOP, "app=books").await;
        let address = address(pods.first().expect("the resource server")).expect("its address");
        let url = format!("http://{address}:{PORT}/books");
        let answer = self.http.get(url).bearer_auth(token).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    }

    /// The token in a Secret.
    pub(crate) async fn token(&self, secret: &str) -> String {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), SHOP);
        let data = api.get(secret).await.expect("the Secret").data.expect("its data");
        String::from_utf8(data["access_token"].0.clone()).expect("a token is text")
    }

    /// When a `TokenSource` will renew.
    pub(crate) async fn renews_at(&self, name: &str) -> DateTime<Utc> {
        let source = token_sources(self.client.clone(), SHOP).get(name).await.expect("the TokenSource");
        let text = source.data["status"]["renewAt"].as_str().expect("status.renewAt");
        text.parse().expect("a time")
    }

    async fn get(&self, pod: &Pod, port: u16, path: &str) -> Result<String, String> {
        let address = address(pod).ok_or("no address yet")?;
        let answer = self.http.get(format!("http://{address}:{port}{path}")).send().await;
        answer.map_err(|error| error.to_string())?.text().await.map_err(|error| error.to_string())
    }
}

fn address(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.pod_ip.as_deref()
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// How often a pod's container was started again.
pub(crate) fn restarts(pod: &Pod) -> i32 {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    statuses.into_iter().flatten().map(|status| status.restart_count).sum()
}
