//! Refused settings of responses, and whether the message says what to do.

use crate::api::{
    ClientAuthenticationMethod, LongText, ProviderKind, ProviderReference, Reason, ResponseSettings,
    ShortText,
};
use crate::decide::fixture::Scene;
use crate::decide::{Plan, ReferencedSecret};

fn refusal(scene: &Scene) -> Option<String> {
    match scene.plan() {
        Plan::Refuse(failure) => {
            assert_eq!(failure.reason, Reason::InvalidSpec, "{}", failure.message);
            Some(failure.message)
        }
        _ => None,
    }
}

fn keeping<N: Into<String>>(entries: impl IntoIterator<Item = (N, String)>) -> Scene {
    Scene::fresh().with(|scene| {
        let entries = entries.into_iter().map(|(name, pointer)| (name.into(), pointer));
        scene.provider().response =
            ResponseSettings { keep: entries.collect(), ..ResponseSettings::default() };
        scene.spec.target.data.insert("token".to_owned(), LongText("{{ access_token }}".to_owned()));
    })
}

/// A scene without credentials: only the author of the spec has named the host.
fn with_host_of_the_author(mut scene: Scene) -> Scene {
    scene.provider().client_authentication.method = ClientAuthenticationMethod::None;
    scene.spec.credentials_ref = None;
    scene.credentials = ReferencedSecret::Unnamed;
    scene
}

#[test]
fn codes_need_the_member_that_they_are_values_of() {
    let with_codes = |scene: &mut Scene| {
        scene.provider().response.success_codes = vec![ShortText("0".to_owned())];
    };
    let message = refusal(&Scene::fresh().with(with_codes)).unwrap();
    assert!(message.contains("response.fields.error"), "{message}");
    let complete = Scene::fresh().with(with_codes);
    let complete = complete.with(|scene| scene.provider().response.fields.error = Some("/code".to_owned()));
    assert_eq!(refusal(&complete), None);
}

#[test]
fn chosen_members_need_a_host_that_the_author_did_not_choose() {
    let mut moved = Scene::fresh();
    moved.provider().response.fields.access_token = Some("/data/password".to_owned());
    for (id, scene) in [("fields", moved), ("keep", keeping([("host", "/host".to_owned())]))] {
        assert_eq!(refusal(&scene), None, "{id}: the owner of the credentials has named it");
        let mut scene = with_host_of_the_author(scene);
        let message = refusal(&scene).expect("nobody has");
        assert!(message.contains("response.fields and response.keep"), "{id}: {message}");
        scene.spec.provider = None;
        let kind = ProviderKind::ClusterTokenProvider;
        scene.spec.provider_ref = Some(ProviderReference { kind, name: "corporate".to_owned() });
        assert_eq!(refusal(&scene), None, "{id}: an administrator has");
    }
}

#[test]
fn kept_members_have_bounds() {
    let long = |length: usize| format!("/{}", "x".repeat(length - 1));
    let accepted = vec![
        keeping([("_a1", long(256))]),
        keeping([("n".repeat(63), "/a/0/b~1c".to_owned())]),
        keeping((0..16).map(|n| (format!("n{n}"), "/a".to_owned()))),
    ];
    for scene in accepted {
        assert_eq!(refusal(&scene), None);
    }
    let refused = vec![
        keeping([("a", long(257))]),
        keeping([("a", "a".to_owned())]),
        keeping([("a", String::new())]),
        keeping([("n".repeat(64), "/a".to_owned())]),
        keeping([("", "/a".to_owned())]),
        keeping([("1a", "/a".to_owned())]),
        keeping([("a-b", "/a".to_owned())]),
        keeping([("\u{e4}", "/a".to_owned())]),
        keeping((0..17).map(|n| (format!("n{n}"), "/a".to_owned()))),
    ];
    for scene in refused {
        let message = refusal(&scene).expect("out of bounds");
        assert!(message.contains("at most 16 entries"), "{message}");
    }
}

#[test]
fn no_entry_points_to_a_token() {
    type Change = fn(&mut ResponseSettings);
    let cases: [(&str, Change, bool); 9] = [
        ("/refresh_token", |_| {}, true),
        ("/data/refresh_token", |_| {}, true),
        ("/access_token", |_| {}, true),
        ("/id_token", |_| {}, false),
        ("/data/again", |r| r.fields.refresh_token = Some("/data/again".to_owned()), true),
        ("/refresh_token", |r| r.fields.refresh_token = Some("/data/again".to_owned()), true),
        ("/data/token", |r| r.fields.access_token = Some("/data/token".to_owned()), true),
        ("/access_token", |r| r.fields.access_token = Some("/data/token".to_owned()), false),
        ("/expires_in", |_| {}, false),
    ];
    for (pointer, change, is_refused) in cases {
        let scene = keeping([("a", pointer.to_owned())]);
        let message = refusal(&scene.with(|scene| change(&mut scene.provider().response)));
        assert_eq!(message.is_some(), is_refused, "{pointer}: {message:?}");
        assert!(
            message.is_none_or(|message| message.contains("response.keep.a points to a token")),
            "{pointer}"
        );
    }
}

#[test]
fn kept_members_need_a_template_unless_the_provider_block_is_for_many() {
    let mut scene = keeping([("host", "/host".to_owned())]);
    scene.spec.target.data.clear();
    let message = refusal(&scene).unwrap();
    assert!(message.contains("use fields.NAME in target.data"), "{message}");
    scene.spec.provider = None;
    let kind = ProviderKind::TokenProvider;
    scene.spec.provider_ref = Some(ProviderReference { kind, name: "shared".to_owned() });
    assert_eq!(refusal(&scene), None);
}
