//! docs/try-it.md and its script `.ci/try-it`: the same commands, and what they apply works. The programs that make images and
//! clusters are stand-ins that record how they are called; kubectl is real, and so is what it applies. Knows the names of those
//! programs and of the objects in deploy/try-it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokensource_kit::process::Process;
use tokensource_kit::shipped::repository;
use tokensource_kit::{assets, eventually, manifest, unique};

use crate::pod::Pod;
use crate::story::{SOON, Story};

/// The commands that create a cluster and load the image, with the tools that the page offers in place of kind.
const OTHERS: [(&str, [&str; 2]); 2] = [
    (
        "minikube",
        [
            "minikube start --profile tokensource",
            "minikube image load target/try-it/image.tar --profile tokensource",
        ],
    ),
    (
        "k3d",
        ["k3d cluster create tokensource", "k3d image import target/try-it/image.tar --cluster tokensource"],
    ),
];

pub(crate) async fn script_runs_what_the_page_says_and_the_pod_gets_its_tokens(story: &mut Story) {
    let page = fs::read_to_string(repository().join("docs/try-it.md")).unwrap();
    let by_hand = page.split("\n## ").find(|section| section.starts_with("By hand")).unwrap();
    let said = commands(by_hand);
    let recorded = run(story, "kind");
    assert_eq!(recorded, said, "the commands of .ci/try-it, and the commands of docs/try-it.md");
    for (tool, lines) in OTHERS {
        let recorded = run(story, tool);
        assert_eq!(recorded[2..4], lines);
        // The provider has its certificate already.
        let rest: Vec<_> = said[4..].iter().filter(|line| !line.ends_with("--filename -")).collect();
        assert_eq!(recorded[4..].iter().collect::<Vec<_>>(), rest);
        for line in lines {
            assert!(page.contains(&format!("`{line}`")), "docs/try-it.md lacks {line}");
        }
    }
    helm_understands(said.iter().find(|line| line.starts_with("helm")).unwrap());
    "try-it".clone_into(&mut story.namespace);
    pod_gets_three_tokens(story).await;
}

/// The commands in the fenced blocks of a section that run one of the programs.
fn commands(section: &str) -> Vec<String> {
    let blocks =
        section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().replace("\\\n", ""));
    let lines: Vec<String> =
        blocks.flat_map(|block| block.lines().map(ToOwned::to_owned).collect::<Vec<_>>()).collect();
    let words =
        lines.iter().map(|line| line.rsplit(" | ").next().unwrap().split_whitespace().collect::<Vec<_>>());
    words
        .filter(|words| {
            words.first().is_some_and(|first| ["docker", "kind", "helm", "kubectl"].contains(first))
        })
        .map(|words| words.join(" "))
        .collect()
}

/// Runs the script with this tool, and returns the commands that it has run.
fn run(story: &Story, tool: &str) -> Vec<String> {
    let plane = story.world.plane();
    let directory = tempfile::tempdir().unwrap();
    let (programs, log) = (directory.path().join("programs"), directory.path().join("log"));
    fs::create_dir(&programs).unwrap();
    let record = format!("echo \"${{0##*/}} $*\" >>{}\n", log.display());
    let create = format!("cp {} \"$KUBECONFIG\"", plane.kubeconfig_for("admin").display());
    // The clusters appear with the command that creates them, and not before.
    let create = format!("case \"$*\" in *create*|start*) {create} ;; esac");
    let real = plane.kubectl().display().to_string();
    let kubectl = format!(
        "case $1 in get) ;; *) {record} ;; esac\ncase $1 in wait|rollout|logs) ;; *) exec {real} \"$@\" ;; esac"
    );
    stand_in(&programs, "docker", &format!("[ \"$1\" = info ] || {record}"));
    stand_in(&programs, "helm", &record);
    stand_in(&programs, "kubectl", &kubectl);
    stand_in(&programs, tool, &format!("{record}{create}"));
    let output = Command::new(repository().join(".ci/try-it"))
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .env("TRY_IT", directory.path())
        .env_remove("KUBECONFIG")
        .output()
        .unwrap();
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
    let recorded =
        fs::read_to_string(log).unwrap().replace(directory.path().to_str().unwrap(), "target/try-it");
    recorded.lines().map(ToOwned::to_owned).collect()
}

/// `.ci/image` takes the first of docker, podman and buildah that works: an installed docker may have no daemon.
pub(crate) fn image_is_built_with_whichever_works() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let archive = directory.path().join("image.tar");
    let build = |works: &str| {
        for name in ["docker", "podman", "buildah"] {
            let info = if name == works { "exit 0" } else { "exit 1" };
            let script = format!("[ \"$1\" = info ] && {info}\necho \"${{0##*/}} $*\" >>{}", log.display());
            stand_in(directory.path(), name, &script);
        }
        let _ = fs::remove_file(&log);
        let output = Command::new(repository().join(".ci/image"))
            .args(["a/b:c", archive.to_str().unwrap()])
            .env("PATH", format!("{}:/usr/bin:/bin", directory.path().display()))
            .env("BUILD_IMAGE", "mirror.example.com/rust:1")
            .output()
            .unwrap();
        let recorded = fs::read_to_string(&log).unwrap_or_default();
        (output.status.success(), recorded.replace(archive.to_str().unwrap(), "FILE"))
    };
    let options = "--tag a/b:c --build-arg BUILD_IMAGE=mirror.example.com/rust:1 .";
    for (program, save) in [
        ("docker", "docker save --output FILE a/b:c"),
        ("podman", "podman save --format docker-archive --output FILE a/b:c"),
        ("buildah", "buildah push a/b:c docker-archive:FILE:a/b:c"),
    ] {
        assert_eq!(build(program), (true, format!("{program} build {options}\n{save}\n")));
    }
    assert_eq!(build("none of them"), (false, String::new()));
}

fn stand_in(directory: &Path, name: &str, script: &str) {
    let path = directory.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Renders the chart with the values of an installation.
fn helm_understands(line: &str) {
    let words = line.strip_prefix("helm upgrade --install ").unwrap().split(' ');
    let output = Command::new(assets::helm().join("helm"))
        .arg("template")
        .args(words.filter(|word| !["--wait", "--create-namespace"].contains(word)))
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let objects = manifest::parse(&String::from_utf8(output.stdout).unwrap());
    let images = objects.iter().filter_map(|object| {
        object.data.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str)
    });
    assert_eq!(images.collect::<Vec<_>>(), ["localhost/tokensource:dev"]);
}

/// The provider and the client of deploy/try-it as processes, and the controller between them.
async fn pod_gets_three_tokens(story: &mut Story) {
    let port = unique::port().to_string();
    let host = format!("localhost:{port}");
    let provider = Pod::prepare(story, &pod_spec("provider.yaml", &[]), "provider").await;
    let settings = [("PORT", port.as_str()), ("ADDRESS", "127.0.0.1"), ("LIFETIME_SECONDS", "10")];
    let provider = provider.start(Path::new("/usr/bin"), &[], &settings);
    let hosts = json!({"metadata": {"annotations": {"tokensource.dev/allowed-hosts": host}}});
    story.patch_secret("try-it-client", &hosts).await;
    let endpoint = json!({"spec": {"provider": {"tokenEndpoint": format!("https://{host}/token")}}});
    story.patch_source("try-it", &endpoint).await;
    story.run_with(&["--allow-network", "127.0.0.0/8"]).await;
    story.ready("try-it").await;

    let replacements = [("provider.try-it.svc", host.as_str()), ("sleep 5", "sleep 0.2")];
    let pod = Pod::prepare(story, &pod_spec("client.yaml", &replacements), "client").await;
    let client = pod.start(Path::new("/usr/bin"), &[], &[]);
    eventually("the third token in the pod", SOON + Duration::from_secs(20), async || {
        pod.update(story).await;
        if client.logs().contains("\"token_number\": 3") { Ok(()) } else { Err(both(&client, &provider)) }
    })
    .await;
    let said = client.logs();
    assert!(said.contains("\"token_number\": 1") && said.contains("\"token_number\": 2"), "{said}");
    assert!(!said.contains("invalid_token"), "{said}");
    assert!(said.lines().all(|line| line.starts_with("{\"token_number\"")), "{said}");
    provider.kill9();
}

/// The output of both programs. Neither program writes a token.
fn both(client: &Process, provider: &Process) -> String {
    format!("client: {}\nprovider: {}", client.tail(3), provider.tail(3))
}

/// The pod of the Deployment in a file of deploy/try-it, after these replacements, each of which must be possible.
fn pod_spec(file: &str, replacements: &[(&str, &str)]) -> Value {
    let mut text = fs::read_to_string(repository().join("deploy/try-it").join(file)).unwrap();
    for (from, to) in replacements {
        assert!(text.contains(from), "{file} has no {from:?}");
        text = text.replace(from, to);
    }
    let objects = manifest::parse(&text);
    objects.last().unwrap().data["spec"]["template"]["spec"].clone()
}
