//! Images without a registry and without a container builder: a program of this machine with the libraries that it needs, as
//! the archive that `docker save` would write.
//!
//! Knows the archive's format; must not know what the program does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The image of a pod's first, idle container, which keeps the pod's network.
pub const PAUSE_IMAGE: &str = "localhost/pause:e2e";

/// Packs a program into one layer, makes images of it that differ in their arguments, and returns the archive.
pub fn pack(program: &Path, directory: &Path, images: &[(&str, &[&str])]) -> PathBuf {
    let root = directory.join("root");
    install(&root.join("program"), Command::new("strip").arg(program).arg("-o"));
    for library in libraries(program) {
        let place = library.strip_prefix("/").expect("an absolute path");
        install(&root.join(place), Command::new("cp").arg("--dereference").arg(&library));
    }
    let layer = directory.join("layer.tar");
    tar(&layer, &root, &[".".to_owned()]);
    let digest = sha256(&layer);
    let mut members = vec!["manifest.json".to_owned(), "layer.tar".to_owned()];
    let mut manifest = Vec::new();
    for (number, (name, arguments)) in images.iter().enumerate() {
        let file = format!("{number}.json");
        let entrypoint: Vec<&str> = std::iter::once("/program").chain(arguments.iter().copied()).collect();
        let configuration = json!({
            "architecture": architecture(), "os": "linux",
            "config": { "Entrypoint": entrypoint },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
        });
        write(&directory.join(&file), &configuration);
        manifest.push(json!({ "Config": file, "RepoTags": [name], "Layers": ["layer.tar"] }));
        members.push(file);
    }
    write(&directory.join("manifest.json"), &Value::Array(manifest));
    let archive = directory.join("images.tar");
    tar(&archive, directory, &members);
    archive
}

/// The libraries that the loader would load, and the loader itself.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let said = run(Command::new("ldd").arg(program));
    said.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// Creates a file with a command that takes its path as the last argument, readable and executable for everyone.
fn install(place: &Path, command: &mut Command) {
    fs::create_dir_all(place.parent().expect("a file in a directory")).expect("a temporary directory");
    run(command.arg(place));
    run(Command::new("chmod").arg("0755").arg(place));
}

fn tar(archive: &Path, directory: &Path, members: &[String]) {
    run(Command::new("tar")
        .arg("--create")
        .arg("--file")
        .arg(archive)
        .arg("-C")
        .arg(directory)
        .args(members));
}

fn sha256(path: &Path) -> String {
    let content = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    crate::hex(&Sha256::digest(content))
}

fn write(path: &Path, document: &Value) {
    fs::write(path, document.to_string()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
