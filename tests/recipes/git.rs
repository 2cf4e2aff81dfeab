//! deploy/examples/recipes/git.yaml and git-bearer.yaml with a real git, whose repository is served as files ("dumb HTTP").
//! Knows how such a repository is made and served.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tokensource_kit::scripted_provider::Answer;

use crate::api::Tokens;
use crate::pod::Pod;
use crate::recipe::Recipe;
use crate::story::Story;

const PREFIX: &str = "/team/greeting.git";

pub(crate) async fn presents_each_token_as_a_password(story: &Story) {
    clones_and_pulls(story, "git.yaml", "Basic realm=\"team\"").await;
}

pub(crate) async fn presents_each_token_as_a_bearer_token(story: &Story) {
    clones_and_pulls(story, "git-bearer.yaml", "Bearer realm=\"team\"").await;
}

async fn clones_and_pulls(story: &Story, file: &str, challenge: &'static str) {
    let host = story.provider.host();
    let recipe = Recipe::apply(story, file, &[("git.example.com", &host), ("sleep 60", "sleep 1")]).await;
    serve(story, &recipe.tokens, challenge);
    let pod = Pod::prepare(story, &recipe.pod_spec(), "git").await;
    let program = pod.start(Path::new("/usr/bin"), &[], &[("GIT_SSL_CAINFO", &recipe.authority())]);
    recipe.lives_through_three_tokens(&pod, &program, async || ()).await;
    let cloned = fs::read_to_string(pod.local("/work/greeting/greeting.txt")).expect("a clone");
    assert_eq!(cloned, "hello\n");
    // `lives_through_three_tokens` has searched this output for tokens.
    let output = program.logs();
    assert!(!output.contains("fatal"), "{output}");
}

/// Serves a bare repository with one file.
fn serve(story: &Story, tokens: &Tokens, challenge: &'static str) {
    let directory = tempfile::tempdir().unwrap();
    let (work, bare) = (directory.path().join("work"), directory.path().join("bare"));
    fs::create_dir(&work).unwrap();
    fs::write(work.join("greeting.txt"), "hello\n").unwrap();
    git(&work, &["init", "--quiet", "--initial-branch=main"]);
    git(&work, &["add", "greeting.txt"]);
    git(
        &work,
        &["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message=A greeting"],
    );
    git(&work, &["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    git(&bare, &["update-server-info"]);
    for file in files(&bare) {
        let path = format!("{PREFIX}/{}", file.strip_prefix(&bare).unwrap().display());
        let (content, tokens) = (fs::read(&file).unwrap(), tokens.clone());
        story.provider.respond(&path, move |request, _| {
            if tokens.admit(request) {
                Answer::bytes(200, "text/plain", &content)
            } else {
                Answer::status(401).header("WWW-Authenticate", challenge)
            }
        });
    }
}

fn git(directory: &Path, arguments: &[&str]) {
    let output = Command::new("git").args(arguments).current_dir(directory).output();
    let output = output.unwrap_or_else(|error| panic!("git does not run ({error}): apt-get install git"));
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
