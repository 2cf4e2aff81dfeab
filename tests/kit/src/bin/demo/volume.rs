//! The file that a pod would read: a Secret in a directory, laid out and replaced as the kubelet does it.
//!
//! Knows the Secret and the directory. Must not print a token: a person sees the length of the token and the beginning of its
//! SHA-256, which are enough to notice a change.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use tokensource_kit::mount::Mount;

/// Where deploy/examples/pod.yaml mounts the Secret.
const MOUNT_PATH: &str = "/var/run/token";
/// The file that a workload reads.
const TOKEN: &str = "access_token";

/// The volume of one Secret.
pub(crate) struct Volume {
    secrets: Api<Secret>,
    secret: String,
    mount: Mount,
}

impl Volume {
    /// Reads the Secret and writes one file for each key.
    pub(crate) async fn new(client: Client, namespace: &str, secret: &str) -> Result<Self, String> {
        let secrets = Api::namespaced(client, namespace);
        let files = files(&secrets, secret).await?;
        Ok(Self { secrets, secret: secret.to_owned(), mount: Mount::new(&borrowed(&files)) })
    }

    /// Replaces the files if the Secret has changed, and returns whether it has changed. A kubelet does this up to a minute
    /// and a half after the change.
    pub(crate) async fn refresh(&self) -> Result<bool, String> {
        let files = files(&self.secrets, &self.secret).await?;
        let changed = files.iter().any(|(name, text)| self.read(name) != *text);
        if changed {
            self.mount.replace(&borrowed(&files));
        }
        Ok(changed)
    }

    /// The token, read from its file as a workload reads it.
    pub(crate) fn token(&self) -> String {
        self.read(TOKEN)
    }

    /// The path of the file on this machine.
    pub(crate) fn path(&self) -> PathBuf {
        self.mount.path(TOKEN)
    }

    /// Lists the links and files of the directory.
    pub(crate) fn listing(&self) -> String {
        let mut text = String::new();
        let directory = self.path().parent().map(PathBuf::from).unwrap_or_default();
        let entries = fs::read_dir(&directory).expect("our own directory");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().display().to_string()).collect();
        names.sort_unstable();
        for name in names {
            let Ok(target) = fs::read_link(directory.join(&name)) else { continue };
            let shown = match name.as_str() {
                name if name.starts_with("..") => String::new(),
                TOKEN => summary(&self.token()),
                other => self.read(other),
            };
            let link = format!("{MOUNT_PATH}/{name} -> {}", target.display());
            let _ = writeln!(text, "{}", format!("    {link:<60}  {shown}").trim_end());
        }
        text
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.mount.path(name)).unwrap_or_default()
    }
}

/// The parts of a token that may be shown.
pub(crate) fn summary(token: &str) -> String {
    let [first, second, third, fourth, ..] = <[u8; 32]>::from(Sha256::digest(token));
    let start = u32::from_be_bytes([first, second, third, fourth]);
    format!("{} bytes, SHA-256 {start:08x}…", token.len())
}

async fn files(secrets: &Api<Secret>, name: &str) -> Result<Vec<(String, String)>, String> {
    let secret = secrets.get(name).await.map_err(|error| format!("reading Secret {name}: {error}"))?;
    let data = secret.data.unwrap_or_default();
    Ok(data.into_iter().map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned())).collect())
}

fn borrowed(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_tells_two_tokens_apart_and_shows_neither() {
        let (one, two) = (summary("token-number-one"), summary("token-number-two"));
        assert!(one != two && !one.contains("token") && !two.contains("number"), "{one} / {two}");
    }
}
