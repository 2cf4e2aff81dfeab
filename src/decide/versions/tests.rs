//! The version that represents a Secret, for each history of the Secret and of the records. Knows only its own key; must not
//! know how versions become a fingerprint.

use k8s_openapi::ByteString;

use super::*;
use crate::api::{CredentialKeys, Reason};
use crate::decide::fixture::{HOST, Scene, at};
use crate::decide::{Cause, Outcome, Plan, inputs};

const ROLE: Role = Role::Credentials;

fn named(name: &str, uid: &str, version: &str) -> ReferencedSecret {
    ReferencedSecret::Present {
        name: name.to_owned(),
        uid: uid.to_owned(),
        resource_version: version.to_owned(),
        allowed_hosts: Some(HOST.to_owned()),
    }
}

fn secret(version: &str) -> ReferencedSecret {
    named("client", "secret-uid", version)
}

fn only(record: Option<SecretRecord>) -> Versions {
    let mut versions = Versions::default();
    versions.extend(record);
    versions
}

/// The records of values that were read at these versions, one after the other.
fn remembered(hash: &str, read: &[&str]) -> Versions {
    read.iter().fold(Versions::default(), |before, version| {
        only(compare(ROLE, &secret(version), hash.to_owned(), &[&before]))
    })
}

/// The resourceVersion that represents a version whose values have been read.
fn fingerprint_version(version: &str, hash: &str, known: &[&Versions]) -> String {
    let versions = only(compare(ROLE, &secret(version), hash.to_owned(), known));
    versions.current(ROLE, &secret(version)).unwrap().1.to_owned()
}

#[test]
fn only_an_unknown_version_is_read_and_only_where_there_is_something_to_compare_with() {
    let token = remembered("a", &["7", "9"]);
    let nothing = Versions::default();
    let cases: [(&str, ReferencedSecret, &[&Versions], &str); 8] = [
        ("the version that counts", secret("7"), &[&token], "known"),
        ("the last one with the same values", secret("9"), &[&token], "known"),
        ("a newer one", secret("10"), &[&token], "unread"),
        ("one that was created again", named("client", "another-uid", "7"), &[&token], "unread"),
        ("another Secret", named("other", "secret-uid", "7"), &[&token], "nothing"),
        ("no token, no attempt", secret("7"), &[&nothing, &nothing], "nothing"),
        ("one that is deleted", ReferencedSecret::Missing("client".to_owned()), &[&token], "nothing"),
        ("none", ReferencedSecret::Unnamed, &[&token], "nothing"),
    ];
    for (case, secret, known, expected) in cases {
        let found = match recall(ROLE, &secret, known) {
            Recalled::Nothing => "nothing",
            Recalled::Known(_) => "known",
            Recalled::Unread => "unread",
        };
        assert_eq!(found, expected, "{case}");
    }
    assert_eq!(recall(Role::Subject, &secret("7"), &[&token]), Recalled::Nothing, "another role");
}

#[test]
fn equal_values_count_as_the_version_before() {
    let (token, attempt) = (remembered("a", &["7"]), remembered("b", &["8"]));
    let rewritten = remembered("b", &["8", "9"]);
    let unkeyed = remembered("", &["7"]);
    let cases: [(&str, &str, &str, &[&Versions], &str); 8] = [
        ("rewritten with the values of the token", "9", "a", &[&token], "7"),
        ("changed", "9", "c", &[&token], "9"),
        ("rewritten with the values that were refused", "9", "b", &[&token, &attempt], "8"),
        ("and once more", "10", "b", &[&token, &rewritten], "8"),
        ("changed back to the values of the token", "9", "a", &[&token, &attempt], "7"),
        ("the first time", "9", "a", &[], "9"),
        ("the same version, with another key", "7", "z", &[&token], "7"),
        ("no key", "9", "", &[&unkeyed], "9"),
    ];
    for (case, version, hash, known, expected) in cases {
        assert_eq!(fingerprint_version(version, hash, known), expected, "{case}");
    }
}

#[test]
fn a_rewritten_secret_has_the_fingerprint_of_the_first_version() {
    let before = Scene::fresh().fingerprints().unwrap();
    let rewritten = Scene::fresh().with(|scene| {
        scene.credentials = named("client", "another-uid", "12");
        let known = remembered("a", &["7"]);
        scene.versions = only(compare(ROLE, &scene.credentials, "a".to_owned(), &[&known]));
    });
    assert_eq!(rewritten.fingerprints().unwrap(), before);
    // The record of one version does not apply to the next version.
    let unread = rewritten.with(|scene| scene.credentials = secret("13"));
    assert_ne!(unread.fingerprints().unwrap(), before);
}

#[test]
fn only_the_values_that_may_be_used_are_hashed() {
    let scene = Scene::fresh();
    let provider = scene.provider.clone().unwrap();
    let key = ValueKey::new(&[7; 32]).unwrap();
    let data = |pairs: &[(&str, &str)]| -> Data {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec()))).collect()
    };
    let pairs = [("client_id", "id"), ("client_secret", "secret"), ("note", "n")];
    let of = |key: &ValueKey, role, source, secret, spec: &TokenSourceSpec, pairs: &[(&str, &str)]| {
        key.hash(role, source, secret, (spec, &provider), &data(pairs))
    };
    let spec = &scene.spec;
    let hash = of(&key, ROLE, "uid", "client", spec, &pairs);
    assert!(hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
    let other_note = [("client_id", "id"), ("client_secret", "secret"), ("note", "m"), ("more", "x")];
    assert_eq!(of(&key, ROLE, "uid", "client", spec, &other_note), hash, "an unrelated key");
    let mut mapped = spec.clone();
    mapped.credentials_ref.as_mut().unwrap().keys =
        CredentialKeys { password: Some("note".to_owned()), ..CredentialKeys::default() };
    let others = [
        (
            "a value",
            of(&key, ROLE, "uid", "client", spec, &[("client_id", "id"), ("client_secret", "other")]),
        ),
        (
            "a border",
            of(&key, ROLE, "uid", "client", spec, &[("client_id", "ids"), ("client_secret", "ecret")]),
        ),
        ("an empty one", of(&key, ROLE, "uid", "client", spec, &[pairs[0], pairs[1], ("username", "")])),
        ("a missing one", of(&key, ROLE, "uid", "client", spec, &pairs[..1])),
        ("the keys", of(&key, ROLE, "uid", "client", &mapped, &pairs)),
        ("the source", of(&key, ROLE, "other", "client", spec, &pairs)),
        ("the Secret", of(&key, ROLE, "uid", "other", spec, &pairs)),
        ("the role", of(&key, Role::Certificate, "uid", "client", spec, &pairs)),
        ("the key", of(&ValueKey::new(&[8; 32]).unwrap(), ROLE, "uid", "client", spec, &pairs)),
    ];
    for (case, other) in others {
        assert_ne!(other, hash, "{case}");
    }
    assert!(ValueKey::new(&[7; 31]).is_none());
}

/// If the hash changed, an upgrade would request a token for each Secret that is rewritten across it.
#[test]
fn the_certificate_is_hashed_only_if_the_assertion_needs_it() {
    let scene = Scene::fresh();
    let key = ValueKey::new(&[7; 32]).unwrap();
    let data = |certificate: &str| -> Data {
        let pairs = [("client_id", "id"), ("private_key", "k"), ("certificate", certificate)];
        pairs.map(|(key, value)| (key.to_owned(), ByteString(value.as_bytes().to_vec()))).into()
    };
    let hashes = |block: &str| {
        let provider: TokenProviderSpec = serde_json::from_str(block).unwrap();
        ["old", "new"].map(|value| key.hash(ROLE, "uid", "client", (&scene.spec, &provider), &data(value)))
    };
    let unused = hashes(r#"{"clientAuthentication": {"assertion": {}}}"#);
    assert_eq!(unused, ["d479b4c97c2271f2100071fbe978c2ee"; 2]);
    for block in [
        r#"{"clientAuthentication": {"assertion": {"x5t": true}}}"#,
        r#"{"clientAuthentication": {"bearerToken": {"assertion": {"x5c": true}}}}"#,
        r#"{"assertionGrant": {"x5tS256": true}}"#,
    ] {
        let [old, new] = hashes(block);
        assert_ne!(old, new, "{block}");
    }
}

#[test]
fn records_fit_the_annotation_and_other_text_there_is_ignored() {
    let uid = "6f0c6f3a-0001-4000-8000-000000000000";
    let mut versions = Versions::default();
    for role in Role::ALL {
        let name = "n".repeat(253);
        let first = only(compare(role, &named(&name, uid, "18446744073709551615"), "f".repeat(32), &[]));
        versions.extend(compare(
            role,
            &named(&name, "another", "18446744073709551615"),
            "f".repeat(32),
            &[&first],
        ));
    }
    let text = versions.to_json().unwrap();
    assert!(text.len() < 4096, "{}", text.len());
    assert_eq!(Versions::from_json(&text), versions);
    let one = remembered("a", &["7"]);
    assert_eq!(
        one.to_json().unwrap(),
        r#"[{"role":"credentials","name":"client","as":["secret-uid","7"],"hmac":"a"}]"#
    );
    let too_many = [one.to_json().unwrap().trim_matches(['[', ']']); Role::ALL.len() + 1].join(",");
    let too_many = format!("[{too_many}]");
    for other in ["", "{}", "null", "[1]", r#"[{"role":"other"}]"#, &too_many] {
        assert_eq!(Versions::from_json(other), Versions::default(), "{other}");
    }
    assert_eq!(Versions::default().to_json(), None);
}

/// A valid token that was requested with version 7 of the credentials.
fn good() -> Scene {
    Scene::fresh().with(|scene| {
        scene.versions = remembered("a", &["7"]);
        let publication = scene.publication(Cause::TokenPending, 0);
        scene.record(&Outcome::Published(publication));
        scene.now = at(600);
    })
}

fn ready(scene: &Scene) -> (bool, String) {
    let conditions = &scene.status.conditions;
    let ready = crate::api::ConditionType::Ready.find(conditions).unwrap();
    (crate::api::ConditionType::Ready.is_true(conditions), ready.reason.clone())
}

#[test]
fn rotated_credentials_request_a_token_and_ready_stays_with_the_current_one() {
    type Case = (&'static str, fn(&mut Scene), bool);
    let cases: [Case; 7] = [
        ("rotated", |s| s.credentials = secret("8"), true),
        ("created again", |s| s.credentials = named("client", "another-uid", "1"), true),
        ("another scope", |s| s.spec.token.scopes.push("read".to_owned()), false),
        (
            "rotated, and another scope",
            |s| {
                s.credentials = secret("8");
                s.spec.token.scopes.push("read".to_owned());
            },
            false,
        ),
        (
            "another Secret",
            |s| {
                s.credentials = named("other", "other-uid", "9");
                s.spec.credentials_ref.as_mut().unwrap().name = "other".to_owned();
            },
            false,
        ),
        ("a further Secret", |s| s.certificate = named("certificate", "certificate-uid", "1"), false),
        (
            "a token of an earlier version of the controller",
            |s| {
                s.credentials = secret("8");
                s.published().versions = Versions::default();
            },
            false,
        ),
    ];
    for (case, change, is_ready) in cases {
        let mut scene = good().with(change);
        assert_eq!(scene.plan(), Plan::Issue(Cause::InputsChanged), "{case}");
        scene.record(&Outcome::Waiting);
        let reason = if is_ready { "TokenIssued" } else { "InputsChanged" };
        assert_eq!(ready(&scene), (is_ready, reason.to_owned()), "{case}");
        // At its expiry, the token is unusable, whatever the credentials are.
        let mut late = scene.when(3600);
        late.record(&Outcome::Waiting);
        assert!(!ready(&late).0, "{case}");
    }
}

#[test]
fn credentials_that_lost_their_annotation_are_not_sent_and_leave_ready_alone() {
    let mut scene = good().with(|scene| {
        scene.credentials = ReferencedSecret::Present {
            name: "client".to_owned(),
            uid: "secret-uid".to_owned(),
            resource_version: "8".to_owned(),
            allowed_hosts: None,
        };
    });
    let Plan::Refuse(failure) = scene.plan() else { panic!("{:?}", scene.plan()) };
    assert_eq!(failure.reason, Reason::CredentialsNotBound);
    scene.record(&Outcome::Refused(failure));
    assert_eq!(ready(&scene), (true, "TokenIssued".to_owned()));
    let renewed = crate::api::ConditionType::Renewed.find(&scene.status.conditions).unwrap();
    assert_eq!((renewed.status.as_str(), renewed.reason.as_str()), ("False", "CredentialsNotBound"));
    assert!(renewed.message.contains("kubectl -n payments annotate secret client"), "{}", renewed.message);
}

#[test]
fn a_refused_credential_that_is_rewritten_is_not_tried_again() {
    let refusal = crate::decide::fixture::failure(
        Reason::InvalidClient,
        crate::oauth::Retry::Terminal { repeat: crate::oauth::Repeat::Hourly },
    );
    let mut scene = good().with(|scene| scene.credentials = secret("8"));
    scene.record(&Outcome::Failed(at(600), refusal));
    let attempt = remembered("b", &["8"]);
    for (hash, plan) in [("b", None), ("c", Some(Plan::Issue(Cause::InputsChanged)))] {
        let rewritten = scene.clone().when(700).with(|scene| {
            scene.credentials = secret("9");
            scene.versions = only(compare(ROLE, &scene.credentials, hash.to_owned(), &[&attempt]));
        });
        match plan {
            None => assert!(matches!(rewritten.plan(), Plan::Wait(_)), "{:?}", rewritten.plan()),
            Some(plan) => assert_eq!(rewritten.plan(), plan),
        }
    }
    // The values of the valid token's request are no change.
    let back = scene.when(700).with(|scene| {
        scene.credentials = secret("9");
        let token = remembered("a", &["7"]);
        scene.versions = only(compare(ROLE, &scene.credentials, "a".to_owned(), &[&token, &attempt]));
    });
    assert_eq!(back.plan(), Plan::Nothing);
    let spec = (&back.spec, back.provider.as_ref().unwrap());
    let then = inputs::token_fingerprint_with_earlier(
        spec.0,
        spec.1,
        &back.observed().secrets,
        &Versions::default(),
    );
    assert_ne!(
        Some(then),
        back.fingerprints().map(|fingerprints| fingerprints.token),
        "by its own version it would be another"
    );
}
