//! The API server's audit log, read as a list of requests with user, object and response.
//!
//! Knows the log's format. Must not know how many requests are expected.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

/// A request to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` …
    pub verb: String,
    /// API group, empty for the core group and for requests that name no resource.
    pub group: String,
    /// `secrets`, `tokensources` …, empty for requests such as `/readyz`.
    pub resource: String,
    /// `status`, `token` …, mostly empty.
    pub subresource: String,
    /// Empty if the request names none.
    pub namespace: String,
    /// Empty if neither the URL nor the body has a name, as for most lists and watches and for creates with `generateName`.
    pub name: String,
    /// The user's name; a `ServiceAccount`'s is `system:serviceaccount:NAMESPACE:NAME`.
    pub user: String,
    /// The user agent of the client.
    pub user_agent: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// When the request arrived, RFC 3339 with microseconds.
    pub time: String,
    /// Path and query.
    pub uri: String,
}

/// The entries written after `mark`. A line still being written is left for the next reading.
pub(super) fn read(log: &Path, mark: u64) -> Vec<AuditEntry> {
    let mut text = String::new();
    if let Ok(mut file) = File::open(log) {
        file.seek(SeekFrom::Start(mark)).expect("seeking in the audit log");
        file.read_to_string(&mut text).unwrap_or_else(|error| panic!("reading {}: {error}", log.display()));
    }
    let complete = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let mut seen = HashSet::new();
    complete
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        // A watch is logged twice, when it begins and when it ends.
        .filter(|event| seen.insert(event["auditID"].as_str().unwrap_or_default().to_owned()))
        .map(|event| entry(&event))
        .collect()
}

/// The request bodies in the log, if its policy records them.
pub(super) fn bodies(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let events = text.lines().filter(|line| line.contains("\"requestObject\""));
    events
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(|event| event["requestObject"].to_string())
        .collect()
}

pub(super) fn mark(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |metadata| metadata.len())
}

fn entry(event: &Value) -> AuditEntry {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let status = event.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or_default();
    AuditEntry {
        verb: text("/verb"),
        group: text("/objectRef/apiGroup"),
        resource: text("/objectRef/resource"),
        subresource: text("/objectRef/subresource"),
        namespace: text("/objectRef/namespace"),
        name: text("/objectRef/name"),
        user: text("/user/username"),
        user_agent: text("/userAgent"),
        status: u16::try_from(status).unwrap_or_default(),
        time: text("/requestReceivedTimestamp"),
        uri: text("/requestURI"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bodies_are_read_where_the_log_has_them() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("audit.log");
        let without = json!({ "auditID": "1", "verb": "get" });
        let with =
            json!({ "auditID": "2", "verb": "patch", "requestObject": { "status": { "message": "m" } } });
        std::fs::write(&log, format!("{without}\n{with}\n")).unwrap();
        assert_eq!(bodies(&log), [r#"{"status":{"message":"m"}}"#]);
    }

    #[test]
    fn watches_count_once_and_unfinished_lines_wait() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("audit.log");
        let watch = json!({ "auditID": "1", "verb": "watch", "objectRef": { "resource": "secrets" } });
        let patch = json!({
            "auditID": "2", "verb": "patch", "user": { "username": "controller" },
            "objectRef": { "resource": "tokensources", "subresource": "status", "name": "n" },
            "responseStatus": { "code": 200 },
        });
        std::fs::write(&log, format!("{watch}\n{patch}\n{watch}\n{{\"auditID\"")).unwrap();
        let entries = read(&log, 0);
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[1].status, entries[1].subresource.as_str()), (200, "status"));
        assert_eq!(entries[1].user, "controller");
        assert_eq!(read(&directory.path().join("none"), 0), []);
    }
}
