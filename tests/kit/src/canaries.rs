//! All secrets that the tests use, and the search for them in places where they must not be.
//!
//! Knows the forms that a secret can have: encodings, alignments, hashes. Must not know the searched places. One registry
//! serves the whole process, so that a secret of one story is also found in the log of another. Servers, look-alikes and
//! stories [`register`] their secrets, and [`search`] finds them in a string.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::hex;

/// The minimum length of a secret. Shorter values occur by chance: six characters of base64 would be found in any long log.
const SHORTEST: usize = 8;

static REGISTRY: LazyLock<Mutex<Canaries>> = LazyLock::new(Mutex::default);

/// Registers a secret for the rest of the process; `what` names the secret in messages. PEM is registered line by line,
/// because a log may break the lines, and the signature of a JWT is registered separately, too.
pub fn register(what: &str, secret: &str) {
    registry().add(what, secret);
}

/// All registered secrets that occur in a string.
pub fn search(text: &str) -> Vec<Finding> {
    // The lock is released before the automaton is built, which takes a while.
    let known = registry().clone();
    known.search(text)
}

/// All registered secrets that occur in a file of any size, at least one finding for each place.
pub fn search_file(path: &Path) -> io::Result<Vec<Finding>> {
    let known = registry().clone();
    known.search_reader(io::BufReader::new(File::open(path)?))
}

/// How many secrets are registered.
pub fn count() -> usize {
    registry().known.len()
}

/// A secret in a place where it must not be. Contains neither the secret nor the text around it, because many people read
/// test reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The name with which the secret was registered.
    pub what: String,
    /// Its form: `plain`, `base64`, `hex` …
    pub form: &'static str,
    /// The offset in the string, in bytes.
    pub offset: usize,
}

/// A set of secrets.
#[derive(Clone, Default)]
struct Canaries {
    /// The secrets and their names.
    known: BTreeMap<String, String>,
}

impl Canaries {
    fn add(&mut self, what: &str, secret: &str) {
        let secret = secret.trim_end_matches('\n');
        if secret.contains("-----BEGIN") {
            // The last line may have only a few characters; the other lines suffice.
            let lines = secret.lines().filter(|line| !line.starts_with("-----") && line.len() >= 16);
            self.known.extend(lines.map(|line| (line.to_owned(), what.to_owned())));
            return;
        }
        assert!(
            secret.len() >= SHORTEST,
            "{what}: a canary of {} bytes would be found anywhere",
            secret.len()
        );
        if let [_, _, signature] = secret.split('.').collect::<Vec<_>>().as_slice()
            && signature.len() >= 16
        {
            self.known.insert((*signature).to_owned(), format!("{what} (signature)"));
        }
        self.known.insert(secret.to_owned(), what.to_owned());
    }

    fn search(&self, text: &str) -> Vec<Finding> {
        let (automaton, meanings) = self.automaton();
        let found = automaton.find_overlapping_iter(text);
        found.map(|found| finding(&meanings, found.pattern().as_usize(), found.start())).collect()
    }

    fn search_reader(&self, reader: impl io::Read) -> io::Result<Vec<Finding>> {
        let (automaton, meanings) = self.automaton();
        let found = automaton.stream_find_iter(reader);
        found.map(|found| found.map(|it| finding(&meanings, it.pattern().as_usize(), it.start()))).collect()
    }

    /// The automaton, and the meaning of each of its patterns.
    fn automaton(&self) -> (AhoCorasick, Vec<Meaning<'_>>) {
        let mut patterns = Vec::new();
        let mut meanings = Vec::new();
        for (secret, what) in &self.known {
            for (form, pattern) in forms(secret) {
                patterns.push(pattern);
                meanings.push((what.as_str(), form));
            }
        }
        // The kind that takes the least memory and time to build, because most registries are searched once.
        let automaton = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&patterns)
            .expect("an automaton of a few thousand words");
        (automaton, meanings)
    }
}

/// The name of the secret, and its form.
type Meaning<'a> = (&'a str, &'static str);

fn finding(meanings: &[Meaning<'_>], pattern: usize, offset: usize) -> Finding {
    let (what, form) = meanings[pattern];
    Finding { what: what.to_owned(), form, offset }
}

/// All forms in which a secret may occur in a string.
fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let hash = Sha256::digest(secret);
    let secret = beginning(secret);
    let bytes = secret.as_bytes();
    let mut all = vec![("plain", secret.to_owned())];
    // The escapes of Debug and JSON for quotes, backslashes and control characters.
    all.push(("escaped", secret.escape_debug().to_string()));
    all.push(("escaped", serde_json::Value::from(secret).to_string().trim_matches('"').to_owned()));
    let urls = url_encoded(bytes);
    for encoded in &urls {
        all.push(("URL-encoded", encoded.clone()));
    }
    for (form, bytes) in [("base64", bytes), ("base64 of the URL-encoded", urls[0].as_bytes())] {
        for offset in 0..3 {
            all.push((form, aligned(&STANDARD_NO_PAD, bytes, offset)));
            all.push((form, aligned(&URL_SAFE_NO_PAD, bytes, offset)));
        }
    }
    let hex = hex(bytes);
    all.push(("hex", hex.to_uppercase()));
    all.push(("hex", hex));
    let decimals: Vec<String> = bytes.iter().map(ToString::to_string).collect();
    all.push(("a list of bytes", decimals.join(", ")));
    // Half of a hash reveals as much as the whole.
    all.push(("SHA-256", self::hex(&hash)[..32].to_owned()));
    all.push(("SHA-256", STANDARD_NO_PAD.encode(hash)[..22].to_owned()));
    all.push(("SHA-256", URL_SAFE_NO_PAD.encode(hash)[..22].to_owned()));
    // The first name is used if two forms are the same.
    let mut seen = std::collections::HashSet::new();
    all.retain(|(_, pattern)| seen.insert(pattern.clone()));
    all
}

/// The part of a secret that is searched for: its first 64 bytes. A string that contains more of the secret contains this
/// part.
fn beginning(secret: &str) -> &str {
    const ENOUGH: usize = 64;
    let end = secret.char_indices().map(|(at, _)| at).find(|at| *at >= ENOUGH);
    &secret[..end.unwrap_or(secret.len())]
}

/// The encodings in a form and in a URL: `+` or `%20`, upper or lower case.
fn url_encoded(bytes: &[u8]) -> Vec<String> {
    let form: String = form_urlencoded::byte_serialize(bytes).collect();
    let percent = form.replace('+', "%20");
    let lower = |text: &str| {
        let mut pieces = text.split('%');
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |text, piece| {
            let (code, rest) = piece.split_at(2);
            text + "%" + &code.to_lowercase() + rest
        })
    };
    vec![form.clone(), percent.clone(), lower(&form), lower(&percent)]
}

/// The characters of base64 that depend only on these bytes, if `offset` bytes (modulo 3) precede them.
fn aligned(engine: &impl Engine, bytes: &[u8], offset: usize) -> String {
    let encoded = engine.encode([&[0; 2][..offset], bytes].concat());
    let from = (offset * 8).div_ceil(6);
    let to = (offset + bytes.len()) * 8 / 6;
    encoded[from..to].to_owned()
}

fn registry() -> MutexGuard<'static, Canaries> {
    REGISTRY.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    const SECRET: &str = "s3cr3t+/=&% \"~ÿ?>of-the-client";

    fn found(log: &str) -> Vec<&'static str> {
        let mut canaries = Canaries::default();
        canaries.add("the client's secret", SECRET);
        let mut found: Vec<_> = canaries.search(log).into_iter().map(|finding| finding.form).collect();
        found.dedup();
        found
    }

    /// A line as a careless program would write it.
    fn line(encoded: impl std::fmt::Display) -> String {
        format!("2026-11-21T07:00:00Z TRACE hyper: sending {{ body: {encoded} }}\n")
    }

    #[test]
    fn each_form_of_a_secret_is_found() {
        let bytes = SECRET.as_bytes();
        let form: String = form_urlencoded::byte_serialize(bytes).collect();
        let codes = ["%2B", "%2F", "%3D", "%7E", "%C3", "%BF", "%3F", "%3E"];
        let lower = codes.iter().fold(form.clone(), |text, code| text.replace(code, &code.to_lowercase()));
        for (expected, encoded) in [
            ("plain", SECRET.to_owned()),
            ("escaped", format!("{SECRET:?}")),
            ("escaped", serde_json::json!({ "client_secret": SECRET }).to_string()),
            ("URL-encoded", form.clone()),
            ("URL-encoded", form.replace('+', "%20")),
            ("URL-encoded", lower),
            ("base64 of the URL-encoded", STANDARD.encode(format!("the-client:{form}"))),
            ("hex", hex(bytes)),
            ("hex", hex(bytes).to_uppercase()),
            ("a list of bytes", format!("{bytes:?}")),
            ("SHA-256", hex(&Sha256::digest(bytes))),
            ("SHA-256", STANDARD.encode(Sha256::digest(bytes))),
        ] {
            assert!(found(&line(&encoded)).contains(&expected), "{expected}: {encoded}");
        }
    }

    #[test]
    fn base64_is_recognised_at_every_alignment_and_in_both_alphabets() {
        for before in ["", "a", "ab", "abc", "client_id:"] {
            for after in ["", "z", "zz"] {
                let text = format!("{before}{SECRET}{after}");
                assert!(found(&line(STANDARD.encode(&text))).contains(&"base64"), "{text}");
                assert!(found(&line(URL_SAFE.encode(&text))).contains(&"base64"), "{text}");
            }
        }
    }

    #[test]
    fn a_stream_is_searched_like_a_text() {
        let mut canaries = Canaries::default();
        canaries.add("the client's secret", SECRET);
        // The log is longer than any buffer, so that a secret extends over the end of a buffer.
        let log: String = (0..9000).map(|at| line(if at % 300 == 7 { SECRET } else { "harmless" })).collect();
        let found = canaries.search_reader(log.as_bytes()).unwrap();
        assert_eq!(found.iter().filter(|finding| finding.form == "plain").count(), 30);
        assert_eq!(found[0].offset, log.find(SECRET).unwrap());
    }

    #[test]
    fn what_is_no_secret_is_not_found() {
        let log = line("the-client") + &line(&SECRET[..12]) + &line(STANDARD.encode("the-client"));
        assert_eq!(found(&log), Vec::<&str>::new());
    }

    #[test]
    fn keys_are_found_by_any_line_and_jwts_by_their_signature() {
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let mut canaries = Canaries::default();
        canaries.add("a key", &key);
        canaries.add("a token", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg");
        assert!(!canaries.search(&line(format!("{key:?}"))).is_empty());
        assert!(!canaries.search(&line(key.lines().nth(1).unwrap())).is_empty());
        let cut = canaries.search(&line("…c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"));
        assert_eq!(cut.len(), 1, "{cut:?}");
        assert_eq!(cut[0].what, "a token (signature)");
    }

    #[test]
    #[should_panic(expected = "would be found anywhere")]
    fn a_canary_too_short_is_refused() {
        Canaries::default().add("short", "s3cr3t");
    }

    /// The message of a panic is written to standard error, which the searched log contains. The program is this test binary, and
    /// the test above panics.
    #[tokio::test]
    async fn panics_are_searched() {
        use crate::process::{Process, Program};
        let directory = tempfile::tempdir().unwrap();
        let test = "canaries::tests::a_canary_too_short_is_refused";
        let process = Process::start(Program {
            name: "a panicking program".into(),
            binary: std::env::current_exe().unwrap(),
            arguments: ["--exact", test, "--nocapture"].map(ToOwned::to_owned).into(),
            environment: Vec::new(),
            directory: directory.path().to_owned(),
            log: directory.path().join("log"),
        });
        process.exited(std::time::Duration::from_secs(10)).await;
        let mut canaries = Canaries::default();
        canaries.add("said in a panic", "a canary of 6 bytes");
        assert!(process.logs().contains("panicked at"));
        assert_eq!(canaries.search(&process.logs()).len(), 1);
    }
}
