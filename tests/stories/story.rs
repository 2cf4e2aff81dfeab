//! A story: a namespace, a controller process that serves only this namespace, and a scripted provider. Knows how users read
//! objects; must not know the expectations of a story.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokensource::api::{ConditionType, TokenProvider, TokenSource};
use tokensource_kit::control_plane::AuditEntry;
use tokensource_kit::controller::ControllerProcess;
use tokensource_kit::scripted_provider::ScriptedProvider;
use tokensource_kit::{argocd, eventually, kstatus};

use crate::leaks;
use crate::world::{CONTROLLER, World};

/// The deadline for anything that must happen immediately, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The path of the scripted token endpoint.
pub(crate) const TOKEN: &str = "/token";

pub(crate) struct Story {
    pub(crate) world: Arc<World>,
    pub(crate) namespace: String,
    pub(crate) provider: ScriptedProvider,
    pub(crate) controller: ControllerProcess,
    /// The logs of replaced controllers.
    said: String,
}

impl Story {
    pub(crate) async fn begin(world: Arc<World>, name: &str) -> Self {
        let kubeconfig = world.kubeconfig().to_owned();
        Self::begin_with(world, name, kubeconfig, &[]).await
    }

    /// A story whose controller uses this kubeconfig and this environment.
    pub(crate) async fn begin_with(
        world: Arc<World>,
        name: &str,
        kubeconfig: PathBuf,
        environment: &[(&str, &str)],
    ) -> Self {
        let prefix: String =
            name.rsplit("::").next().unwrap_or(name).replace('_', "-").chars().take(40).collect();
        let namespace = world.plane().namespace(prefix.trim_end_matches('-')).await;
        let provider = ScriptedProvider::start(&world.authority);
        let arguments = ["--allow-network", "127.0.0.0/8"];
        let controller = start(&kubeconfig, &namespace, &arguments, environment).await;
        Self { world, namespace, provider, controller, said: String::new() }
    }

    /// Replaces the controller by a controller with other arguments.
    pub(crate) async fn run_with(&mut self, arguments: &[&str]) {
        self.controller.kill9();
        self.said += &self.controller.logs();
        self.controller = start(self.world.kubeconfig(), &self.namespace, arguments, &[]).await;
    }

    /// Replaces the controller by a controller with these additional environment variables.
    pub(crate) async fn run_in(&mut self, environment: &[(&str, &str)]) {
        self.controller.kill9();
        self.said += &self.controller.logs();
        let arguments = ["--allow-network", "127.0.0.0/8"];
        self.controller = start(self.world.kubeconfig(), &self.namespace, &arguments, environment).await;
    }

    /// Replaces the controller by a controller with another kubeconfig.
    pub(crate) async fn run_as(&mut self, kubeconfig: &Path, arguments: &[&str]) {
        self.controller.kill9();
        self.said += &self.controller.logs();
        self.controller = start_as(kubeconfig, arguments).await;
    }

    /// Checks after every story that its objects obey kstatus, and that no secret was shown.
    pub(crate) async fn end(self) {
        leaks::assert_none(&self, &self.said).await;
        let left = self.sources().list(&ListParams::default()).await.expect("the TokenSources");
        for source in left {
            if let Err(broken) = kstatus::check(&source) {
                panic!(
                    "{} breaks the kstatus rules: {}\n{:#?}",
                    source.name_any(),
                    broken.join("; "),
                    source.status
                );
            }
            assert_argo_agrees(&source);
        }
        let providers: Api<TokenProvider> = Api::namespaced(self.world.plane().admin(), &self.namespace);
        for provider in providers.list(&ListParams::default()).await.expect("the TokenProviders") {
            // A changed provider gets another status after a few seconds.
            if let Err(broken) = kstatus::check_in_passing(&provider) {
                panic!("{} breaks the kstatus rules: {}", provider.name_any(), broken.join("; "));
            }
        }
    }

    pub(crate) fn sources(&self) -> Api<TokenSource> {
        Api::namespaced(self.world.plane().admin(), &self.namespace)
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.world.plane().admin(), &self.namespace)
    }

    pub(crate) async fn apply(&self, object: &Value) {
        if object["kind"] == "Secret" {
            leaks::register(object);
        }
        self.world.plane().apply_in(&self.namespace, &object.to_string()).await;
    }

    /// Credentials that this story's provider may receive.
    pub(crate) async fn credentials(&self, name: &str, secret: &str) {
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "annotations": {"tokensource.dev/allowed-hosts": self.provider.host()}},
            "stringData": {"client_id": "the-client", "client_secret": secret},
        }))
        .await;
    }

    /// The provider block for this story's provider.
    pub(crate) fn block(&self) -> Value {
        json!({
            "tokenEndpoint": self.provider.url(TOKEN),
            "clientAuthentication": {"method": "client_secret_post"},
            "tls": {"caBundle": self.provider.ca_pem()},
        })
    }

    /// A `TokenSource` with this story's provider, credentials `client` and target `NAME-token`; `more` is merged
    /// into its spec.
    pub(crate) fn source_for(&self, name: &str, more: &Value) -> Value {
        let mut spec = json!({
            "provider": self.block(),
            "credentialsRef": {"name": "client"},
            "target": {"name": format!("{name}-token")},
        });
        merge(&mut spec, more);
        json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource",
            "metadata": {"name": name}, "spec": spec,
        })
    }

    /// Applies the credentials `client` and the `TokenSource` of [`Self::source_for`].
    pub(crate) async fn ask(&self, name: &str, more: &Value) {
        self.credentials("client", "s3cr3t-of-the-client").await;
        self.apply(&self.source_for(name, more)).await;
    }

    pub(crate) async fn source(&self, name: &str) -> TokenSource {
        self.sources().get(name).await.expect("the TokenSource")
    }

    pub(crate) async fn secret(&self, name: &str) -> Secret {
        self.secrets().get(name).await.expect("the Secret")
    }

    /// The value of a key of a Secret, as a string.
    pub(crate) async fn value(&self, secret: &str, key: &str) -> String {
        text(&self.secret(secret).await, key)
    }

    pub(crate) async fn patch_source(&self, name: &str, patch: &Value) {
        self.sources().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("patched");
    }

    pub(crate) async fn patch_secret(&self, name: &str, patch: &Value) {
        leaks::register(patch);
        self.secrets().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("patched");
    }

    pub(crate) async fn delete_secret(&self, name: &str) {
        self.secrets().delete(name, &DeleteParams::default()).await.expect("deleted");
    }

    /// Waits until `Ready` is True in a status of the current generation.
    pub(crate) async fn ready(&self, name: &str) -> TokenSource {
        self.until(name, "Ready", |source| {
            is(source, ConditionType::Ready, "True")
                && source.status.as_ref().and_then(|s| s.observed_generation) == source.metadata.generation
        })
        .await
    }

    /// Waits until `Renewed` is False with this reason.
    pub(crate) async fn failing(&self, name: &str, reason: &str) -> TokenSource {
        self.until(name, reason, |source| {
            condition(source, ConditionType::Renewed)
                .is_some_and(|(status, found, _)| status == "False" && found == reason)
        })
        .await
    }

    /// Waits until the `TokenSource` satisfies the condition.
    pub(crate) async fn until(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&TokenSource) -> bool,
    ) -> TokenSource {
        eventually(what, SOON, async || {
            let source = self.sources().get(name).await.map_err(|error| error.to_string())?;
            if wanted(&source) {
                return Ok(source);
            }
            Err(format!("{:#?}\ncontroller says: {}", source.status, last_lines(&self.controller.logs())))
        })
        .await
    }

    /// Waits until a Secret has these labels, or lacks them.
    pub(crate) async fn until_labels(&self, secret: &str, wanted: &[(&str, Option<&str>)]) {
        eventually("the labels", SOON, async || {
            let found = self.secret(secret).await;
            let labels = found.labels();
            if wanted.iter().all(|(key, value)| labels.get(*key).map(String::as_str) == *value) {
                Ok(())
            } else {
                Err(format!("{labels:?}"))
            }
        })
        .await;
    }

    /// Waits until the token endpoint has received this number of requests, and checks that no more follow.
    pub(crate) async fn asked_exactly(&self, times: usize) {
        self.asked(times).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(self.provider.count(TOKEN), times, "token requests");
    }

    /// Waits until the token endpoint has received this number of requests.
    pub(crate) async fn asked(&self, times: usize) {
        eventually("token requests", SOON, async || {
            let count = self.provider.count(TOKEN);
            if count >= times {
                Ok(())
            } else {
                Err(format!("{count} of {times}; {}", last_lines(&self.controller.logs())))
            }
        })
        .await;
    }

    /// The calls of this story's controller in the story's namespace since a mark, without watches.
    pub(crate) fn calls_since(&self, mark: u64) -> Vec<AuditEntry> {
        let mut calls = self.world.plane().audit_since(mark);
        calls.retain(|call| {
            call.user == CONTROLLER && call.namespace == self.namespace && call.verb != "watch"
        });
        calls
    }

    /// The reasons of the Events about a `TokenSource`.
    pub(crate) async fn events(&self, name: &str) -> Vec<String> {
        let api: Api<k8s_openapi::api::events::v1::Event> =
            Api::namespaced(self.world.plane().admin(), &self.namespace);
        let events = api.list(&ListParams::default()).await.expect("the Events");
        events
            .into_iter()
            .filter(|event| {
                event.regarding.as_ref().and_then(|subject| subject.name.as_deref()) == Some(name)
            })
            .filter_map(|event| event.reason)
            .collect()
    }
}

async fn start(
    kubeconfig: &Path,
    namespace: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> ControllerProcess {
    let mut all = vec!["--namespace", namespace];
    all.extend(arguments);
    start_in(kubeconfig, &all, environment).await
}

pub(crate) async fn start_as(kubeconfig: &Path, arguments: &[&str]) -> ControllerProcess {
    start_in(kubeconfig, arguments, &[]).await
}

async fn start_in(kubeconfig: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> ControllerProcess {
    let binary = Path::new(env!("CARGO_BIN_EXE_tokensource"));
    // The most detailed log level, for `leaks` to search.
    let mut variables = vec![("RUST_LOG", "trace")];
    variables.extend(environment);
    ControllerProcess::start(binary, kubeconfig, arguments, &variables).await
}

/// Checks that Argo CD's health agrees with the state.
fn assert_argo_agrees(source: &TokenSource) {
    let health = argocd::health(source);
    let seen =
        source.status.as_ref().and_then(|status| status.observed_generation) == source.metadata.generation;
    let expected = match () {
        () if source.spec.suspend => "Suspended",
        () if !seen => "Progressing",
        () if is(source, ConditionType::Stalled, "True") => "Degraded",
        () if is(source, ConditionType::Ready, "True") => "Healthy",
        () => "Progressing",
    };
    assert_eq!(health.status, expected, "{}: {:#?}", source.name_any(), source.status);
}

/// Status, reason and message of a condition.
pub(crate) fn condition(source: &TokenSource, kind: ConditionType) -> Option<(String, String, String)> {
    let status = source.status.as_ref()?;
    let found = kind.find(&status.conditions)?;
    Some((found.status.clone(), found.reason.clone(), found.message.clone()))
}

pub(crate) fn is(source: &TokenSource, kind: ConditionType, status: &str) -> bool {
    condition(source, kind).is_some_and(|(found, _, _)| found == status)
}

/// The value of a key, as a string.
pub(crate) fn text(secret: &Secret, key: &str) -> String {
    let data = secret.data.as_ref().and_then(|data| data.get(key));
    let bytes = data.unwrap_or_else(|| panic!("Secret {} has no key {key}", secret.name_any()));
    String::from_utf8(bytes.0.clone()).expect("text")
}

/// The last lines of the program itself, without the many lines of its libraries.
fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().filter(|line| line.contains(" tokensource::")).collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// A JSON merge patch (RFC 7396): null removes a member.
pub(crate) fn merge(into: &mut Value, from: &Value) {
    let Value::Object(from) = from else {
        *into = from.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    let into = into.as_object_mut().expect("made one above");
    for (key, value) in from {
        if value.is_null() {
            into.remove(key);
        } else {
            merge(into.entry(key).or_insert(Value::Null), value);
        }
    }
}
