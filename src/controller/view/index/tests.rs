//! Which TokenSources a change affects, and what the index keeps of objects that no longer exist.

use super::*;

fn source(name: &str) -> TokenSource {
    let mut source = TokenSource::new(name, crate::api::TokenSourceSpec::default());
    source.metadata.namespace = Some("ns".to_owned());
    source
}

fn secret(name: &str) -> Reference {
    Reference::Secret(name.into())
}

fn users(references: &ReferenceIndex, secret: &str) -> Vec<String> {
    let users = references.users("ns", Reference::Secret(secret.into()));
    users.into_iter().map(|(_, name)| name.to_string()).collect()
}

#[test]
fn only_the_secrets_of_the_last_observation_are_remembered() {
    let mut references = ReferenceIndex::default();
    references.apply(&Event::Apply(source("one")));
    for port in 0..1000 {
        references.note("ns", "one", vec![secret(&format!("subject-{port}"))]);
    }
    assert_eq!((references.noted.users.len(), references.noted.named.len()), (1, 1));
    assert_eq!(users(&references, "subject-999"), ["one"]);
    assert!(
        references.has_noted("ns", "one", &[secret("subject-999")])
            && !references.has_noted("ns", "one", &[])
    );
    references.note("ns", "one", Vec::new());
    assert!(references.noted.users.is_empty() && references.noted.named.is_empty());
}

#[test]
fn secret_that_is_named_twice_causes_one_trigger() {
    let mut references = ReferenceIndex::default();
    references.apply(&Event::Apply(source("one")));
    references.note("ns", "one", vec![secret("both"), secret("both")]);
    assert_eq!(users(&references, "both"), ["one"]);
}

fn affected(references: &mut ReferenceIndex, event: &Event<TokenSource>) -> Vec<String> {
    let mut affected: Vec<_> =
        references.apply(event).into_iter().map(|(_, name)| name.to_string()).collect();
    affected.sort();
    affected.dedup();
    affected
}

#[test]
fn a_target_that_is_given_up_affects_the_next_oldest() {
    let with_target = |name: &str, target: &str| {
        let mut source = source(name);
        source.spec.target.name = Some(target.to_owned());
        source
    };
    let mut references = ReferenceIndex::default();
    for (change, expected) in [
        (with_target("older", "shared"), &["older"][..]),
        (with_target("younger", "shared"), &["younger"]),
        (with_target("youngest", "shared"), &["youngest"]),
        // The younger may create the target, although the older has never written it.
        (with_target("older", "other"), &["older", "younger"]),
        (with_target("third", "other"), &["third"]),
    ] {
        assert_eq!(affected(&mut references, &Event::Apply(change)), expected);
    }
    // A status alone affects nobody else.
    assert_eq!(affected(&mut references, &Event::Apply(with_target("older", "other"))), ["older"]);
    let mut deleted = with_target("older", "other");
    deleted.metadata.deletion_timestamp = Some(crate::api::to_kubernetes(chrono::DateTime::UNIX_EPOCH));
    assert_eq!(affected(&mut references, &Event::Apply(deleted.clone())), ["older", "third"]);
    // Only once: whoever may label an object that is being deleted could otherwise cause work for all.
    assert_eq!(affected(&mut references, &Event::Apply(deleted.clone())), ["older"]);
    assert_eq!(affected(&mut references, &Event::Delete(deleted)), ["older"]);
    assert_eq!(references.current.claims.len(), 2);
}

#[test]
fn the_oldest_source_that_is_not_deleted_may_create_the_target() {
    let with_age = |name: &str, created: i64| {
        let mut source = source(name);
        source.spec.target.name = Some("shared".to_owned());
        let created = chrono::DateTime::from_timestamp(created, 0).unwrap();
        source.metadata.creation_timestamp = Some(crate::api::to_kubernetes(created));
        source
    };
    let mut references = ReferenceIndex::default();
    let mut oldest_after = |event: Event<TokenSource>| {
        references.apply(&event);
        references.oldest_claim("ns", "shared").unwrap_or_default().to_string()
    };
    assert_eq!(oldest_after(Event::Apply(with_age("second", 2))), "second");
    assert_eq!(oldest_after(Event::Apply(with_age("first", 1))), "first");
    assert_eq!(oldest_after(Event::Apply(with_age("earlier", 1))), "earlier", "in the alphabet");
    assert_eq!(oldest_after(Event::Delete(with_age("earlier", 1))), "first");
    let mut deleted = with_age("first", 1);
    deleted.metadata.deletion_timestamp = deleted.metadata.creation_timestamp.clone();
    assert_eq!(oldest_after(Event::Apply(deleted)), "second");
    assert_eq!(oldest_after(Event::Delete(with_age("second", 2))), "");
}

/// Otherwise N objects with the same credentials cause N² reconciles when they are created.
#[test]
fn a_new_source_does_not_affect_those_with_the_same_credentials() {
    let mut references = ReferenceIndex::default();
    for name in ["one", "two"] {
        let mut source = source(name);
        source.spec.credentials_ref =
            Some(crate::api::CredentialsReference { name: "client".to_owned(), ..Default::default() });
        assert_eq!(affected(&mut references, &Event::Apply(source)), [name]);
    }
    assert_eq!(users(&references, "client"), ["one", "two"]);
}

#[test]
fn a_change_of_a_source_affects_those_that_use_its_token() {
    let mut references = ReferenceIndex::default();
    references.apply(&Event::Apply(source("downstream")));
    references.note("ns", "downstream", vec![Reference::TokenSource("sts".into())]);
    let key = |name: &str| ("ns".into(), name.into());
    // The upstream may be created, changed and deleted later.
    for event in [Event::Apply(source("sts")), Event::Apply(source("sts")), Event::Delete(source("sts"))] {
        assert!(references.apply(&event).contains(&key("downstream")));
    }
    assert!(!references.apply(&Event::Apply(source("other"))).contains(&key("downstream")));
}

#[test]
fn nothing_is_remembered_of_deleted_sources() {
    let mut references = ReferenceIndex::default();
    references.apply(&Event::Apply(source("one")));
    references.note("ns", "one", vec![secret("subject")]);
    references.apply(&Event::Delete(source("one")));
    assert!(references.noted.users.is_empty());
    // A reconcile in flight finishes after the deletion.
    references.note("ns", "one", vec![secret("subject")]);
    assert!(references.noted.users.is_empty());

    references.apply(&Event::Apply(source("two")));
    references.note("ns", "two", vec![secret("subject")]);
    references.apply(&Event::Init);
    references.apply(&Event::InitDone);
    assert!(references.noted.users.is_empty() && references.noted.named.is_empty());
}
