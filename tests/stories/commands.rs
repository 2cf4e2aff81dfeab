//! The commands that pages, alerts, the chart's notes and the advice of reasons print. They run as a user without rights, so
//! that they have no effect: kubectl and the program must understand each command. A command from a message runs with
//! rights. Knows how commands are written in pages and messages; must not know the purpose of a command in a page.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::json;
use tokensource::api::{ConditionType, Reason};
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::shipped::repository;
use tokio::process::Command;

use crate::people::PROGRAM;
use crate::story::{Story, TOKEN, condition, is};

/// The answers to a user without rights about a valid command.
const UNDERSTOOD: [&str; 8] = [
    "orbidden",
    "cannot list resource",
    "NotFound",
    "not found",
    "no objects passed",
    "no such file",
    "cannot be read",
    "There are no such TokenSources",
];

/// Signs that a string in backticks mentions a command without being a command.
const UNFINISHED: [&str; 5] = ["SUBCOMMAND", "SHELL", "{{ with", "{{ .Chart", "…"];

/// Names of commands, as in prose.
const NAMES: [&str; 7] = [
    "kubectl apply",
    "kubectl apply --dry-run=server",
    "kubectl delete -k",
    "kubectl rollout restart",
    "kubectl tokensource",
    "kubectl wait",
    "tokensource init",
];

fn pages() -> Vec<(PathBuf, String)> {
    let mut files: Vec<_> = ["docs", "docs/providers", "deploy/monitoring"]
        .iter()
        .flat_map(|directory| std::fs::read_dir(repository().join(directory)).expect("a directory"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "md" || end == "yaml"))
        .collect();
    files.extend(
        ["README.md", "deploy/helm/tokensource/templates/NOTES.txt"].map(|file| repository().join(file)),
    );
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read_to_string(&path).expect("a page"))).collect()
}

fn is_command(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let program = words.next();
    let what = words.next().unwrap_or_default();
    ["kubectl", "tokensource"].iter().any(|name| program == Some(name))
        && !what.is_empty()
        && !["controller", "is"].contains(&what)
        && !NAMES.contains(&text)
        && !UNFINISHED.iter().any(|sign| text.contains(sign))
}

/// The lines of a text, joined where a quotation continues on the next line.
fn whole_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match lines.last_mut() {
            Some(open) if open.trim_start().starts_with("kubectl") && open.matches('\'').count() % 2 == 1 => {
                open.push('\n');
                open.push_str(line);
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

/// The commands between backticks and in fenced blocks, joined where they continue on the next line.
fn commands(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, part) in text.split("```").enumerate() {
        if at % 2 == 0 {
            let joined = part.lines().map(str::trim).collect::<Vec<_>>().join(" ");
            found.extend(joined.split('`').skip(1).step_by(2).map(str::to_owned));
        }
        // NOTES.txt and alerts have no fences.
        for line in whole_lines(&part.replace("\\\n", " ")) {
            let line = line.split("  #").next().unwrap_or_default().trim();
            let commands = line.split(" | ").flat_map(|line| line.split("; ")).map(str::trim);
            let whole = commands.filter(|command| command.matches('`').count() == 0);
            found.extend(whole.filter(|command| !command.ends_with(['|', '.', ','])).map(str::to_owned));
        }
    }
    found.retain(|command| is_command(command));
    found
}

/// Replaces placeholders by names.
fn filled(command: &str) -> String {
    let filled = ["NAMESPACE", "NAME", "$SECRET"]
        .iter()
        .fold(command.to_owned(), |text, word| text.replace(word, "x"));
    let mut rest = filled.as_str();
    let mut named = String::new();
    // {{ $labels.name }}
    while let Some((before, after)) = rest.split_once("{{") {
        named += before;
        named += "x";
        rest = after.split_once("}}").map_or("", |(_, rest)| rest);
    }
    named + rest
}

pub(crate) async fn printed_commands_are_understood(story: &mut Story) {
    story.controller.kill9();
    let directory = tempfile::tempdir().expect("a directory");
    for name in ["tokensource", "kubectl-tokensource"] {
        std::os::unix::fs::symlink(PROGRAM, directory.path().join(name)).expect("the symlink");
    }
    let kubectl = story.world.plane().kubectl();
    let path = format!(
        "{}:{}:/usr/bin:/bin",
        kubectl.parent().expect("a directory").display(),
        directory.path().display()
    );
    let advice: Vec<_> = Reason::ALL.iter().flat_map(|reason| [reason.sentence(), reason.advice()]).collect();
    let mut texts = pages();
    texts.push(("src/api/reason.rs".into(), advice.join("\n")));
    let mut seen = BTreeSet::new();
    let mut misunderstood = Vec::new();
    for (page, text) in &texts {
        for command in commands(text) {
            if !seen.insert(command.clone()) {
                continue;
            }
            if let Err(said) =
                understood(&filled(&command), &path, &story.world.plane().kubeconfig_for("bob")).await
            {
                misunderstood.push(format!("{}: {command}\n    {said}", page.display()));
            }
        }
    }
    assert!(seen.len() > 35, "{seen:#?}");
    assert!(misunderstood.is_empty(), "{}", misunderstood.join("\n"));
}

/// The command in a message has the promised effect, and removes nothing.
pub(crate) async fn command_for_an_unbound_secret_adds_the_host(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    let kubectl = story.world.plane().kubectl();
    let path = format!("{}:/usr/bin:/bin", kubectl.parent().expect("a directory").display());
    let kubeconfig = story.world.plane().kubeconfig_for("admin");
    let hosts =
        |list: Option<&str>| json!({"metadata": {"annotations": {"tokensource.dev/allowed-hosts": list}}});
    story.ask("bound", &json!({})).await;
    story.ready("bound").await;
    for (list, expected) in [(None, "localhost"), (Some("other.example"), "other.example,localhost")] {
        story.patch_secret("client", &hosts(list)).await;
        let source = story.failing("bound", "CredentialsNotBound").await;
        let (_, _, message) = condition(&source, ConditionType::Renewed).expect("a message");
        let command = message.split_once("If it may: ").expect("a command").1;
        understood(command, &path, &kubeconfig).await.expect("it runs");
        let annotations = story.secret("client").await.metadata.annotations.expect("annotations");
        assert_eq!(annotations["tokensource.dev/allowed-hosts"], expected, "{command}");
        story.until("bound", "Renewed", |source| is(source, ConditionType::Renewed, "True")).await;
    }
}

async fn understood(command: &str, path: &str, kubeconfig: &Path) -> Result<(), String> {
    let mut shell = Command::new("timeout");
    shell.args(["30", "bash", "-c", command]).current_dir(repository()).kill_on_drop(true);
    shell.env("PATH", path).env("KUBECONFIG", kubeconfig).stdin(Stdio::null());
    let output = shell.output().await.expect("bash");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let is_fine = output.status.success() || UNDERSTOOD.iter().any(|words| said.contains(words));
    if is_fine && output.status.code() != Some(2) { Ok(()) } else { Err(said.trim().to_owned()) }
}
