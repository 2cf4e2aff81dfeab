//! deploy/examples/recipes/pip.yaml and npm.yaml with real pip and npm, which install a package from an index of the test.
//! Knows how such an index answers.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tokensource_kit::scripted_provider::Answer;

use crate::recipe::Recipe;
use crate::story::Story;

pub(crate) async fn pip_installs_with_each_token(story: &Story) {
    let recipe = Recipe::apply(story, "pip.yaml", &[("pypi.example.com", &story.provider.host())]).await;
    let directory = tempfile::tempdir().unwrap();
    let name = "greeting-1.0-py3-none-any.whl";
    make("python3", &["-c", WHEEL, name], directory.path(), "apt-get install python3");
    let link = format!("<!doctype html><title>greeting</title><a href=\"/files/{name}\">{name}</a>");
    serve(&recipe, "/simple/greeting/", Answer::text(200, "text/html", &link));
    let wheel = fs::read(directory.path().join(name)).unwrap();
    serve(&recipe, &format!("/files/{name}"), Answer::bytes(200, "application/zip", &wheel));
    make("python3", &["-m", "pip", "--version"], directory.path(), "apt-get install python3-pip");
    let authority = recipe.authority();
    let environment = [("PIP_CERT", authority.as_str()), ("PIP_DISABLE_PIP_VERSION_CHECK", "1")];
    recipe.succeeds_with_three_tokens("pip", &environment).await;
    assert_eq!(story.provider.count(&format!("/files/{name}")), 3, "downloads");
}

/// Writes the wheel that is named by the argument.
const WHEEL: &str = "
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    wheel.writestr('greeting.py', 'print(\"hello\")\\n')
    info = 'greeting-1.0.dist-info/'
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: greeting\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: a test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', 'greeting.py,,\\n')
";

pub(crate) async fn npm_installs_with_each_token(story: &Story) {
    let recipe = Recipe::apply(story, "npm.yaml", &[("npm.example.com", &story.provider.host())]).await;
    let directory = tempfile::tempdir().unwrap();
    let package = json!({"name": "@team/greeting", "version": "1.0.0"});
    fs::write(directory.path().join("package.json"), package.to_string()).unwrap();
    make("npm", &["pack", "--silent"], directory.path(), "apt-get install npm");
    let archive = fs::read(directory.path().join("team-greeting-1.0.0.tgz")).unwrap();
    let path = "/@team/greeting/-/greeting-1.0.0.tgz";
    let mut version = package;
    version["dist"] = json!({"tarball": story.provider.url(path)});
    let document = json!({
        "name": "@team/greeting", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version},
    });
    serve(&recipe, "/@team%2fgreeting", Answer::json(200, &document));
    serve(&recipe, path, Answer::bytes(200, "application/octet-stream", &archive));
    let authority = recipe.authority();
    let environment = [("NPM_CONFIG_CAFILE", authority.as_str()), ("NPM_CONFIG_AUDIT", "false")];
    recipe.succeeds_with_three_tokens("npm", &environment).await;
    assert_eq!(story.provider.count(path), 3, "downloads");
}

/// Gives this answer to requests of a path that have a valid token, and 401 to others.
fn serve(recipe: &Recipe<'_>, path: &str, answer: Answer) {
    let tokens = recipe.tokens.clone();
    let refusal = Answer::status(401).header("WWW-Authenticate", "Basic realm=\"team\"");
    recipe.story.provider.respond(
        path,
        move |request, _| {
            if tokens.admit(request) { answer.clone() } else { refusal.clone() }
        },
    );
}

/// Runs a program that the test needs itself; `install` is the command that installs it.
fn make(program: &str, arguments: &[&str], directory: &Path, install: &str) {
    let output = Command::new(program).args(arguments).current_dir(directory).output();
    let output = output.unwrap_or_else(|error| panic!("{program} does not run ({error}): {install}"));
    assert!(output.status.success(), "{install}: {}", String::from_utf8_lossy(&output.stderr));
}
