//! The programs of docs/workloads.md: each calls an API that accepts only the present token, and reads the token from a
//! directory like a mounted Secret, whose files are replaced meanwhile. A call may fail only if the API refuses both of its
//! attempts. Also checks that the page and the manifests contain these programs. Knows how to check a workload from outside;
//! must not know the code of a workload, except for the programs that this test breaks on purpose.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test: also in its helpers

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokensource::api::Target;
use tokensource_kit::authority::Authority;
use tokensource_kit::mount::Mount;
use tokensource_kit::process::{Process, Program};
use tokensource_kit::scripted_provider::{Answer, ScriptedProvider};
use tokensource_kit::shipped::repository;
use tokensource_kit::{manifest, unique};

/// The token is replaced while these requests are sent: they present the previous token, and get a 401.
const CAUGHT: [usize; 2] = [5, 30];
/// The token is replaced after the answer to this request: the next request must present the new token.
const BETWEEN: usize = 20;
/// These requests are always refused: three calls with exactly two attempts each.
const REFUSED: RangeInclusive<usize> = 40..=45;

/// The program's report of its calls: 37 succeed, with three replacements; three fail; the others succeed again.
const SAID: [(&str, usize); 3] = [("200", 37), ("401", 3), ("200", 5)];

/// The API, and the Secret in the workload's directory.
struct Api {
    mount: Mount,
    tokens: Vec<String>,
    statuses: Vec<u16>,
}

impl Api {
    fn new() -> Self {
        let token = unique::word(40);
        Self { mount: Mount::new(&files(&token)), tokens: vec![token], statuses: Vec::new() }
    }

    fn replace(&mut self) {
        let token = unique::word(40);
        self.mount.replace(&files(&token));
        self.tokens.push(token);
    }

    fn answer(&mut self, bearer: Option<&str>) -> Answer {
        let number = self.statuses.len() + 1;
        if CAUGHT.contains(&number) {
            self.replace();
        }
        let good = bearer == self.tokens.last().map(String::as_str) && !REFUSED.contains(&number);
        let status = if good { 200 } else { 401 };
        self.statuses.push(status);
        if number == BETWEEN {
            self.replace();
        }
        Answer::text(status, "text/plain", "an answer")
    }
}

/// The default keys of a target.
fn files(token: &str) -> [(&str, &str); 3] {
    [("access_token", token), ("token_type", "Bearer"), ("expires_at", "2026-01-01T00:00:00Z")]
}

fn example(name: &str) -> PathBuf {
    repository().join("deploy/examples/workloads").join(name)
}

/// The version that a tool reports.
fn tool(name: &str, version: &str, package: &str) -> String {
    let output = Command::new(name).arg(version).output().unwrap_or_else(|error| {
        panic!("{name} does not run ({error}), and this example cannot be tested without. apt-get install {package}")
    });
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a workload and checks every call.
async fn check(binary: &str, arguments: &[&Path]) -> Result<(), String> {
    let provider = ScriptedProvider::start(&Authority::new("the API's authority"));
    let api = Arc::new(Mutex::new(Api::new()));
    let its_api = Arc::clone(&api);
    provider.respond("/v1/books", move |request, _| its_api.lock().unwrap().answer(request.bearer()));
    let directory = tempfile::tempdir().unwrap();
    let authority = directory.path().join("authority.pem");
    fs::write(&authority, provider.ca_pem()).unwrap();
    let token_file = api.lock().unwrap().mount.path("access_token").display().to_string();
    let program = Process::start(Program {
        name: binary.to_owned(),
        binary: binary.into(),
        arguments: arguments.iter().map(|argument| argument.display().to_string()).collect(),
        environment: [
            ("API_URL", provider.url("/v1/books?page=1")),
            ("TOKEN_FILE", token_file),
            ("INTERVAL_SECONDS", "0.01".to_owned()),
            ("SSL_CERT_FILE", authority.display().to_string()),
            ("NODE_EXTRA_CA_CERTS", authority.display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
        directory: directory.path().to_owned(),
        log: directory.path().join("program.log"),
    });
    let expected: Vec<&str> = SAID.iter().flat_map(|(word, times)| vec![*word; *times]).collect();
    let patience = tokio::time::Instant::now() + Duration::from_secs(30);
    while program.logs().lines().count() < expected.len() && tokio::time::Instant::now() < patience {
        if !program.is_running() {
            return Err(format!("the program ended: {}", program.logs()));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The kubelet ends a program in the same way.
    program.terminate(Duration::from_secs(5)).await;
    let said = program.logs();
    let api = api.lock().unwrap();
    assert!(!api.tokens.iter().any(|token| said.contains(token)), "a token is shown");
    if said.lines().take(expected.len()).ne(expected.iter().copied()) {
        return Err(format!("not every call was good: {said}"));
    }
    let refused: Vec<usize> =
        (1..).zip(&api.statuses).filter(|(_, status)| **status == 401).map(|(number, _)| number).collect();
    let unavoidable: Vec<usize> = CAUGHT.into_iter().chain(REFUSED).collect();
    if refused != unavoidable {
        return Err(format!("401 answered the requests {refused:?}, where only {unavoidable:?} need be"));
    }
    Ok(())
}

#[tokio::test]
async fn python_works_with_three_tokens() {
    tool("python3", "--version", "python3");
    check("python3", &[&example("client.py")]).await.unwrap();
}

#[tokio::test]
async fn node_works_with_three_tokens() {
    let version = tool("node", "--version", "nodejs");
    let major: u32 = version.trim_start_matches('v').split('.').next().unwrap().parse().unwrap();
    assert!(major >= 18, "node {version} has no fetch. apt-get install nodejs (18 or newer)");
    check("node", &[&example("client.mjs")]).await.unwrap();
}

#[tokio::test]
async fn go_works_with_three_tokens() {
    tool("go", "version", "golang-go");
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("client");
    // `go run` is not used, because its child would continue to run.
    let output = Command::new("go")
        .args(["build", "-trimpath", "-o"])
        .args([&program, &example("client.go")])
        .env("CGO_ENABLED", "0")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    check(program.to_str().unwrap(), &[]).await.unwrap();
}

/// Common mistakes, each with the replacements in `client.py` that make the mistake.
const BROKEN: [(&str, &[(&str, &str)]); 4] = [
    (
        "the token is read once, at the start, as an environment variable is",
        &[
            ("INTERVAL = ", "TOKEN = open(TOKEN_FILE).read().strip()\nINTERVAL = "),
            ("token = file.read().strip()", "token = TOKEN"),
        ],
    ),
    (
        "the file is kept open, as a mount with subPath keeps it",
        &[
            ("INTERVAL = ", "FILE = open(TOKEN_FILE)\nINTERVAL = "),
            ("token = file.read().strip()", "FILE.seek(0); token = FILE.read().strip()"),
        ],
    ),
    (
        "the program does not try again after a 401",
        &[("return ask() if status == 401 else status", "return status")],
    ),
    (
        "the program tries again after a 401 without end",
        &[(
            "return ask() if status == 401 else status",
            "\n    while status == 401: status = ask()\n    return status",
        )],
    ),
];

#[tokio::test]
async fn common_mistakes_are_noticed() {
    tool("python3", "--version", "python3");
    let program = fs::read_to_string(example("client.py")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("client.py");
    for (mistake, replacements) in BROKEN {
        let mut broken = program.clone();
        for (from, to) in replacements {
            assert_eq!(broken.matches(from).count(), 1, "client.py has one {from:?}");
            broken = broken.replace(from, to);
        }
        fs::write(&file, &broken).unwrap();
        let result = check("python3", &[&file]).await;
        assert!(result.is_err_and(|why| !why.contains("the program ended")), "not noticed: {mistake}");
    }
}

/// The names of the files that `docs/workloads.md` quotes, by the language of the block.
const QUOTED: [(&str, &str); 4] =
    [("python", "client.py"), ("go", "client.go"), ("js", "client.mjs"), ("yaml", "python.yaml")];

#[test]
fn the_page_quotes_what_is_tested() {
    let page = fs::read_to_string(repository().join("docs/workloads.md")).unwrap();
    // The rest is about workloads that do not read a file.
    let (page, _) = page.split_once("## Workloads that cannot reload").unwrap();
    for (language, file) in QUOTED {
        let text = fs::read_to_string(example(file)).unwrap();
        let blocks: Vec<&str> = page
            .split(&format!("```{language}\n"))
            .skip(1)
            .map(|rest| rest.split("\n```").next().unwrap())
            .collect();
        let (of_source, blocks): (Vec<_>, Vec<_>) =
            blocks.into_iter().partition(|block| block.starts_with("spec:"));
        for block in of_source {
            let spec: Value = serde_saphyr::from_str(block).unwrap();
            let target = serde_json::from_value::<Target>(spec["spec"]["target"].clone());
            assert!(!target.expect("a target").rollout_restart.is_empty(), "{block}");
        }
        assert!(!blocks.is_empty(), "docs/workloads.md quotes nothing of {file}");
        for line in blocks.iter().flat_map(|block| block.lines()) {
            assert!(text.contains(line.trim_start()), "{file} has no line {line:?}");
        }
        assert!(page.contains(&format!("(../deploy/examples/workloads/{file})")), "no link to {file}");
    }
}

#[test]
fn the_manifests_run_these_programs_as_the_page_wants_it() {
    for (language, program) in [("go", "/client"), ("python", "/client.py"), ("node", "/client.mjs")] {
        let objects = manifest::load(example(&format!("{language}.yaml")));
        let [deployment] = &objects[..] else { panic!("{language}.yaml is one object") };
        let pod = &deployment.data["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(container["command"].as_array().unwrap().last().unwrap(), program);
        let environment: Vec<(&str, &str)> = container["env"]
            .as_array()
            .unwrap()
            .iter()
            .map(|variable| (variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap()))
            .collect();
        assert_eq!(
            environment.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            ["API_URL", "TOKEN_FILE", "INTERVAL_SECONDS"]
        );
        let mount = &container["volumeMounts"][0];
        assert_eq!(mount["subPath"], Value::Null);
        let directory = mount["mountPath"].as_str().unwrap();
        assert_eq!(environment[1].1, format!("{directory}/access_token"));
        assert_eq!(pod["volumes"][0]["secret"]["secretName"], "ocrolus-token");
        assert_eq!(pod["volumes"][0]["secret"]["optional"], Value::Null);
    }
}
