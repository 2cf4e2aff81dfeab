//! The controllers of a cluster, from their Deployments: the command line of a Deployment is read as the program reads it.
//! Must not check anything.

use clap::ArgMatches;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Container;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::super::facts::{Controller, Read};
use super::fact;
use crate::cli::cluster::Cluster;

/// The label that every way of installation sets.
const LABEL: &str = "app.kubernetes.io/name=tokensource";
/// The label with the version, which the chart sets.
const VERSION: &str = "app.kubernetes.io/version";
/// The prefix of the environment variables that set flags.
const PREFIX: &str = "TOKENSOURCE_";

pub(super) async fn read(
    namespace: Option<&str>,
    cluster: &Cluster,
    definition: &clap::Command,
) -> Read<Vec<Controller>> {
    let api: Api<Deployment> = match namespace {
        Some(namespace) => Api::namespaced(cluster.client.clone(), namespace),
        None => Api::all(cluster.client.clone()),
    };
    let deployments = fact(cluster, api.list(&ListParams::default().labels(LABEL))).await?;
    Ok(deployments.items.iter().filter_map(|deployment| controller(deployment, definition)).collect())
}

/// None if no container runs the controller.
fn controller(deployment: &Deployment, definition: &clap::Command) -> Option<Controller> {
    let spec = deployment.spec.as_ref()?;
    let pod = spec.template.spec.as_ref()?;
    let (container, flags) =
        pod.containers.iter().find_map(|container| Some((container, flags(container, definition)?)))?;
    let namespace = deployment.namespace().unwrap_or_default();
    let text = |id: &str| flags.try_get_one::<String>(id).ok().flatten().cloned();
    let lease = flags.get_flag("leader_elect").then(|| {
        (text("lease_namespace").unwrap_or_else(|| namespace.clone()), text("lease_name").unwrap_or_default())
    });
    let serves = flags.try_get_many::<String>("namespaces").ok().flatten();
    Some(Controller {
        name: deployment.name_any(),
        service_account: pod.service_account_name.clone().unwrap_or_else(|| "default".to_owned()),
        version: deployment.labels().get(VERSION).cloned().or_else(|| tag(container.image.as_deref()?)),
        replicas: spec.replicas.unwrap_or(1),
        available: deployment.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0),
        lease,
        serves: serves.into_iter().flatten().cloned().collect(),
        selector: text("selector"),
        namespace,
    })
}

/// The flags of a container; None if the container does not run the controller, or if the flags cannot be read. A flag in
/// the environment counts unless an argument replaces it; a variable that comes from a ConfigMap or a Secret is unknown
/// here.
fn flags(container: &Container, definition: &clap::Command) -> Option<ArgMatches> {
    let given = container.args.clone().unwrap_or_default();
    let (subcommand, given) = given.split_first().filter(|(first, _)| *first == "controller")?;
    let variables = container.env.iter().flatten().filter_map(|variable| {
        let name = variable.name.strip_prefix(PREFIX)?.to_lowercase().replace('_', "-");
        let (flag, value) = (format!("--{name}"), variable.value.as_deref()?);
        let is_given = given.iter().any(|word| word.split('=').next() == Some(flag.as_str()));
        match value {
            _ if is_given => None,
            "true" => Some(flag),
            value => (value != "false").then(|| format!("{flag}={value}")),
        }
    });
    let words = ["tokensource".to_owned(), subcommand.clone()]
        .into_iter()
        .chain(variables)
        .chain(given.iter().cloned());
    let matches = definition.clone().try_get_matches_from(words).ok()?;
    matches.subcommand_matches("controller").cloned()
}

/// The tag of an image, if it looks like a version.
fn tag(image: &str) -> Option<String> {
    let (_, tag) = image.split('@').next()?.rsplit('/').next()?.rsplit_once(':')?;
    let version = tag.strip_prefix('v').unwrap_or(tag);
    version.starts_with(|letter: char| letter.is_ascii_digit()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command};
    use serde_json::{Value, json};

    use super::*;

    /// The flags that are read here, declared as in the controller.
    #[derive(Args)]
    struct Flags {
        #[arg(long = "namespace", value_delimiter = ',')]
        namespaces: Vec<String>,
        #[arg(long)]
        selector: Option<String>,
        #[arg(long)]
        leader_elect: bool,
        #[arg(long)]
        lease_namespace: Option<String>,
        #[arg(long, default_value = "tokensource")]
        lease_name: String,
    }

    fn found(args: &Value, env: &Value) -> Option<Controller> {
        let deployment = serde_json::from_value(json!({
            "metadata": {"name": "c", "namespace": "system"},
            "spec": {"selector": {}, "replicas": 2, "template": {"spec": {"serviceAccountName": "s", "containers": [
                {"name": "side", "args": ["proxy"]},
                {"name": "controller", "image": "host:5000/tokensource:v1.2.3@sha256:0", "args": args, "env": env},
            ]}}},
            "status": {"availableReplicas": 1},
        }))
        .unwrap();
        let definition =
            Command::new("tokensource").subcommand(Flags::augment_args(Command::new("controller")));
        controller(&deployment, &definition)
    }

    #[test]
    fn command_line_of_a_deployment_is_read() {
        let lease = |namespace: &str, name: &str| Some((namespace.to_owned(), name.to_owned()));
        let args = json!([
            "controller",
            "--leader-elect",
            "--lease-name=mine",
            "--namespace",
            "a,b",
            "--selector=x=1"
        ]);
        let expected = Controller {
            namespace: "system".to_owned(),
            name: "c".to_owned(),
            service_account: "s".to_owned(),
            version: Some("1.2.3".to_owned()),
            replicas: 2,
            available: 1,
            lease: lease("system", "mine"),
            serves: vec!["a".to_owned(), "b".to_owned()],
            selector: Some("x=1".to_owned()),
        };
        assert_eq!(found(&args, &json!([])), Some(expected));
        assert_eq!(found(&json!(["status"]), &json!([])), None);
        for (args, env, expected) in [
            (json!(["controller"]), json!([]), None),
            (
                json!(["controller"]),
                json!([{"name": "TOKENSOURCE_LEADER_ELECT", "value": "true"}]),
                lease("system", "tokensource"),
            ),
            (
                json!(["controller", "--leader-elect", "--lease-namespace=other"]),
                json!([{"name": "TOKENSOURCE_LEASE_NAMESPACE", "value": "ignored"}]),
                lease("other", "tokensource"),
            ),
        ] {
            assert_eq!(found(&args, &env).unwrap().lease, expected, "{args} {env}");
        }
    }

    #[test]
    fn version_is_the_tag_of_the_image() {
        for (image, expected) in [
            ("tokensource:1.2.3", Some("1.2.3")),
            ("host:5000/a/tokensource:v1.2.3", Some("1.2.3")),
            ("host:5000/tokensource", None),
            ("tokensource:latest", None),
            ("tokensource@sha256:0", None),
        ] {
            assert_eq!(tag(image).as_deref(), expected, "{image}");
        }
    }
}
