//! The target Secret: its content, its record, and that every alteration is detected.

use k8s_openapi::ByteString;

use super::*;
use crate::api::{LongText, ShortText};
use crate::decide::fixture::at;

fn record() -> TokenRecord {
    let inputs_fingerprint = "fingerprint".to_owned();
    TokenRecord {
        issued_at: at(0),
        expires_at: at(3600),
        since: at(0),
        inputs_fingerprint,
        handled_renew_request: None,
        versions: Versions::default(),
    }
}

fn data(pairs: &[(&str, &str)]) -> Data {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec()))).collect()
}

#[test]
fn fractions_of_a_second_in_annotations_are_dropped() {
    let mut annotations = target("t", &Target::default(), owner(), data(&[("a", "1")]), &record())
        .metadata
        .annotations
        .unwrap();
    assert_eq!(TokenRecord::read(&annotations), Some(record()));
    for key in [annotation::TOKEN_SINCE, annotation::ISSUED_AT, annotation::EXPIRES_AT] {
        let whole = annotations[key].clone();
        for written in [whole.replace('Z', ".5Z"), whole.replace('Z', ".999999999+00:00")] {
            annotations.insert(key.to_owned(), written);
            assert_eq!(TokenRecord::read(&annotations), Some(record()), "{key}");
        }
        annotations.insert(key.to_owned(), whole);
    }
}

fn owner() -> OwnerReference {
    OwnerReference { name: "source".to_owned(), uid: "uid".to_owned(), ..OwnerReference::default() }
}

fn described(labels: &[(&str, &str)], annotations: &[(&str, &str)], type_: Option<&str>) -> Target {
    Target {
        type_: type_.map(str::to_owned),
        labels: labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), ShortText((*value).to_owned())))
            .collect(),
        annotations: annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), LongText((*value).to_owned())))
            .collect(),
        ..Target::default()
    }
}

#[test]
fn the_hash_changes_with_every_part() {
    let plain = [("a", "1"), ("b", "2")];
    let later = |record: TokenRecord| TokenRecord { issued_at: at(1), ..record };
    let longer = |record: TokenRecord| TokenRecord { expires_at: at(3601), ..record };
    let other = |record: TokenRecord| TokenRecord { inputs_fingerprint: "another".to_owned(), ..record };
    let contents = [
        ("as it is", data(&plain), record()),
        ("another value", data(&[("a", "1"), ("b", "3")]), record()),
        ("another key", data(&[("a", "1"), ("c", "2")]), record()),
        ("a key more", data(&[("a", "1"), ("b", "2"), ("c", "")]), record()),
        ("a key less", data(&[("a", "1")]), record()),
        ("values exchanged", data(&[("a", "2"), ("b", "1")]), record()),
        ("a border moved between key and value", data(&[("a", "1"), ("b2", "")]), record()),
        ("a border moved between two keys", data(&[("a", "1b"), ("", "2")]), record()),
        ("nothing", data(&[]), record()),
        ("another time of issue", data(&plain), later(record())),
        ("another expiry", data(&plain), longer(record())),
        ("other inputs", data(&plain), other(record())),
    ];
    for (index, (left, data, record)) in contents.iter().enumerate() {
        assert_eq!(content_hash(data, record), content_hash(data, record), "{left}");
        for (right, other_data, other_record) in contents.iter().skip(index + 1) {
            assert_ne!(
                content_hash(data, record),
                content_hash(other_data, other_record),
                "{left} and {right}"
            );
        }
    }
}

#[test]
fn the_hash_of_a_content_never_changes() {
    let expected = "82c18c2f2a8ea54613a008c7fc3df070375fd03986781733866dc3216c832e8f";
    assert_eq!(content_hash(&data(&[("access_token", "t")]), &record()), expected);
}

#[test]
fn the_record_is_read_back_and_its_hash_matches() {
    let secret =
        target("target", &Target::default(), owner(), data(&[("access_token", "opaque")]), &record());
    let annotations = secret.metadata.annotations.unwrap();
    let read = TokenRecord::read(&annotations).unwrap();
    assert_eq!(read, record());
    // Always set: a value that another client has written is overwritten with the next token.
    assert!(annotations.contains_key(annotation::TOKEN_SINCE));
    assert_eq!(annotations[annotation::DATA_HASH], content_hash(&secret.data.unwrap(), &read));
    assert_eq!(annotations[annotation::METADATA_HASH], metadata_hash(&Target::default(), "source"));
}

#[test]
fn the_answered_renewal_request_is_recorded_and_not_part_of_a_hash() {
    let answering = TokenRecord { handled_renew_request: Some("1".to_owned()), ..record() };
    let secret = target("target", &Target::default(), owner(), Data::new(), &answering);
    let annotations = secret.metadata.annotations.unwrap();
    assert_eq!(TokenRecord::read(&annotations), Some(answering.clone()));
    assert_eq!(content_hash(&Data::new(), &answering), content_hash(&Data::new(), &record()));
}

#[test]
fn a_record_with_a_missing_or_unreadable_part_is_none() {
    let whole =
        target("target", &Target::default(), owner(), Data::new(), &record()).metadata.annotations.unwrap();
    for key in [annotation::ISSUED_AT, annotation::EXPIRES_AT, annotation::INPUTS] {
        let mut less = whole.clone();
        less.remove(key);
        assert_eq!(TokenRecord::read(&less), None, "without {key}");
    }
    for key in [annotation::ISSUED_AT, annotation::EXPIRES_AT] {
        for value in ["", "yesterday", "1767225600", "2026-01-01", "2026-13-01T00:00:00Z"] {
            let mut altered = whole.clone();
            altered.insert(key.to_owned(), value.to_owned());
            assert_eq!(TokenRecord::read(&altered), None, "{key}: {value}");
        }
    }
}

#[test]
fn the_secret_belongs_to_its_source_and_says_so() {
    let secret = target(
        "target",
        &described(&[("team", "a")], &[("note", "b")], None),
        owner(),
        Data::new(),
        &record(),
    );
    assert_eq!(secret.metadata.name.as_deref(), Some("target"));
    assert_eq!(secret.metadata.owner_references, Some(vec![owner()]));
    assert_eq!(secret.type_.as_deref(), Some("Opaque"));
    let labels = secret.metadata.labels.unwrap();
    assert_eq!(labels["team"], "a");
    assert_eq!(labels[annotation::MANAGED_BY_LABEL], annotation::MANAGED_BY);
    assert_eq!(labels[annotation::SOURCE_LABEL], "source");
    assert_eq!(secret.metadata.annotations.unwrap()["note"], "b");
    let typed =
        target("target", &described(&[], &[], Some("example.com/t")), owner(), Data::new(), &record());
    assert_eq!(typed.type_.as_deref(), Some("example.com/t"));
}

#[test]
fn labels_and_annotations_of_users_never_replace_those_of_the_controller() {
    let forged = described(
        &[(annotation::MANAGED_BY_LABEL, "me"), (annotation::SOURCE_LABEL, "other")],
        &[(annotation::EXPIRES_AT, "2099-01-01T00:00:00Z"), (annotation::DATA_HASH, "0")],
        None,
    );
    let secret = target("target", &forged, owner(), Data::new(), &record());
    let (labels, annotations) = (secret.metadata.labels.unwrap(), secret.metadata.annotations.unwrap());
    assert_eq!(labels[annotation::MANAGED_BY_LABEL], annotation::MANAGED_BY);
    assert_eq!(labels[annotation::SOURCE_LABEL], "source");
    assert_eq!(TokenRecord::read(&annotations), Some(record()));
    assert_eq!(annotations[annotation::DATA_HASH], content_hash(&Data::new(), &record()));
}

#[test]
fn a_name_too_long_for_a_label_is_left_out_of_the_labels() {
    let longest = "a".repeat(63);
    assert_eq!(labels(&Target::default(), &longest)[annotation::SOURCE_LABEL], longest);
    assert!(!labels(&Target::default(), &"a".repeat(64)).contains_key(annotation::SOURCE_LABEL));
}

#[test]
fn the_metadata_hash_changes_with_every_part_of_the_metadata_and_with_nothing_else() {
    let targets = [
        ("plain", described(&[], &[], None)),
        ("a type", described(&[], &[], Some("example.com/t"))),
        ("a label", described(&[("z", "1")], &[], None)),
        ("another value", described(&[("z", "2")], &[], None)),
        ("another label", described(&[("y", "1")], &[], None)),
        ("the label as an annotation", described(&[], &[("z", "1")], None)),
        ("both", described(&[("z", "1")], &[("z", "1")], None)),
    ];
    for (index, (left, target)) in targets.iter().enumerate() {
        for (right, other) in targets.iter().skip(index + 1) {
            assert_ne!(metadata_hash(target, "source"), metadata_hash(other, "source"), "{left} and {right}");
        }
    }
    let renamed = Target { name: Some("other".to_owned()), ..Target::default() };
    assert_eq!(metadata_hash(&renamed, "source"), metadata_hash(&Target::default(), "source"));
    let opaque = described(&[], &[], Some("Opaque"));
    assert_eq!(
        metadata_hash(&opaque, "source"),
        metadata_hash(&Target::default(), "source"),
        "the default, written out"
    );
}
