//! A healthy installation, for the tests of the checks to break.

use chrono::{DateTime, TimeDelta, Utc};

use super::facts::{
    Controller, Facts, HostFact, LeaseFact, LeaseState, Read, Right, RightFact, Server, Sources, Subject,
};
use super::finding::Finding;
use super::shipped;
use crate::api::definitions;

/// The instant so many seconds after the present of the tests.
pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600 + seconds, 0).unwrap()
}

/// An installation in which nothing is wrong.
pub(super) fn facts() -> Facts {
    Facts {
        now: at(0),
        server: Server { version: "v1.36.0".to_owned(), date: Some(at(0)), local: at(0) },
        definitions: definitions().into_iter().map(|ours| (ours.clone(), Ok(Some(ours)))).collect(),
        controllers: Ok(vec![controller()]),
        leases: vec![lease("tokensource")],
        rights: vec![
            right(Subject::User, None, Ok(true)),
            right(
                Subject::Controller("tokensource-system/tokensource-controller".to_owned()),
                None,
                Ok(true),
            ),
        ],
        policies: Ok(shipped::policies()),
        namespace: None,
        sources: Ok(Sources { items: Vec::new(), more: false }),
        hosts: vec![host("auth.example.com:443")],
        hosts_left_out: 0,
    }
}

pub(super) fn controller() -> Controller {
    Controller {
        namespace: "tokensource-system".to_owned(),
        name: "tokensource-controller".to_owned(),
        service_account: "tokensource-controller".to_owned(),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        replicas: 1,
        available: 1,
        lease: Some(("tokensource-system".to_owned(), "tokensource".to_owned())),
        serves: Vec::new(),
        selector: None,
    }
}

pub(super) fn lease(name: &str) -> LeaseFact {
    let state = LeaseState {
        holder: Some("pod-1".to_owned()),
        duration: Some(TimeDelta::seconds(15)),
        renewed_at: Some(at(-2)),
        written_at: Some(at(-2)),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
    };
    LeaseFact {
        namespace: "tokensource-system".to_owned(),
        name: name.to_owned(),
        lease: Ok(Some(state)),
        read_at: at(0),
    }
}

pub(super) fn right(subject: Subject, namespace: Option<&str>, allowed: Read<bool>) -> RightFact {
    let right = Right { verb: "create".to_owned(), resource: "secrets".to_owned(), ..Right::default() };
    RightFact { subject, right, namespace: namespace.map(str::to_owned), allowed }
}

pub(super) fn host(name: &str) -> HostFact {
    HostFact {
        host: name.to_owned(),
        reached: Ok(()),
        foreign_authority: false,
        example: "team/api".to_owned(),
        sources: 1,
        failing: std::collections::BTreeMap::new(),
    }
}

/// The result and the reason of each finding, such as `failure NoLeader`.
pub(super) fn results(findings: &[Finding]) -> Vec<String> {
    let word = |finding: &Finding| serde_json::json!(finding.result).as_str().unwrap().to_owned();
    findings.iter().map(|finding| format!("{} {}", word(finding), finding.reason)).collect()
}
