//! helm and kustomize, as a person runs them. Knows command lines and output; must not know the right result.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kube::ResourceExt;
use kube::core::DynamicObject;
use serde_json::Value;
use tempfile::TempDir;
use tokensource_kit::shipped::repository;
use tokensource_kit::{assets, chart, manifest};

pub(crate) const RELEASE: &str = "tokensource";
pub(crate) const NAMESPACE: &str = "tokensource-system";

/// helm with its own home directory, so that it reads and writes no settings of the machine.
pub(crate) struct Helm {
    directory: fn() -> &'static Path,
    home: TempDir,
    kubeconfig: PathBuf,
}

impl Helm {
    /// A helm without a cluster.
    pub(crate) fn offline() -> Self {
        Self::at(Path::new("/dev/null"))
    }

    pub(crate) fn at(kubeconfig: &Path) -> Self {
        let home = tempfile::Builder::new().prefix("helm-").tempdir().expect("a temporary directory");
        Self { directory: assets::helm, home, kubeconfig: kubeconfig.to_owned() }
    }

    /// Helm 3 in place of Helm 4.
    pub(crate) fn of_major_3(self) -> Self {
        Self { directory: assets::helm3, ..self }
    }

    /// The output of helm, or its error.
    pub(crate) fn try_run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new((self.directory)().join("helm"))
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HELM_CACHE_HOME", self.home.path().join("cache"))
            .env("HELM_CONFIG_HOME", self.home.path().join("config"))
            .env("HELM_DATA_HOME", self.home.path().join("data"))
            .stdin(Stdio::null())
            .output()
            .expect("helm");
        outcome(&output)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.try_run(arguments).unwrap_or_else(|problem| panic!("helm {}: {problem}", arguments.join(" ")))
    }

    /// Writes values into a file, and returns its path.
    pub(crate) fn values(&self, values: &Value) -> String {
        let path = self.home.path().join("values.json");
        std::fs::write(&path, values.to_string()).expect("a temporary file");
        path.display().to_string()
    }

    /// `helm template` with these values.
    pub(crate) fn try_template(&self, values: &Value) -> Result<Vec<DynamicObject>, String> {
        let chart = chart::directory().display().to_string();
        let arguments =
            ["template", RELEASE, &chart, "--namespace", NAMESPACE, "--values", &self.values(values)];
        self.try_run(&arguments).map(|text| manifest::parse(&text))
    }

    pub(crate) fn template(&self, values: &Value) -> Vec<DynamicObject> {
        self.try_template(values).unwrap_or_else(|problem| panic!("{values}: {problem}"))
    }
}

/// `kubectl kustomize` of an overlay, as text.
pub(crate) fn kustomize(overlay: &str) -> String {
    kustomize_directory(&repository().join("deploy/kustomize").join(overlay))
}

/// `kubectl kustomize` of a directory.
pub(crate) fn kustomize_directory(directory: &Path) -> String {
    let kubectl = assets::kubernetes().join("kubectl");
    let output = Command::new(kubectl).arg("kustomize").arg(directory).output().expect("kubectl");
    outcome(&output).unwrap_or_else(|problem| panic!("{}: {problem}", directory.display()))
}

pub(crate) fn outcome(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{}: {}{}", output.status, text(&output.stderr), text(&output.stdout)))
    }
}

pub(crate) fn kind(object: &DynamicObject) -> &str {
    &object.types.as_ref().expect("a manifest has a kind").kind
}

/// The one object of this kind and name.
pub(crate) fn find<'a>(objects: &'a [DynamicObject], wanted: &str, name: &str) -> &'a DynamicObject {
    let found: Vec<_> =
        objects.iter().filter(|object| kind(object) == wanted && object.name_any() == name).collect();
    assert_eq!(found.len(), 1, "{wanted} {name} in {:?}", names(objects));
    found[0]
}

/// Kind and name of each object, sorted.
pub(crate) fn names(objects: &[DynamicObject]) -> Vec<(String, String)> {
    let mut names: Vec<_> =
        objects.iter().map(|object| (kind(object).to_owned(), object.name_any())).collect();
    names.sort();
    names
}

/// The arguments of the controller in a rendering or on a cluster, after `controller`.
pub(crate) fn arguments(deployment: &DynamicObject) -> Vec<String> {
    let arguments = &deployment.data["spec"]["template"]["spec"]["containers"][0]["args"];
    let mut arguments: Vec<String> = serde_json::from_value(arguments.clone()).expect("arguments");
    assert_eq!(arguments.remove(0), "controller");
    arguments
}
