//! The commands of README and docs/install.md, taken from the pages and run unchanged except for the registry's name. Knows
//! Markdown and the shell; must not know the purpose of the commands.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokensource_kit::assets;
use tokensource_kit::enclosure::Enclosure;
use tokensource_kit::shipped::repository;

const REGISTRY: &str = "registry.example";

/// A person at a terminal, with helm and kubectl.
pub(crate) struct Person {
    kubeconfig: PathBuf,
    home: PathBuf,
}

impl Person {
    pub(crate) fn new(enclosure: &Enclosure, kubeconfig: &Path) -> Self {
        let home = enclosure.directory().join("home");
        std::fs::create_dir_all(&home).expect("a temporary directory");
        Self { kubeconfig: kubeconfig.to_owned(), home }
    }

    /// Runs commands, prints their output, and stops at the first that fails.
    pub(crate) fn types(&self, commands: &str) {
        println!("{}", indented(commands, "  $ "));
        let path =
            [assets::helm().display().to_string(), assets::kubernetes().display().to_string()].join(":");
        let output = Command::new("bash")
            .args(["-euc", &format!("PATH={path}:$PATH\n{commands}")])
            .current_dir(repository())
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.home)
            .stdin(Stdio::null())
            .output()
            .expect("bash");
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        println!("{}", indented(&format!("{complained}{said}"), "    "));
        assert!(output.status.success(), "{commands}: {}", output.status);
    }
}

fn indented(text: &str, by: &str) -> String {
    text.trim_end().lines().map(|line| format!("{by}{line}")).collect::<Vec<_>>().join("\n")
}

/// The image's name, and the commands that install it: README's first way.
pub(crate) fn installation() -> (String, String) {
    let block = block("README.md", "## Install");
    let (build, commands) = block.split_once('\n').expect("more than one command");
    let tag = build.strip_prefix("docker build -t ").and_then(|rest| rest.split_once(" . && docker push "));
    let (tag, pushed) = tag.unwrap_or_else(|| panic!("README builds the image first; found: {build}"));
    assert_eq!(tag, pushed, "README builds one image and pushes another");
    (tag.to_owned(), commands.to_owned())
}

/// The command that upgrades a Helm release, here to a packaged chart, as a release has it.
pub(crate) fn upgrade() -> String {
    let block = block("docs/install.md", "## Upgrade");
    let command = block.lines().find(|line| line.starts_with("helm upgrade "));
    let command = command.expect("docs/install.md upgrades with Helm");
    let packaged = command.replace("deploy/helm/tokensource", "~/tokensource-*.tgz");
    assert_ne!(packaged, command, "the command names the chart");
    format!("helm package deploy/helm/tokensource --destination ~\n{packaged}")
}

/// The first block of shell commands under a heading.
fn block(file: &str, heading: &str) -> String {
    let text = std::fs::read_to_string(repository().join(file)).expect(file);
    let section = text.split_once(&format!("\n{heading}\n")).map(|(_, section)| section);
    let block = section.and_then(|section| section.split_once("```sh\n")).map(|(_, block)| block);
    let (block, _) =
        block.and_then(|block| block.split_once("```")).unwrap_or_else(|| panic!("{file}: {heading}"));
    block.replace("REGISTRY", REGISTRY)
}
