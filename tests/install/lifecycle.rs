//! An installation: installed, used, upgraded, uninstalled, and what is left afterwards. Pods do not run here, since there
//! are no nodes: the program is started like the pod, with the Deployment's arguments and its ServiceAccount.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use tokensource_kit::admission::policies_judge;
use tokensource_kit::authority::Authority;
use tokensource_kit::control_plane::ControlPlane;
use tokensource_kit::controller::ControllerProcess;
use tokensource_kit::scripted_provider::{Answer, ScriptedProvider};
use tokensource_kit::shipped::repository;
use tokensource_kit::{chart, eventually, token_sources};

use crate::helm::{Helm, NAMESPACE, RELEASE, arguments, outcome};

const TEAM: &str = "team-a";
const SOON: Duration = Duration::from_secs(40);
const CONTROLLER: &str = "tokensource-controller";

/// Where the pods have the authorities of `caBundle`.
const AUTHORITIES: &str = "/etc/tokensource";

struct Site {
    plane: ControlPlane,
    helm: Helm,
    provider: ScriptedProvider,
}

impl Site {
    async fn prepare() -> Self {
        tokensource_kit::authority::install_crypto();
        let plane = ControlPlane::start().await;
        let helm = Helm::at(&plane.kubeconfig_for("admin"));
        let provider = ScriptedProvider::start(&Authority::new("an installation's authority"));
        provider.always("/token", Answer::token(3600));
        let team = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}});
        plane.apply(&team.to_string()).await;
        Self { plane, helm, provider }
    }

    fn helm(&self, verb: &[&str], release: &str, values: &Value) -> String {
        let (values, chart) = (self.helm.values(values), chart::directory().display().to_string());
        let rest = [release, &chart, "--namespace", NAMESPACE, "--values", &values];
        self.helm.run(&[verb, &rest].concat())
    }

    fn install(&self, values: &Value) -> String {
        self.helm(&["install", "--create-namespace"], RELEASE, values)
    }

    fn uninstall(&self, release: &str) -> String {
        self.helm.run(&["uninstall", release, "--namespace", NAMESPACE])
    }

    async fn deployment(&self) -> DynamicObject {
        let deployments: Api<Deployment> = Api::namespaced(self.plane.admin(), NAMESPACE);
        let deployment = deployments.get(CONTROLLER).await.expect("the Deployment");
        serde_json::from_value(serde_json::to_value(deployment).unwrap()).unwrap()
    }

    /// Starts the controller like the Deployment's pod.
    async fn run(&self) -> ControllerProcess {
        let deployment = self.deployment().await;
        let pod = &deployment.data["spec"]["template"]["spec"];
        let account = pod["serviceAccountName"].as_str().unwrap();
        let kubeconfig = self.plane.kubeconfig_for_service_account(NAMESPACE, account).await;
        let mut environment = Vec::new();
        for variable in pod["containers"][0]["env"].as_array().unwrap() {
            let (name, value) = (variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap());
            let value = if value.contains(AUTHORITIES) {
                value.replace(AUTHORITIES, &self.mounted(&pod["volumes"][0]["configMap"]).await)
            } else {
                value.to_owned()
            };
            environment.push((name.to_owned(), value));
        }
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let arguments = arguments(&deployment);
        let mut arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        // In a pod, a file beside the token contains the namespace.
        arguments.extend(["--lease-namespace", NAMESPACE]);
        let binary = Path::new(env!("CARGO_BIN_EXE_tokensource"));
        let controller = ControllerProcess::start(binary, &kubeconfig, &arguments, &environment).await;
        eventually("leadership", SOON, async || match controller.metric("tokensource_leader", &[]).await {
            Some(1.0) => Ok(()),
            other => Err(format!("{other:?}: {}", controller.process().tail(5))),
        })
        .await;
        controller
    }

    /// A directory with what the volume of a `ConfigMap` would contain.
    async fn mounted(&self, volume: &Value) -> String {
        let maps: Api<ConfigMap> = Api::namespaced(self.plane.admin(), NAMESPACE);
        let data = maps.get(volume["name"].as_str().unwrap()).await.expect("the ConfigMap").data.unwrap();
        let directory = self.plane.directory().join("authorities");
        std::fs::create_dir_all(&directory).unwrap();
        for item in volume["items"].as_array().unwrap() {
            let content = &data[item["key"].as_str().unwrap()];
            std::fs::write(directory.join(item["path"].as_str().unwrap()), content).unwrap();
        }
        directory.display().to_string()
    }

    /// Applies credentials and a `TokenSource`.
    async fn ask(&self, name: &str, ca_bundle: Option<&str>) {
        policies_judge(&self.plane).await;
        let mut provider = json!({
            "tokenEndpoint": self.provider.url("/token"),
            "clientAuthentication": {"method": "client_secret_post"},
        });
        if let Some(pem) = ca_bundle {
            provider["tls"] = json!({"caBundle": pem});
        }
        for object in [
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "client",
                   "annotations": {"tokensource.dev/allowed-hosts": self.provider.host()}},
                   "stringData": {"client_id": "the-client", "client_secret": "the-secret-of-the-client"}}),
            json!({"apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource", "metadata": {"name": name},
                   "spec": {"provider": provider, "credentialsRef": {"name": "client"},
                            "target": {"name": format!("{name}-token")}}}),
        ] {
            self.plane.apply_in(TEAM, &object.to_string()).await;
        }
    }

    async fn ready(&self, name: &str) {
        let sources = token_sources(self.plane.admin(), TEAM);
        eventually("a token", SOON, async || {
            let source = sources.get(name).await.map_err(|error| error.to_string())?;
            let status = &source.data["status"];
            let conditions = status["conditions"].as_array().into_iter().flatten();
            let mut ready = conditions.filter(|condition| condition["type"] == "Ready");
            let is_ready = ready.next().is_some_and(|condition| condition["status"] == "True");
            if is_ready && status["observedGeneration"] == json!(source.metadata.generation) {
                Ok(())
            } else {
                Err(status.to_string())
            }
        })
        .await;
    }

    /// Waits for as long as a new controller might take for its first request, and checks the number of requests.
    async fn asked_exactly(&self, times: usize) {
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(self.provider.count("/token"), times, "token requests");
    }

    async fn secret(&self, name: &str) -> Option<Secret> {
        Api::<Secret>::namespaced(self.plane.admin(), TEAM).get_opt(name).await.expect("an answer")
    }

    /// The key that the controller has written into the release's Secret.
    async fn key(&self) -> Vec<u8> {
        let api = Api::<Secret>::namespaced(self.plane.admin(), NAMESPACE);
        let secret = api.get("tokensource-key").await.expect("the Secret of the chart");
        assert_eq!(secret.immutable, Some(true));
        secret.data.expect("data")["key"].0.clone()
    }

    async fn definitions(&self) -> usize {
        use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
        let all = Api::<CustomResourceDefinition>::all(self.plane.admin());
        all.list(&kube::api::ListParams::default()).await.expect("an answer").items.len()
    }

    /// Checks that no call of the `ServiceAccount` was refused since the mark, except calls about the resources in `but`:
    /// the chart grants the rights that the controller needs with the chart's arguments.
    fn nothing_was_refused(&self, mark: u64, but: &[&str]) {
        let account = format!("system:serviceaccount:{NAMESPACE}:{CONTROLLER}");
        let audit = self.plane.audit_since(mark);
        let own: Vec<_> = audit.iter().filter(|entry| entry.user == account).collect();
        assert!(!own.is_empty(), "the audit log knows the account");
        let refused: Vec<_> = own
            .iter()
            .filter(|entry| entry.status == 403 && !but.contains(&entry.resource.as_str()))
            .collect();
        assert!(refused.is_empty(), "{refused:#?}");
    }
}

#[tokio::test]
async fn from_the_first_token_to_the_last_definition() {
    let site = Site::prepare().await;
    let local = json!({"allowNetworks": ["127.0.0.0/8"]});

    // First, the chart is installed for the whole cluster.
    let notes = site.install(&local);
    assert!(
        notes.contains("serves every namespace") && notes.contains("FIRST: no image is published"),
        "{notes}"
    );
    assert_eq!(site.definitions().await, 3);
    let mark = site.plane.audit_mark();
    let controller = site.run().await;
    site.ask("first", Some(site.provider.ca_pem())).await;
    site.ready("first").await;
    site.asked_exactly(1).await;
    site.nothing_was_refused(mark, &[]);
    let key = site.key().await;
    assert!(key.len() >= 32);

    // The release is upgraded to a single namespace with its own authorities: other rights, other arguments, the same token.
    let narrow = json!({
        "allowNetworks": ["127.0.0.0/8"], "namespaces": [TEAM], "replicas": 3, "logFormat": "json",
        "caBundle": {"pem": site.provider.ca_pem()}, "image": {"repository": "registry.example/tokensource"},
    });
    let notes = site.helm(&["upgrade"], RELEASE, &narrow);
    assert!(notes.contains("serves team-a") && !notes.contains("FIRST"), "{notes}");
    let mark = site.plane.audit_mark();
    assert!(controller.terminate().await.success());
    let controller = site.run().await;
    site.asked_exactly(1).await;
    site.ask("second", None).await;
    site.ready("second").await;
    site.asked_exactly(2).await;
    // The controller regularly tries to read ClusterTokenProviders and namespaces.
    site.nothing_was_refused(mark, &["clustertokenproviders", "namespaces"]);
    assert_eq!(site.key().await, key, "an upgrade does not change the key");
    assert!(controller.terminate().await.success());

    // Uninstalling the second release deletes no object of the first release.
    let slice = json!({"crds": {"install": false}, "policy": {"enabled": false}, "selector": "slice=b"});
    site.helm(&["install"], "slice-b", &slice);
    site.uninstall("slice-b");

    // After the release is uninstalled, the objects of users stay.
    let said = site.uninstall(RELEASE);
    assert!(said.contains("tokensources.tokensource.dev"), "helm names what it keeps: {said}");
    let deployments: Api<Deployment> = Api::namespaced(site.plane.admin(), NAMESPACE);
    assert!(deployments.get_opt(CONTROLLER).await.unwrap().is_none());
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(site.definitions().await, 3);
    site.ready("first").await;
    for secret in ["first-token", "second-token", "client"] {
        assert!(site.secret(secret).await.is_some(), "{secret}");
    }

    // After the release is installed again, the controller takes over existing objects, and requests no token.
    let last = json!({"allowNetworks": ["127.0.0.0/8"], "crds": {"keep": false},
                      "caBundle": {"pem": site.provider.ca_pem()}});
    let notes = site.install(&last);
    assert!(notes.contains("CAREFUL: crds.keep is false"), "{notes}");
    let controller = site.run().await;
    site.asked_exactly(2).await;
    assert!(controller.terminate().await.success());

    // With `crds.keep: false`, uninstalling also deletes the CRDs, and with them the TokenSources and their targets.
    site.plane.controller_manager().kill9();
    site.plane.controller_manager().start_again();
    site.uninstall(RELEASE);
    eventually("the end", Duration::from_secs(60), async || {
        let left = (site.definitions().await, site.secret("first-token").await.is_some());
        if left == (0, false) { Ok(()) } else { Err(format!("CRDs, token: {left:?}")) }
    })
    .await;
    assert!(site.secret("client").await.is_some(), "the credentials are the user's own");
}

/// Follows the steps in docs/install.md.
#[tokio::test]
async fn kustomize_hands_over_to_helm() {
    let site = Site::prepare().await;
    let kubectl = |arguments: &[&str]| {
        let output = Command::new(site.plane.kubectl())
            .args(arguments)
            .env("KUBECONFIG", site.plane.kubeconfig_for("admin"))
            .current_dir(repository())
            .output()
            .expect("kubectl");
        outcome(&output).unwrap_or_else(|problem| panic!("kubectl {arguments:?}: {problem}"));
    };
    kubectl(&["apply", "-k", "deploy/kustomize/cluster"]);
    site.ask("kept", Some(site.provider.ca_pem())).await;
    kubectl(&["--namespace", NAMESPACE, "delete", "deployment", CONTROLLER]);
    let values = json!({"allowNetworks": ["127.0.0.0/8"]});
    site.helm(&["install", "--take-ownership", "--force-conflicts"], RELEASE, &values);
    let controller = site.run().await;
    site.ready("kept").await;
    site.asked_exactly(1).await;
    assert!(controller.terminate().await.success());
    site.helm(&["upgrade"], RELEASE, &json!({"crds": {"install": false}}));
    assert_eq!(site.definitions().await, 3, "no longer part of the release, and kept all the same");
    site.uninstall(RELEASE);
    site.ready("kept").await;
}

/// The program is the same before and after: a change between two versions cannot be tested before there are two versions. The
/// test shows that the objects and the arguments are restored, and that the process which starts then uses the stored tokens.
async fn rollback_asks_for_nothing(site: Site) {
    let local = json!({"allowNetworks": ["127.0.0.0/8"], "image": {"tag": "1.0.0"}});
    site.install(&local);
    let controller = site.run().await;
    site.ask("first", Some(site.provider.ca_pem())).await;
    site.ready("first").await;
    let (key, installed) = (site.key().await, site.deployment().await);

    // The newer values add the authority of the test to the authorities of the system.
    let newer = json!({
        "allowNetworks": ["127.0.0.0/8"], "image": {"tag": "1.1.0"}, "logFormat": "json", "podLabels": {"a": "b"},
        "caBundle": {"pem": site.provider.ca_pem(), "includeSystem": true},
    });
    site.helm(&["upgrade"], RELEASE, &newer);
    assert!(controller.terminate().await.success());
    let controller = site.run().await;
    site.ask("second", None).await;
    site.ready("second").await;
    site.asked_exactly(2).await;

    site.helm.run(&["rollback", RELEASE, "1", "--namespace", NAMESPACE]);
    let back = site.deployment().await;
    assert_eq!(back.data["spec"], installed.data["spec"]);
    assert_eq!(back.data["spec"]["template"]["spec"]["containers"][0]["image"], "tokensource:1.0.0");
    assert!(controller.terminate().await.success());
    let controller = site.run().await;
    site.asked_exactly(2).await;
    for name in ["first", "second"] {
        site.ready(name).await;
    }
    assert_eq!(site.key().await, key);
    assert_eq!(site.definitions().await, 3);
    assert!(controller.terminate().await.success());
}

#[tokio::test]
async fn rollback_with_helm_4_asks_for_nothing() {
    rollback_asks_for_nothing(Site::prepare().await).await;
}

#[tokio::test]
async fn rollback_with_helm_3_asks_for_nothing() {
    let site = Site::prepare().await;
    rollback_asks_for_nothing(Site { helm: site.helm.of_major_3(), ..site }).await;
}
