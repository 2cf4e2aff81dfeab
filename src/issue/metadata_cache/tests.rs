//! The cache of issuer metadata: its answers, and how long each is used. The story `identity` tests that TokenSources share
//! one metadata request.

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600 + seconds, 0).unwrap()
}

#[allow(clippy::unnecessary_wraps)] // the type that discovery returns
fn found(endpoint: &str) -> Result<Metadata, Error> {
    Ok(Metadata::of(endpoint))
}

fn down() -> Result<Metadata, Error> {
    Err(Error::discovery("a.example", "it answered 503"))
}

#[test]
fn metadata_is_used_for_an_hour_and_for_a_day_while_it_cannot_be_read() {
    let mut known = Known::default();
    assert!(known.answer(at(0)).is_none(), "nothing was read");
    assert_eq!(known.learn(found("t"), at(0)), found("t"));
    assert_eq!(known.answer(at(3599)), Some(found("t")));
    assert!(known.answer(at(3600)).is_none(), "time to read again");
    assert_eq!(known.learn(down(), at(3600)), found("t"), "the document cannot be read");
    assert_eq!(known.answer(at(3604)), Some(found("t")), "and is not read again by each request");
    assert!(known.answer(at(3605)).is_none());
    assert_eq!(known.learn(down(), at(86_400)), down(), "a day is enough");
}

#[test]
fn failure_on_the_way_to_the_issuer_ends_no_use_of_its_document() {
    let error = Error::EndpointNotAllowed {
        host: "a.example".to_owned(),
        why: "it resolves to a denied address".to_owned(),
        resolved: true,
    };
    let mut known = Known::default();
    known.learn(found("t"), at(0)).unwrap();
    assert_eq!(known.learn(Err(error), at(3600)), found("t"));
}

#[test]
fn a_failure_is_returned_to_all_requests_that_waited_for_it() {
    let mut known = Known::default();
    assert_eq!(known.learn(down(), at(0)), down());
    assert_eq!(known.answer(at(4)), Some(down()));
    assert!(known.answer(at(5)).is_none());
}

#[test]
fn a_document_of_another_issuer_ends_the_use_of_the_earlier_one() {
    let mismatch = || Err(Error::IssuerMismatch { host: "a.example".to_owned() });
    let mut known = Known::default();
    known.learn(found("t"), at(0)).unwrap();
    assert_eq!(known.learn(mismatch(), at(10)), mismatch());
}

#[test]
fn nothing_is_kept_of_issuers_that_were_never_found() {
    let mut known = Known::default();
    let _ = known.learn(down(), at(0));
    assert!(known.is_worth_keeping(at(4)) && !known.is_worth_keeping(at(6)));
    known.learn(found("t"), at(10)).unwrap();
    assert!(known.is_worth_keeping(at(80_000)) && !known.is_worth_keeping(at(90_000)));
}

#[test]
fn a_namespace_that_names_another_issuer_each_time_keeps_its_share_alone() {
    let issuers = MetadataCache::new(|| at(0));
    let key = |namespace: &str, index: usize| MetadataKey {
        namespace: namespace.to_owned(),
        issuer: format!("https://issuer.example/{index}"),
        ca_bundle_digest: None,
        mutual_tls: false,
    };
    issuers.slot(&key("quiet", 1)).lock().learn(found("t"), at(0)).unwrap();
    for index in 0..10_000 {
        issuers.slot(&key("loud", index)).lock().learn(found("t"), at(0)).unwrap();
    }
    assert!(issuers.size() <= LIMITS.share + ISSUER * 2, "{} bytes", issuers.size());
    assert_eq!(issuers.slot(&key("quiet", 1)).lock().answer(at(60)), Some(found("t")));
}
