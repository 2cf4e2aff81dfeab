//! Specs that are refused before any request, and whether the message says what to do.

use super::*;
use crate::api::{CredentialsReference, LongText, Probe, ShortText};
use crate::decide::ReferencedSecret;
use crate::decide::fixture::{HOST, Scene};

fn refusal(scene: &Scene) -> Option<Failure> {
    let observed = scene.observed();
    let provider = scene.provider.as_ref().unwrap();
    contradiction(&observed, provider).or_else(|| credentials(&observed, provider))
}

#[allow(clippy::unnecessary_wraps)] // the fields are optional
fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn bound_to(hosts: Option<&str>) -> ReferencedSecret {
    ReferencedSecret::Present {
        name: "client".to_owned(),
        uid: "secret-uid".to_owned(),
        resource_version: "7".to_owned(),
        allowed_hosts: hosts.map(str::to_owned),
    }
}

fn method(method: ClientAuthenticationMethod) -> impl FnOnce(&mut Scene) {
    move |scene| scene.provider().client_authentication.method = method
}

fn probe(scene: &mut Scene, url: &str) {
    scene.spec.renewal.probe = Some(Probe { url: url.to_owned(), interval: None });
}

#[test]
fn valid_specs_are_not_refused() {
    type Change = fn(&mut Scene);
    let cases: [(&str, Change); 13] = [
        ("the fixture", |_| {}),
        ("the grant written out", |s| s.provider().grant_type = text("client_credentials")),
        ("the password grant", |s| s.provider().grant_type = text("password")),
        ("a refresh token of the user's", |s| s.provider().grant_type = text("refresh_token")),
        ("a vendor's own grant", |s| s.provider().grant_type = text("account_credentials")),
        ("Basic", |s| method(ClientAuthenticationMethod::ClientSecretBasic)(s)),
        ("an assertion signed with the secret", |s| method(ClientAuthenticationMethod::ClientSecretJwt)(s)),
        ("an assertion signed with a private key", |s| method(ClientAuthenticationMethod::PrivateKeyJwt)(s)),
        ("a public client without credentials", |s| {
            method(ClientAuthenticationMethod::None)(s);
            s.spec.credentials_ref = None;
            s.credentials = ReferencedSecret::Unnamed;
        }),
        ("an issuer instead of an endpoint", |s| {
            s.provider().token_endpoint = None;
            s.provider().issuer = text("https://issuer.example/realms/r");
        }),
        ("a probe at an allowed host", |s| probe(s, &format!("https://{HOST}/echo"))),
        ("a probe beside templates that keep the token", |s| {
            probe(s, &format!("https://{HOST}/echo"));
            let template = LongText("{{access_token}}".to_owned());
            s.spec.target.data.insert("access_token".to_owned(), template);
        }),
        ("labels", |s| {
            s.spec.target.labels.insert("team".to_owned(), ShortText("a".to_owned()));
        }),
    ];
    for (name, change) in cases {
        assert_eq!(refusal(&Scene::fresh().with(change)), None, "{name}");
    }
}

#[test]
fn contradictions_are_refused_with_a_correction() {
    type Change = fn(&mut Scene);
    let cases: [(&str, &str, Change); 11] = [
        ("plain http", "provider.tokenEndpoint", |s| {
            s.provider().token_endpoint = text("http://auth.example.com/t");
        }),
        ("no URL", "provider.tokenEndpoint", |s| s.provider().token_endpoint = text("auth.example.com")),
        ("no endpoint", "provider.tokenEndpoint", |s| s.provider().token_endpoint = None),
        ("endpoint and issuer", "exactly one", |s| s.provider().issuer = text("https://issuer.example")),
        ("an issuer with a query", "provider.issuer", |s| {
            s.provider().token_endpoint = None;
            s.provider().issuer = text("https://issuer.example/?tenant=1");
        }),
        ("a probe over http", "renewal.probe.url", |s| probe(s, "http://api.example.com/echo")),
        ("a probe that nobody could allow", "remove the probe, or name them", |s| {
            probe(s, "https://api.example.com/echo");
            method(ClientAuthenticationMethod::None)(s);
            (s.spec.credentials_ref, s.credentials) = (None, ReferencedSecret::Unnamed);
        }),
        ("a probe without the token", "add the key access_token", |s| {
            probe(s, &format!("https://{HOST}/echo"));
            s.spec.target.data.insert("header".to_owned(), LongText("Bearer {{ access_token }}".to_owned()));
        }),
        ("post without credentials", "credentialsRef, or set method: none", |s| {
            s.spec.credentials_ref = None;
        }),
        ("Basic without credentials", "client_secret_basic", |s| {
            method(ClientAuthenticationMethod::ClientSecretBasic)(s);
            s.spec.credentials_ref = None;
        }),
        ("one Secret for both", "give the target another name", |s| s.spec.target.name = text("client")),
    ];
    for (name, part, change) in cases {
        let failure = refusal(&Scene::fresh().with(change)).unwrap();
        assert_eq!(failure.reason, Reason::InvalidSpec, "{name}");
        assert!(failure.message.contains(part), "{name}: {}", failure.message);
    }
    let own_name = Scene::fresh().with(|scene| {
        scene.spec.credentials_ref =
            Some(CredentialsReference { name: "source".to_owned(), ..Default::default() });
    });
    let failure = refusal(&own_name).unwrap();
    assert!(failure.message.contains("both name the Secret source"), "by default, too: {}", failure.message);
}

#[test]
fn an_endpoints_path_and_query_are_not_repeated() {
    let scene =
        Scene::fresh().with(|s| s.provider().token_endpoint = text("http://h.example/canary?key=canary"));
    let message = refusal(&scene).unwrap().message;
    assert!(!message.contains("canary"), "{message}");
}

#[test]
fn missing_credentials_are_named() {
    let scene =
        Scene::fresh().with(|scene| scene.credentials = ReferencedSecret::Missing("client".to_owned()));
    let failure = refusal(&scene).unwrap();
    assert_eq!(failure.reason, Reason::CredentialsNotFound);
    assert!(failure.message.contains("no Secret client"), "{}", failure.message);
}

#[test]
fn credentials_go_only_where_their_owner_lets_them() {
    let cases = [
        ("the host itself", Some(HOST), true),
        ("one of several", Some("other.example, auth.example.com"), true),
        ("any host of the domain", Some("*.example.com"), true),
        ("the port, too", Some("auth.example.com:443"), true),
        ("no annotation", None, false),
        ("an empty one", Some(""), false),
        ("another host", Some("auth.example.org"), false),
        ("another port", Some("auth.example.com:8443"), false),
        ("the domain alone", Some("example.com"), false),
        ("anything", Some("*"), false),
    ];
    for (name, hosts, allowed) in cases {
        let failure = refusal(&Scene::fresh().with(|scene| scene.credentials = bound_to(hosts)));
        assert_eq!(failure.is_none(), allowed, "{name}");
        assert!(failure.is_none_or(|failure| failure.reason == Reason::CredentialsNotBound), "{name}");
    }
}

#[test]
fn the_message_gives_the_command_that_helps_and_not_the_present_list() {
    for endpoint in [
        "https://auth.example.com/t",
        "https://auth.example.com:8443/t?key=canary",
        "https://[2001:db8::1]/t",
    ] {
        for hosts in [None, Some(""), Some("canary.example")] {
            let scene = Scene::fresh().with(|scene| {
                scene.provider().token_endpoint = text(endpoint);
                scene.credentials = bound_to(hosts);
            });
            let message = refusal(&scene).unwrap().message;
            assert!(!message.contains("canary"), "{message}");
            assert!(message.contains("nothing was sent"), "{message}");
            assert!(message.contains("kubectl -n payments annotate secret client "), "{message}");
            // The last word is the host, after the entries of the list.
            let host = message.trim_end_matches('"').rsplit(['=', ',']).next().unwrap();
            let value = hosts.map_or(host.to_owned(), |list| format!("{list},{host}"));
            assert_eq!(message.contains("get secret client -o jsonpath="), hosts.is_some(), "{message}");
            let helped = scene.with(|scene| scene.credentials = bound_to(Some(&value)));
            assert_eq!(refusal(&helped), None, "the command does not help: {message}");
        }
    }
}

#[test]
fn a_refresh_token_never_shares_the_target_with_or_without_credentials() {
    for named in [true, false] {
        let scene = Scene::fresh().with(|scene| {
            scene.provider().grant_type = Some("vendor".to_owned());
            scene.provider().client_authentication.method = ClientAuthenticationMethod::None;
            if !named {
                scene.spec.credentials_ref = None;
                scene.credentials = ReferencedSecret::Unnamed;
            }
            scene.spec.target.name = Some(secret_name(scene.observed().name));
        });
        let failure = refusal(&scene).unwrap();
        assert_eq!(failure.reason, Reason::InvalidSpec, "credentials named: {named}");
        assert!(failure.message.contains("keeps the refresh token"), "{}", failure.message);
    }
}

#[test]
fn a_list_of_hosts_over_the_bound_allows_none() {
    let long = format!("{HOST},{}", "a.example,".repeat(500));
    let failure = refusal(&Scene::fresh().with(|scene| scene.credentials = bound_to(Some(&long)))).unwrap();
    assert_eq!(failure.reason, Reason::CredentialsNotBound);
    assert!(failure.message.contains("more than 4096 bytes") && !failure.message.contains("a.example"));
}

#[test]
fn a_probes_host_must_be_allowed_as_well() {
    let probed = |hosts| {
        Scene::fresh().with(|scene| {
            probe(scene, "https://api.example.com/echo");
            scene.credentials = bound_to(Some(hosts));
        })
    };
    let failure = refusal(&probed(HOST)).unwrap();
    assert_eq!(failure.reason, Reason::CredentialsNotBound);
    assert!(failure.message.contains(",api.example.com\""), "{}", failure.message);
    assert_eq!(refusal(&probed("auth.example.com, api.example.com")), None);
}

#[test]
fn reserved_types_are_refused_and_the_definition_knows_the_same() {
    let definitions = serde_json::to_string(&crate::api::definitions()).unwrap();
    for type_ in crate::api::RESERVED_TYPES {
        let mut scene = Scene::fresh();
        scene.spec.target.type_ = text(type_);
        let failure = refusal(&scene).unwrap();
        assert_eq!(failure.reason, Reason::InvalidSpec, "{type_}");
        assert!(failure.message.contains(type_) && failure.message.contains("Opaque"), "{}", failure.message);
        assert!(definitions.contains(&format!("'{type_}'")), "{type_}");
    }
    let mut scene = Scene::fresh();
    scene.spec.target.type_ = text("example.com/own");
    assert_eq!(refusal(&scene), None);
}

#[test]
fn a_target_that_the_api_server_never_takes_is_refused_with_the_template_to_write() {
    let with = |type_: Option<&str>, keys: &[&str]| {
        let data = keys.iter().map(|key| ((*key).to_owned(), LongText("{{ access_token }}".to_owned())));
        let target = crate::api::Target {
            type_: type_.map(str::to_owned),
            data: data.collect(),
            ..Default::default()
        };
        refusal(&Scene::fresh().with(|scene| scene.spec.target = target)).map(|failure| failure.message)
    };
    let refused: [(Option<&str>, &[&str], &str); 10] = [
        (None, &["..x"], "no key that is a dot"),
        (None, &["."], "no key that is a dot"),
        (Some("kubernetes.io/dockerconfigjson"), &[], "Write .dockerconfigjson: '{\"auths\""),
        (Some("kubernetes.io/dockerconfigjson"), &["config.json"], "b64encode"),
        (Some("kubernetes.io/dockercfg"), &[], "Write .dockercfg"),
        (Some("kubernetes.io/basic-auth"), &[], "Write password: \"{{ access_token }}\""),
        (Some("kubernetes.io/ssh-auth"), &["password"], "ssh-privatekey"),
        (Some("kubernetes.io/tls"), &[], "a token is no certificate"),
        (Some("kubernetes.io/tls"), &["tls.crt"], "a token is no key"),
        (Some("kubernetes.io/service-account-token"), &[], "Choose another"),
    ];
    for (type_, keys, message) in refused {
        let said = with(type_, keys).unwrap_or_default();
        assert!(said.contains(message), "{type_:?} {keys:?}: {said}");
    }
    for (type_, keys) in [
        (None, &[".x", "x..", "a..b"][..]),
        (Some("example.com/own"), &[][..]),
        (Some("kubernetes.io/basic-auth"), &["password"][..]),
        (Some("kubernetes.io/ssh-auth"), &["ssh-privatekey"][..]),
        (Some("kubernetes.io/tls"), &["tls.crt", "tls.key"][..]),
        (Some("kubernetes.io/dockerconfigjson"), &[".dockerconfigjson"][..]),
    ] {
        assert_eq!(with(type_, keys), None, "{type_:?} {keys:?}");
    }
}

#[test]
fn the_name_of_the_refresh_tokens_secret_has_to_fit() {
    let scene = Scene::fresh().with(|scene| scene.provider().grant_type = text("password"));
    let name = "x".repeat(246);
    let refused = |name: &str| {
        let observed = Observed { name, ..scene.observed() };
        contradiction(&observed, scene.provider.as_ref().unwrap()).map(|failure| failure.message)
    };
    assert_eq!(refused(name.get(..245).unwrap()), None);
    assert!(refused(&name).unwrap().contains("has 254 characters"));
}

#[test]
fn annotations_beyond_the_size_limit_are_refused() {
    let annotated = |count: usize| {
        let one = |n: usize| (format!("key{n:02}"), LongText("x".repeat(8192)));
        Scene::fresh().with(|scene| scene.spec.target.annotations = (0..count).map(one).collect())
    };
    assert_eq!(refusal(&annotated(29)), None);
    assert!(refusal(&annotated(30)).unwrap().message.contains("240 KiB"));
}

#[test]
fn a_url_among_the_hosts_has_a_message_of_its_own() {
    let scene =
        Scene::fresh().with(|scene| scene.credentials = bound_to(Some("https://canary.example/token")));
    let message = refusal(&scene).unwrap().message;
    assert!(
        message.contains("has a URL in tokensource.dev/allowed-hosts, where a host belongs"),
        "{message}"
    );
    assert!(!message.contains("canary"), "{message}");
}

#[test]
fn credentials_are_bound_to_the_host_of_refresh_requests_as_well() {
    let mut scene = Scene::fresh();
    scene.provider().grant_type = text("password");
    scene.provider().refresh.token_endpoint = Some(format!("https://{HOST}/refresh"));
    assert_eq!(refusal(&scene), None);
    scene.provider().refresh.token_endpoint = text("https://elsewhere.example/refresh");
    let refused = refusal(&scene).unwrap();
    assert_eq!(refused.reason, Reason::CredentialsNotBound);
    assert!(refused.message.contains("elsewhere.example"), "{}", refused.message);
    scene.provider().refresh.token_endpoint = text("https://user@auth.example/refresh");
    let refused = refusal(&scene).unwrap();
    assert_eq!(refused.reason, Reason::InvalidSpec);
    assert!(refused.message.contains("provider.refresh.tokenEndpoint"), "{}", refused.message);
}
