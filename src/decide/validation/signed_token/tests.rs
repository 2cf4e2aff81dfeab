//! The fields that a signed token permits, and that allowing a host does not allow signing.

use super::*;
use crate::api::SignedToken;
use crate::decide::fixture::Scene;
use crate::decide::{Plan, ReferencedSecret};

fn scene(settings: &str, hosts: Option<&str>) -> Scene {
    let signed: SignedToken = serde_json::from_str(settings).unwrap();
    Scene::fresh().with(|scene| {
        scene.provider = Ok(TokenProviderSpec { signed_token: Some(signed), ..TokenProviderSpec::default() });
        scene.credentials = ReferencedSecret::Present {
            name: "client".to_owned(),
            uid: "secret-uid".to_owned(),
            resource_version: "7".to_owned(),
            allowed_hosts: hosts.map(str::to_owned),
        };
    })
}

fn refusal(scene: &Scene) -> (Reason, String) {
    match scene.plan() {
        Plan::Refuse(failure) => (failure.reason, failure.message),
        plan => panic!("not refused: {plan:?}"),
    }
}

#[test]
fn each_audience_needs_an_entry_of_its_own() {
    let audience = r#"{"audience": "https://api.example/"}"#;
    let cases = [
        (audience, Some("jwt:https://api.example/"), true),
        (audience, Some("other.example, jwt:https://api.example/"), true),
        (audience, Some("jwt:https://api.example"), false),
        (audience, Some("api.example"), false),
        (audience, Some("*.example,jwt:None"), false),
        (audience, Some(""), false),
        (audience, None, false),
        ("{}", Some("jwt:None"), true),
        ("{}", Some("jwt:"), false),
        ("{}", Some("jwt:https://api.example/"), false),
    ];
    for (settings, hosts, allowed) in cases {
        let scene = scene(settings, hosts);
        if allowed {
            assert!(matches!(scene.plan(), Plan::Issue(_)), "{settings} {hosts:?}: {:?}", scene.plan());
        } else {
            let (reason, message) = refusal(&scene);
            assert_eq!(reason, Reason::CredentialsNotBound, "{message}");
            assert!(message.contains("add the entry jwt:"), "{message}");
        }
    }
}

#[test]
fn fields_without_effect_and_out_of_bounds_are_refused() {
    type Change = fn(&mut Scene);
    let cases: [(&str, Change, &str); 10] = [
        ("{}", |s| s.provider().grant_type = Some("x".to_owned()), "remove them"),
        (
            "{}",
            |s| s.provider().client_authentication.send_client_id = crate::api::SendClientId::Always,
            "remove them",
        ),
        ("{}", |s| s.provider().response.token_type = Some("x".to_owned()), "remove them"),
        (
            "{}",
            |s| s.provider().response.keep = [("host".to_owned(), "/host".to_owned())].into(),
            "remove them",
        ),
        ("{}", |s| s.provider().token_endpoint = Some("https://a.example".to_owned()), "exactly one of"),
        ("{}", |s| s.spec.token.scopes = vec!["read".to_owned()], "signedToken.claims"),
        (r#"{"lifetime": "59s"}"#, |_| (), "1m to 24h"),
        (r#"{"audience": "a,b"}"#, |_| (), "comma"),
        (r#"{"audience": "8443"}"#, |_| (), "digits"),
        (r#"{"headers": {"alg": "none"}}"#, |_| (), "signedToken.headers must not have alg"),
    ];
    for (settings, change, words) in cases {
        let (reason, message) = refusal(&scene(settings, Some("jwt:None,jwt:a,b")).with(change));
        assert_eq!(reason, Reason::InvalidSpec, "{message}");
        assert!(message.contains(words), "{words}: {message}");
    }
}
