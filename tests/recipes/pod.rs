//! A container of a manifest, run as a process of this machine. Its volumes are directories, laid out and replaced as the kubelet
//! does it, and every path of the manifest is replaced by the path of the directory. Knows the fields of a pod that name the program
//! and its files; must not know what the program does.

use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use serde_json::Value;
use tempfile::TempDir;
use tokensource_kit::mount::Mount;
use tokensource_kit::process::{Process, Program};

use crate::story::Story;

pub(crate) struct Pod {
    container: Value,
    volumes: Vec<(String, Volume)>,
    /// The home of the program, and its log.
    directory: TempDir,
}

enum Volume {
    Secret { name: String, mount: Mount },
    ConfigMap { name: String, directory: TempDir },
    Empty(TempDir),
}

impl Volume {
    fn directory(&self) -> &Path {
        match self {
            Self::Secret { mount, .. } => mount.directory(),
            Self::ConfigMap { directory, .. } | Self::Empty(directory) => directory.path(),
        }
    }
}

impl Pod {
    /// The container of this name, with the volumes as they are now in the story's namespace.
    pub(crate) async fn prepare(story: &Story, spec: &Value, container: &str) -> Self {
        let named = |list: &Value, name: &Value| {
            list.as_array().unwrap().iter().find(|entry| entry["name"] == *name).unwrap().clone()
        };
        let container = named(&spec["containers"], &container.into());
        let mut volumes = Vec::new();
        for mount in container["volumeMounts"].as_array().unwrap() {
            assert_eq!(mount["subPath"], Value::Null, "the file would never change");
            let volume = named(&spec["volumes"], &mount["name"]);
            let directory = tempfile::tempdir().unwrap();
            let volume = if let Some(name) = volume["secret"]["secretName"].as_str() {
                assert_eq!(volume["secret"]["optional"], Value::Null, "the pod waits for a token");
                Volume::Secret { name: name.to_owned(), mount: Mount::new(&files(&story.secret(name).await)) }
            } else if let Some(name) = volume["configMap"]["name"].as_str() {
                Volume::ConfigMap { name: name.to_owned(), directory }
            } else {
                assert!(volume["emptyDir"].is_object(), "{volume}");
                Volume::Empty(directory)
            };
            volumes.push((mount["mountPath"].as_str().unwrap().to_owned(), volume));
        }
        let pod = Self { container, volumes, directory: tempfile::tempdir().unwrap() };
        pod.write_configuration(story).await;
        pod
    }

    /// The files of ConfigMaps, with the paths of this machine.
    async fn write_configuration(&self, story: &Story) {
        let api: Api<ConfigMap> = Api::namespaced(story.world.plane().admin(), &story.namespace);
        for (_, volume) in &self.volumes {
            if let Volume::ConfigMap { name, directory } = volume {
                for (file, text) in api.get(name).await.unwrap().data.unwrap_or_default() {
                    fs::write(directory.path().join(file), self.local(&text)).unwrap();
                }
            }
        }
    }

    /// Replaces the files of Secrets, as the kubelet does some time after a change.
    pub(crate) async fn update(&self, story: &Story) {
        for (_, volume) in &self.volumes {
            if let Volume::Secret { name, mount } = volume {
                mount.replace(&files(&story.secret(name).await));
            }
        }
    }

    /// A string of the manifest with the paths of this machine.
    pub(crate) fn local(&self, text: &str) -> String {
        self.volumes.iter().fold(text.to_owned(), |text, (path, volume)| {
            text.replace(path, volume.directory().to_str().unwrap())
        })
    }

    /// Starts the container's program with these additional arguments. The program gets only its own environment and `environment`:
    /// variables of this machine for pip, npm or git must not affect it. Programs are also looked up in `programs`.
    pub(crate) fn start(&self, programs: &Path, more: &[String], environment: &[(&str, &str)]) -> Process {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let own = list(&self.container["env"]).into_iter().map(|variable| {
            (variable["name"].as_str().unwrap().to_owned(), self.local(variable["value"].as_str().unwrap()))
        });
        let given = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let home = self.directory.path().display().to_string();
        let fixed = [("PATH".to_owned(), path), ("HOME".to_owned(), home)];
        let variables =
            fixed.into_iter().chain(own).chain(given).map(|(name, value)| format!("{name}={value}"));
        let command = [list(&self.container["command"]), list(&self.container["args"])].concat();
        let command = command.iter().map(|word| self.local(word.as_str().unwrap()));
        Process::start(Program {
            name: self.container["name"].as_str().unwrap().to_owned(),
            binary: PathBuf::from("env"),
            arguments: ["-i".to_owned()]
                .into_iter()
                .chain(variables)
                .chain(command)
                .chain(more.iter().cloned())
                .collect(),
            environment: Vec::new(),
            directory: self.directory.path().to_owned(),
            log: self.directory.path().join("program.log"),
        })
    }
}

/// The files that a Secret becomes in a volume.
fn files(secret: &Secret) -> Vec<(&str, &str)> {
    let data = secret.data.as_ref().unwrap();
    data.iter().map(|(key, value)| (key.as_str(), std::str::from_utf8(&value.0).unwrap())).collect()
}
