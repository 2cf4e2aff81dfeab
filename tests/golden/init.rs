//! Curl lines as providers document them (`tests/golden/init/*.sh`), and the manifests that `tokensource init` writes for
//! them, word for word. Each manifest passes `tokensource check`, and none contains a secret of its line. The lines of the
//! five documented providers are from their documents; the others are from memory and unverified. `UPDATE_GOLDEN=1` writes
//! the files again.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use tokensource::cli::{ExitStatus, manifests_of};

use crate::check::check;
use crate::example::root;

/// The prefix of all secrets in the lines.
const CANARY: &str = "canary";

#[test]
fn documented_lines_become_manifests_that_pass_check_without_a_secret() {
    let directory = root().join("tests/golden/init");
    let mut lines: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    lines.retain(|path| path.extension().is_some_and(|extension| extension == "sh"));
    assert!(lines.len() > 35, "{} lines", lines.len());
    let mut failures = Vec::new();
    for path in lines {
        let line = fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = match manifests_of(&line, Some(name), None) {
            Ok(text) => text,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        let golden = path.with_extension("yaml");
        if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
            fs::write(&golden, &text).unwrap();
        }
        if text != fs::read_to_string(&golden).unwrap_or_default() {
            failures.push(format!("{name}: differs from {}:\n{text}", golden.display()));
        }
        if text.contains(CANARY) {
            failures.push(format!("{name}: a secret of the line is in the output"));
        }
        let (report, status) = check(&["-f", golden.to_str().unwrap()]);
        if status != ExitStatus::Success {
            failures.push(format!("{name}: {report}"));
        }
        if report.contains(CANARY) {
            failures.push(format!("{name}: a secret of the line is in the report"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_page_shows_what_is_written_for_its_line() {
    let path = root().join("docs/bring-your-own.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("$ tokensource init --name acme --from-curl - <<'EOF'\n").unwrap();
    let (line, rest) = rest.split_once("EOF\n").unwrap();
    let (shown, after) = rest.split_once("```").unwrap();
    let text = manifests_of(line, Some("acme"), None).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        let start = "$ tokensource init --name acme --from-curl - <<'EOF'\n";
        fs::write(&path, format!("{before}{start}{line}EOF\n{text}```{after}")).unwrap();
    } else {
        assert_eq!(text, shown);
    }
}

/// The exit status and output of the program with these arguments and this standard input.
fn run(arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tokensource"));
    program.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    // A program that reads no input may have exited.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text.into_owned())
}

#[test]
fn the_program_never_repeats_a_secret_of_its_line() {
    let line = "curl https://auth.example.com/token -u id:canary -d grant_type=client_credentials";
    let bad = "curl https://auth.example.com/token?client_secret=canary -d client_secret=canary -F canary";
    for (arguments, input, expected) in [
        (vec!["init", "--from-curl", line], "", Some(0)),
        (vec!["init", "--from-curl", "-"], line, Some(0)),
        (vec!["init", "--from-curl", bad], "", Some(1)),
        (vec!["init", "--from-curl", "-"], bad, Some(1)),
        // Without quotes, the shell splits the line into words.
        ([vec!["init", "--from-curl"], line.split(' ').collect()].concat(), "", Some(1)),
        ([vec!["init", "--from-curl"], bad.split(' ').collect()].concat(), "", Some(1)),
        ([vec!["init", "--name", "a"], bad.split(' ').collect()].concat(), "", Some(2)),
    ] {
        let (status, text) = run(&arguments, input);
        assert_eq!(status, expected, "{arguments:?}: {text}");
        assert!(!text.is_empty() && !text.contains(CANARY), "{arguments:?}: {text}");
    }
}
