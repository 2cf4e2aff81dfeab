//! The commands for people with the real binary: their output, their exit status, and that no secret is in it. The user has
//! exactly the rights that docs/cli.md names.

use std::path::Path;
use std::process::{Output, Stdio};

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokensource::api::text::escaped;
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::shipped::repository;
use tokensource_kit::{canaries, manifest};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use crate::screens::assert_shown;
use crate::story::{Story, TOKEN};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_tokensource");

/// The output of a command.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) all: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn has(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, code, "{}", self.all);
        for text in texts {
            assert!(self.all.contains(text), "{text} is missing from\n{}", self.all);
        }
    }
}

pub(crate) fn command(story: &Story, program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env("KUBECONFIG", story.world.plane().kubeconfig_for("alice"));
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn said(mut command: Command) -> Said {
    judged(command.output().await.expect("the program runs"))
}

pub(crate) fn judged(output: Output) -> Said {
    let out = String::from_utf8(output.stdout).expect("text");
    let all = format!("{out}{}", String::from_utf8(output.stderr).expect("text"));
    assert_eq!(canaries::search(&all), [], "a secret is shown");
    assert!(!all.contains('\u{1b}'), "colours where no terminal reads: {all:?}");
    Said { code: output.status.code().expect("the program ended by itself"), out, all }
}

pub(crate) async fn tokensource(story: &Story, arguments: &[&str]) -> Said {
    said(command(story, Path::new(PROGRAM), arguments)).await
}

/// Runs a command in this story's namespace.
async fn here(story: &Story, arguments: &[&str]) -> Said {
    tokensource(story, &[arguments, &["-n", &story.namespace]].concat()).await
}

/// The Role of docs/cli.md, for alice.
async fn give_rights(story: &Story) {
    let page = std::fs::read_to_string(repository().join("docs/cli.md")).expect("docs/cli.md");
    let (_, block) = page.split_once("```yaml\n").expect("the Role");
    let (role, _) = block.split_once("```").expect("its end");
    let [role] = &manifest::parse(role)[..] else { panic!("one object: {role}") };
    story.apply(&serde_json::to_value(role).expect("JSON")).await;
    story
        .apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "people"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role.metadata.name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}],
        }))
        .await;
}

/// Creates a TokenSource with a token, and a TokenSource whose credentials are refused.
async fn a_good_and_a_bad_one(story: &Story) {
    story.provider.respond(TOKEN, |request, _| {
        if request.form_value("client_secret").as_deref() == Some("s3cr3t-that-is-refused") {
            return Answer::error(401, "invalid_client");
        }
        Answer::token(3600)
    });
    story.ask("good", &json!({})).await;
    story.credentials("refused", "s3cr3t-that-is-refused").await;
    story.apply(&story.source_for("bad", &json!({"credentialsRef": {"name": "refused"}}))).await;
    story.ready("good").await;
    story.failing("bad", "InvalidClient").await;
}

pub(crate) async fn status_shows_every_token(story: &mut Story) {
    a_good_and_a_bad_one(story).await;
    // Before the right is granted: the API server's own message.
    here(story, &["status"]).await.has(1, &["could not be listed", "alice", "cannot list resource"]);
    give_rights(story).await;

    let table = here(story, &["status"]).await;
    table.has(0, &[]);
    let lines: Vec<Vec<&str>> = table.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "READY", "REASON", "TARGET", "EXPIRES", "RENEWS", "FAILURES"]);
    assert_eq!(lines[1][..4], ["bad", "False", "InvalidClient", "bad-token"]);
    assert_eq!(lines[2][..4], ["good", "True", "TokenIssued", "good-token"]);
    assert!(lines[2][4].ends_with('m') && lines[2][6] == "0" && lines[1][6] == "1", "{}", table.out);
    assert_shown("kubectl tokensource status", &table.out, &story.namespace);
    let labelled = here(story, &["status", "-l", "no=such"]).await;
    labelled.has(0, &["There are no such TokenSources in namespace"]);

    let rows: Value = serde_json::from_str(&here(story, &["status", "-o", "json"]).await.out).expect("JSON");
    let expires = story.value("good-token", "expires_at").await;
    assert_eq!((&rows[1]["name"], &rows[1]["expiresAt"]), (&json!("good"), &json!(expires)));

    let page = here(story, &["status", "bad"]).await;
    let advice = "What to do about InvalidClient\n  Compare client id and secret";
    page.has(0, &["Ready has been False for", "Renewed has been False for", advice]);
    // Events are sent in the background, and the next attempt may be due at this moment.
    let page =
        tokensource_kit::eventually("the Event, and a future attempt", crate::story::SOON, async || {
            let page = here(story, &["status", "bad"]).await.out;
            if page.contains("WHEN") && page.contains("Renews:     in ") { Ok(page) } else { Err(page) }
        })
        .await;
    assert_shown("kubectl tokensource status bad", &page, &story.namespace);
    let page = here(story, &["status", "bad", "-o", "json"]).await;
    let page: Value = serde_json::from_str(&page.out).expect("JSON");
    assert_eq!(page["events"][0]["reason"], "InvalidClient", "{page:#}");
    let renewed = page["conditions"].as_array().unwrap().iter().find(|found| found["type"] == "Renewed");
    assert!(renewed.unwrap()["advice"].as_str().unwrap().starts_with("Compare client id"));

    here(story, &["status", "nobody"]).await.has(1, &["\"nobody\" not found"]);
    tokensource(story, &["status", "-A"]).await.has(1, &["at the cluster scope"]);
    here(story, &["status", "-A"]).await.has(2, &["cannot be used with"]);
}

pub(crate) async fn kubectl_finds_the_plugin(story: &mut Story) {
    a_good_and_a_bad_one(story).await;
    give_rights(story).await;
    let directory = std::env::temp_dir().join(&story.namespace);
    std::fs::create_dir(&directory).expect("a directory of our own");
    std::os::unix::fs::symlink(PROGRAM, directory.join("kubectl-tokensource")).expect("the symlink");
    let kubectl = |arguments: &[&str]| {
        let mut command = command(story, &story.world.plane().kubectl(), arguments);
        command.env("PATH", &directory);
        said(command)
    };
    kubectl(&["tokensource", "status", "-n", &story.namespace]).await.has(0, &["good", "InvalidClient"]);
    kubectl(&["tokensource", "status", "--help"]).await.has(0, &["Usage: kubectl tokensource status"]);
    kubectl(&["tokensource", "renew", "-n", &story.namespace]).await.has(2, &["--all"]);

    // The completions of the plugin, as kubectl's own completion script requests them.
    kubectl(&["__complete", "tokensource", "re"]).await.has(0, &[":0"]);
    std::os::unix::fs::symlink(PROGRAM, directory.join("kubectl_complete-tokensource")).expect("the symlink");
    let offered = kubectl(&["__complete", "tokensource", "re"]).await;
    offered.has(0, &["renew\tRequest new tokens now", "\n:4\n"]);
    assert!(!offered.out.contains("status"), "{}", offered.out);
    kubectl(&["__complete", "tokensource", "status", "-o", ""]).await.has(0, &["table\t", "json\t", ":4"]);
    kubectl(&["__complete", "tokensource", "check", "-f", ""]).await.has(0, &[":0"]);
    std::fs::remove_dir_all(&directory).expect("ours");
}

pub(crate) async fn status_follows_changes(story: &mut Story) {
    a_good_and_a_bad_one(story).await;
    give_rights(story).await;
    let mut command =
        command(story, Path::new(PROGRAM), &["status", "-w", "-o", "json", "-n", &story.namespace]);
    let mut program = command.stdout(Stdio::piped()).spawn().expect("the program runs");
    let mut lines = BufReader::new(program.stdout.take().expect("piped")).lines();
    let mut next = async || {
        let line = tokio::time::timeout(crate::story::SOON, lines.next_line()).await.expect("a line in time");
        serde_json::from_str::<Value>(&line.expect("read").expect("another line")).expect("JSON")
    };
    assert_eq!((next().await["name"].clone(), next().await["name"].clone()), (json!("bad"), json!("good")));
    // After the correction, the line changes. The failure may be repeated before.
    story.credentials("refused", "s3cr3t-that-is-taken").await;
    while next().await["ready"] != "True" {}
    story.sources().delete("good", &kube::api::DeleteParams::default()).await.expect("deleted");
    assert_eq!(next().await, json!({"namespace": story.namespace, "name": "good", "deleted": true}));
    program.kill().await.expect("it still ran");
}

/// The table is redrawn on a terminal, which script(1) simulates.
pub(crate) async fn status_is_redrawn_on_a_terminal(story: &mut Story) {
    a_good_and_a_bad_one(story).await;
    give_rights(story).await;
    for (no_color, colours) in [("", true), ("1", false)] {
        let watch = format!("{PROGRAM} status --watch --namespace {}", story.namespace);
        let mut command =
            command(story, Path::new("script"), &["--quiet", "--return", "--command", &watch, "/dev/null"]);
        command.env("NO_COLOR", no_color).env("TERM", "xterm").env_remove("CI");
        let mut program = command.stdout(Stdio::piped()).spawn().expect("script(1) of util-linux");
        let mut output = program.stdout.take().expect("piped");
        let mut seen = String::new();
        let shown = async {
            // The whole table three times: it is redrawn each second, even without changes.
            while seen.matches("FAILURES").count() < 3 {
                let mut part = [0; 4096];
                let read = output.read(&mut part).await.expect("read");
                assert!(read > 0, "the program ended: {seen}");
                seen += &String::from_utf8_lossy(&part[..read]);
            }
        };
        tokio::time::timeout(crate::story::SOON, shown).await.expect("three tables in time");
        program.kill().await.expect("it still ran");
        assert_eq!(seen.contains("\u{1b}[31m"), colours, "red for what failed: {seen:?}");
        assert!(seen.contains("InvalidClient"), "{seen:?}");
        assert_eq!(canaries::search(&seen), [], "a secret is shown");
    }
}

pub(crate) async fn renew_waits_for_the_answer(story: &mut Story) {
    a_good_and_a_bad_one(story).await;
    give_rights(story).await;
    let before = story.value("good-token", "access_token").await;
    // Both were just requested, so both renewal requests wait for the rest of the minute.
    let all = here(story, &["renew", "--all"]).await;
    all.has(1, &["good: renewed, expires in 59m", "bad: not renewed (InvalidClient)", "Compare client id"]);
    // The output is the same as on a terminal: progress, then the results in any order, and the exit status.
    let (results, progress) = all.all.split_at(all.out.len());
    let good = results.lines().find(|line| line.starts_with("good:")).expect("a result");
    let bad = results.replace(&format!("{good}\n"), "");
    let screen = format!("{progress}{bad}{good}\n{}", all.code);
    assert_shown("kubectl tokensource renew --all; echo $?", &screen, &story.namespace);
    assert_ne!(story.value("good-token", "access_token").await, before);
    let source = story.source("good").await;
    let asked = source.metadata.annotations.unwrap()["tokensource.dev/renew-requested-at"].clone();
    assert_eq!(source.status.unwrap().last_handled_renew_request, Some(asked));

    // The command does not wait if no request can be sent.
    story.patch_secret("client", &json!({"metadata": {"annotations": null}})).await;
    story.failing("good", "CredentialsNotBound").await;
    let refused = here(story, &["renew", "good"]).await;
    refused.has(1, &["good: not renewed (CredentialsNotBound)", "annotate secret client"]);
    story.patch_source("bad", &json!({"spec": {"suspend": true}})).await;
    here(story, &["renew", "bad"]).await.has(1, &["bad: not renewed (Suspended)"]);
    here(story, &["renew", "nobody"]).await.has(1, &["\"nobody\" not found"]);
    here(story, &["renew", "-l", "no=such"]).await.has(1, &["There are no such TokenSources"]);

    // No controller is running.
    story.patch_source("bad", &json!({"spec": {"suspend": false}})).await;
    story.controller.kill9();
    let late = here(story, &["renew", "bad", "--timeout", "2s"]).await;
    late.has(1, &["bad: not renewed", "The request was not handled in time"]);
    story.controller.restart().await;
}

/// The bytes for a terminal, recorded by script(1): no control sequences except the program's own colours.
pub(crate) async fn hostile_text_reaches_no_terminal(story: &mut Story) {
    story.controller.kill9();
    give_rights(story).await;
    story.ask("hostile", &json!({})).await;
    let hostile = "x\n\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\u{200b}\u{7f}\r";
    let condition = json!({
        "type": "Renewed", "status": "False", "reason": "InvalidClient", "message": hostile,
        "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1,
    });
    let status = json!({"status": {
        "conditions": [condition], "scope": hostile, "tokenType": hostile, "target": {"name": hostile},
    }});
    let patched =
        story.sources().patch_status("hostile", &PatchParams::default(), &Patch::Merge(&status)).await;
    patched.expect("a status");
    let directory = tempfile::tempdir().expect("a directory of our own");
    let file = directory.path().join("hostile.yaml");
    let object = |kind: &str, spec: Value| json!({"apiVersion": "tokensource.dev/v1alpha1", "kind": kind, "metadata": {"name": hostile, "namespace": hostile}, "spec": spec});
    let provider = json!({"issuer": "https://h.example", "clientAuthentication": {
        "method": "federated_jwt", "serviceAccountToken": {"name": hostile, "audience": hostile}}});
    let manifests = [
        object("TokenSource", json!({"provider": provider, hostile: 1})),
        object("TokenSource", json!({"providerRef": {"kind": "TokenProvider", "name": hostile}})),
        object(hostile, json!({})),
    ];
    // YAML forbids raw control characters, but accepts escaped control characters.
    let text: Vec<_> = manifests.iter().map(|object| escaped(&object.to_string()).into_owned()).collect();
    std::fs::write(&file, text.join("\n---\n")).expect("the manifests");
    let check = format!("check -f {}", file.display());
    let here = format!("-n {}", story.namespace);
    for (arguments, shown) in [
        (format!("status {here}"), "owned"),
        (format!("status hostile {here}"), "owned"),
        (format!("status hostile -o json {here}"), "owned"),
        (check.clone(), "owned"),
        (format!("{check} -o json"), "owned"),
        (format!("status {here} --context '{hostile}'"), "tokensource:"),
    ] {
        let mut command = command(
            story,
            Path::new("script"),
            &["--quiet", "--command", &format!("{PROGRAM} {arguments}"), "/dev/null"],
        );
        command.env("TERM", "xterm").env_remove("CI").env_remove("NO_COLOR");
        let output = command.output().await.expect("script(1) of util-linux");
        let mut seen = String::from_utf8(output.stdout).expect("text");
        assert!(seen.contains(shown), "{arguments}: {seen:?}");
        for ours in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"] {
            seen = seen.replace(ours, "");
        }
        // script(1) writes the line ends of a terminal.
        let seen = seen.replace("\r\n", "\n");
        let acting: Vec<_> = seen
            .chars()
            .filter(|letter| *letter != '\n' && tokensource::api::text::is_unseen(*letter))
            .collect();
        assert_eq!(acting, Vec::<char>::new(), "{arguments}: {seen:?}");
        assert!(
            !seen.lines().any(|line| line.starts_with("]0;") || line.starts_with("\\u001b")),
            "{arguments}: {seen}"
        );
    }
}
