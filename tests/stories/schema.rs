//! Objects that the API server itself accepts or refuses, and its messages.

use serde_json::{Value, json};

use crate::story::Story;

pub(crate) async fn accepts_and_refuses(story: &mut Story) {
    // The controller must not act on these objects.
    story.controller.kill9();
    story.credentials("client", "s3cr3t-of-the-client").await;
    for (case, more) in accepted() {
        let source = story.source_for("accepted", &more);
        let applied = story.world.plane().try_apply("admin", &story.namespace, &source.to_string()).await;
        assert!(applied.is_ok(), "{case}: {}", applied.unwrap_err());
    }
    // No controller has read the object, and kstatus sees this from the observedGeneration.
    let source = story.source("accepted").await;
    assert_eq!(source.status.and_then(|status| status.observed_generation), Some(-1));
    for (case, more, words) in refused()
        .into_iter()
        .chain(refused_texts())
        .chain(refused_signing())
        .chain(refused_members())
        .chain(refused_scopes())
    {
        let source = story.source_for("refused", &more);
        match story.world.plane().try_apply("admin", &story.namespace, &source.to_string()).await {
            Ok(_) => panic!("{case} was accepted"),
            Err(error) => assert!(error.to_string().contains(words), "{case}: {error}"),
        }
    }
}

fn accepted() -> Vec<(&'static str, Value)> {
    vec![
        ("the least", json!({})),
        ("a query in the endpoint", json!({"provider": {"tokenEndpoint": "https://h.example/t?tenant=1"}})),
        ("before alone", json!({"renewal": {"before": "1h30m"}})),
        ("a percentage alone", json!({"renewal": {"before": null, "atPercentage": 50}})),
        ("an audience that is no URL", json!({"token": {"audience": "api.getpliant.com/api/integration"}})),
        ("commas in a scope", json!({"token": {"scopes": ["openid,AdobeID"]}})),
        (
            "the lone client_assertion_type",
            json!({"provider": {"refresh": {"parameters": [
            {"name": "client_assertion_type", "value": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}]}}}),
        ),
        ("an issuer", json!({"provider": {"tokenEndpoint": null, "issuer": "https://h.example/realms/r"}})),
        (
            "an assertion with everything",
            json!({"provider": {"clientAuthentication": {"method": "private_key_jwt", "assertion": signing()}}}),
        ),
        (
            "a bearer token with everything",
            json!({"provider": {"clientAuthentication": {"method": "bearer_token", "bearerToken": {"assertion": signing()}}}}),
        ),
        ("a grant with everything", json!({"provider": {"assertionGrant": signing()}})),
        (
            "revocation at a URL",
            json!({"provider": {"revocation": {"endpoint": "https://h.example/r", "onDelete": true}}}),
        ),
        (
            "revocation after replacement",
            json!({"provider": {"revocation": {"endpoint": "https://h.example/r", "onReplace": true, "grace": "10m"}}}),
        ),
        (
            "revocation at the issuer's URL",
            json!({"provider": {"tokenEndpoint": null, "issuer": "https://h.example", "revocation": {"onDelete": true}}}),
        ),
        (
            "kept members",
            keeping(&json!({"_instance_url1": "/a/0/b~1c", "n".repeat(63): format!("/{}", "x".repeat(255))})),
        ),
        ("scopes as a list", list_of_scopes()),
        (
            "a token in place of the secret",
            json!({"provider": {"clientAuthentication": {"clientSecretFrom": {"tokenSourceRef": {"name": "a"}}}}}),
        ),
        ("the most kept members", keeping(&(0..16).map(|n| (format!("n{n}"), json!("/a"))).collect())),
        (
            "kept members of an answer whose token is elsewhere",
            json!({"provider": {"response": {"fields": {"accessToken": "/id_token"}, "keep": {"opaque": "/access_token"}}},
                "target": {"data": {"a": "{{ fields.opaque }}"}}}),
        ),
        (
            "an endpoint of refresh requests",
            json!({"provider": {"grantType": "password", "refresh": {
                "tokenEndpoint": "https://h.example/refresh", "sendScope": true}}}),
        ),
        ("the longest timeout", json!({"provider": {"timeout": "2m"}})),
    ]
}

fn list_of_scopes() -> Value {
    json!({"provider": {"bodyFormat": "JSON", "parameters": [{"name": "scope", "type": "JSON", "value": "[\"a\"]"}]}})
}

fn refused_scopes() -> Vec<(&'static str, Value, &'static str)> {
    let with = |pointer: &str, value: Value| {
        let mut source = list_of_scopes();
        match source.pointer_mut(pointer) {
            Some(found) => *found = value,
            None => source[pointer] = value,
        }
        source
    };
    vec![
        (
            "a token in place of the secret of another method",
            json!({"provider": {"clientAuthentication": {
                "method": "private_key_jwt", "clientSecretFrom": {"tokenSourceRef": {"name": "a"}}}}}),
            "clientSecretFrom has an effect only",
        ),
        (
            "a key in place of the secret",
            json!({"provider": {"clientAuthentication": {"clientSecretFrom": {"credentialsKey": "a"}}}}),
            "credentialsRef.keys.clientSecret",
        ),
        (
            "scopes as text in a parameter",
            with("/provider/parameters/0/type", json!("String")),
            "field of its own, token.scopes",
        ),
        ("scopes as a list in a form", with("/provider/bodyFormat", json!("Form")), "set bodyFormat: JSON"),
        ("two forms of scopes", with("token", json!({"scopes": ["a"]})), "keep the one"),
        (
            "scopes among the parameters of a refresh",
            with(
                "/provider",
                json!({"refresh": {"parameters": [{"name": "scope", "type": "JSON", "value": "[]"}]}}),
            ),
            "refresh requests have no parameter scope",
        ),
    ]
}

/// Members for templates, and a template.
fn keeping(keep: &Value) -> Value {
    json!({"provider": {"response": {"keep": keep}}, "target": {"data": {"token": "{{ access_token }}"}}})
}

fn refused_members() -> Vec<(&'static str, Value, &'static str)> {
    let tokens = json!({"accessToken": "/data/token", "refreshToken": "/data/again"});
    let elsewhere = |pointer: &str| {
        let mut source = keeping(&json!({"a": pointer}));
        source["provider"]["response"]["fields"] = tokens.clone();
        source
    };
    let mut without_template = keeping(&json!({"a": "/a"}));
    without_template["target"]["data"] = Value::Null;
    vec![
        ("a kept access token", keeping(&json!({"a": "/access_token"})), "keep is not for tokens"),
        (
            "a kept refresh token",
            keeping(&json!({"a": "/b", "c": "/refresh_token"})),
            "keep is not for tokens",
        ),
        ("a kept access token elsewhere", elsewhere("/data/token"), "keep is not for tokens"),
        ("a kept refresh token elsewhere", elsewhere("/data/again"), "keep is not for tokens"),
        ("a kept refresh token in its usual place", elsewhere("/refresh_token"), "keep is not for tokens"),
        (
            "a kept refresh token of another object",
            elsewhere("/data/refresh_token"),
            "keep is not for tokens",
        ),
        ("a kept member with a hyphen", keeping(&json!({"a-b": "/a"})), "fields.NAME"),
        ("a kept member with a digit first", keeping(&json!({"1a": "/a"})), "fields.NAME"),
        ("a kept member with a long name", keeping(&json!({"n".repeat(64): "/a"})), "fields.NAME"),
        ("a kept member without a slash", keeping(&json!({"a": "a"})), "write a JSON Pointer"),
        ("a kept member with a long pointer", keeping(&json!({"a": format!("/{}", "x".repeat(256))})), "256"),
        ("many kept members", keeping(&(0..17).map(|n| (format!("n{n}"), json!("/a"))).collect()), "16"),
        ("kept members without a template", without_template, "use fields.NAME in target.data"),
        (
            "kept members beside a signed token",
            json!({"provider": {"tokenEndpoint": null, "clientAuthentication": null, "signedToken": {},
                "response": {"keep": {"a": "/a"}}}, "target": {"data": {"token": "{{ access_token }}"}}}),
            "signedToken sends no request",
        ),
    ]
}

fn signing() -> Value {
    json!({"algorithm": "ES512", "x5t": true, "x5tS256": true, "x5c": true, "notBefore": true, "backdate": "10m",
        "lifetime": "1h", "subject": "", "audience": "None", "headers": {"typ": "client-authentication+jwt"}})
}

/// Refused settings of a signature, in each place that has such settings.
fn refused_signing() -> Vec<(&'static str, Value, &'static str)> {
    let settings = [
        ("alg among the headers", json!({"headers": {"alg": "none"}}), "write algorithm"),
        ("x5t#S256 among the headers", json!({"headers": {"x5t#S256": "t"}}), "x5tS256"),
        ("crit among the headers", json!({"headers": {"crit": "x"}}), "leave crit"),
        ("a header of two lines", json!({"headers": {"typ": "a\nb"}}), "invisible characters"),
        ("a long header", json!({"headers": {"typ": "x".repeat(1025)}}), "1024"),
        ("a header with a long name", json!({"headers": {"n".repeat(65): "x"}}), "1 to 64 characters"),
        ("a long way back", json!({"backdate": "10m1s"}), "10m at most"),
    ];
    let places = |settings: Value| {
        [
            json!({"provider": {"clientAuthentication": {"method": "private_key_jwt", "assertion": settings}}}),
            json!({"provider": {"clientAuthentication": {"method": "bearer_token", "bearerToken": {"assertion": settings}}}}),
            json!({"provider": {"assertionGrant": settings}}),
        ]
    };
    let each = |(case, settings, words)| places(settings).map(|more| (case, more, words));
    let foreign = json!({"provider": {"assertionGrant": {"assertionFrom": {"tokenSourceRef": {"name": "a"}}, "x5t": true}}});
    let beside = ("a header beside a foreign assertion", foreign, "signed already");
    settings.into_iter().flat_map(each).chain([beside]).collect()
}

#[allow(clippy::too_many_lines)] // a table
fn refused() -> Vec<(&'static str, Value, &'static str)> {
    let endpoint = |url: &str| json!({"provider": {"tokenEndpoint": url}});
    vec![
        ("a label with a space", json!({"target": {"labels": {"team": "a b"}}}), "labels"),
        ("a label key with a space", json!({"target": {"labels": {"a b": "c"}}}), "optional DNS prefix"),
        ("an absurd duration", json!({"renewal": {"before": "99999999999999999999h"}}), "before"),
        ("http", endpoint("http://h.example/t"), "write a full https:// URL"),
        ("no URL at all", endpoint("https//h"), "write a full https:// URL"),
        ("user information", endpoint("https://u:p@h.example/t"), "leave user:password@ out"),
        ("a fragment", endpoint("https://h.example/t#f"), "leave the fragment"),
        (
            "endpoint and issuer",
            json!({"provider": {"issuer": "https://h.example"}}),
            "exactly one of tokenEndpoint",
        ),
        (
            "endpoint and signed token",
            json!({"provider": {"signedToken": {"audience": "a"}}}),
            "exactly one of tokenEndpoint",
        ),
        (
            "parameters beside a signed token",
            json!({"provider": {"tokenEndpoint": null, "clientAuthentication": null, "signedToken": {},
                "parameters": [{"name": "a", "value": "b"}]}}),
            "signedToken sends no request",
        ),
        (
            "a signed token for two days",
            json!({"provider": {"tokenEndpoint": null, "clientAuthentication": null, "signedToken": {"lifetime": "48h"}}}),
            "between 1m and 24h",
        ),
        (
            "a signed token for two audiences",
            json!({"provider": {"tokenEndpoint": null, "clientAuthentication": null, "signedToken": {"audience": "a,b"}}}),
            "no comma",
        ),
        (
            "revocation of a signed token",
            json!({"provider": {"tokenEndpoint": null, "clientAuthentication": null, "signedToken": {},
                "revocation": {"endpoint": "https://h.example/r", "onDelete": true}}}),
            "cannot be revoked",
        ),
        ("revocation without a URL", json!({"provider": {"revocation": {"onDelete": true}}}), "needs a URL"),
        (
            "revocation without effect",
            json!({"provider": {"revocation": {"endpoint": "https://h.example/r"}}}),
            "set one of them to true",
        ),
        (
            "grace without onReplace",
            json!({"provider": {"revocation": {"endpoint": "https://h.example/r", "onDelete": true, "grace": "1m"}}}),
            "set onReplace: true",
        ),
        (
            "a grace of a day",
            json!({"provider": {"revocation": {"endpoint": "https://h.example/r", "onReplace": true, "grace": "24h"}}}),
            "between 1s and 1h",
        ),
        (
            "revocation over http",
            json!({"provider": {"revocation": {"endpoint": "http://h.example/r", "onDelete": true}}}),
            "write a full https:// URL",
        ),
        ("neither", json!({"provider": {"tokenEndpoint": null}}), "exactly one of tokenEndpoint"),
        (
            "two providers",
            json!({"providerRef": {"kind": "TokenProvider", "name": "p"}}),
            "exactly one of provider",
        ),
        ("no provider", json!({"provider": null}), "exactly one of provider"),
        (
            "percentage and before",
            json!({"renewal": {"atPercentage": 50, "before": "5m"}}),
            "one of atPercentage",
        ),
        ("percentage 0", json!({"renewal": {"atPercentage": 0}}), "atPercentage"),
        ("percentage 100", json!({"renewal": {"atPercentage": 100}}), "atPercentage"),
        ("a negative duration", json!({"renewal": {"before": "-5m"}}), "before"),
        ("a timeout of none", json!({"provider": {"timeout": "0s"}}), "between 1s and 2m"),
        (
            "a reserved parameter",
            json!({"provider": {"parameters": [{"name": "scope", "value": "x"}]}}),
            "field of its own",
        ),
        (
            "a forbidden header",
            json!({"provider": {"headers": [{"name": "Authorization", "value": "x"}]}}),
            "set no such header here",
        ),
        (
            "a line break in a header",
            json!({"provider": {"headers": [{"name": "X-A", "value": "x\r\ny"}]}}),
            "headers",
        ),
        (
            "an unknown method",
            json!({"provider": {"clientAuthentication": {"method": "secret"}}}),
            "client_secret_basic",
        ),
        (
            "federated_jwt without audience",
            json!({"provider": {"clientAuthentication": {"method": "federated_jwt"}}}),
            "audience",
        ),
        (
            "a label of ours",
            json!({"target": {"labels": {"tokensource.dev/x": "y"}}}),
            "set by the controller",
        ),
        (
            "an annotation of ours",
            json!({"target": {"annotations": {"tokensource.dev/inputs": "y"}}}),
            "set by the controller",
        ),
        ("a key with a slash", json!({"target": {"data": {"a/b": "x"}}}), "letters, digits"),
        ("a target with capitals", json!({"target": {"name": "Target"}}), "target.name"),
        ("a space in a scope", json!({"token": {"scopes": ["a b"]}}), "[read, write] and not ['read write']"),
        (
            "two bundles",
            json!({"provider": {"tls": {"caBundleRef": {"name": "c", "key": "k"}}}}),
            "one of caBundle",
        ),
        ("a probe over http", json!({"renewal": {"probe": {"url": "http://h.example"}}}), "https://"),
    ]
}

/// Texts for which the API server's own message would be a regular expression, texts that would move a cursor or begin a
/// line, and settings that contradict others.
fn refused_texts() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("minutes in words", json!({"renewal": {"before": "15 min"}}), "write a duration such as 90s"),
        ("days", json!({"renewal": {"before": "1d"}}), "a day is 24h"),
        (
            "a bounded duration in words",
            json!({"provider": {"timeout": "15 sec"}}),
            "write a duration such as 90s",
        ),
        (
            "a pointer without a slash",
            json!({"provider": {"response": {"fields": {"error": "err"}}}}),
            "JSON Pointer",
        ),
        (
            "codes without their member",
            json!({"provider": {"response": {"successCodes": ["0"]}}}),
            "set fields.error",
        ),
        (
            "a code with an unknown meaning",
            json!({"provider": {"response": {"fields": {"error": "/code"}, "errors": {"1": "oops"}}}}),
            "invalid_client",
        ),
        (
            "scopes of refresh requests that are never sent",
            json!({"provider": {"refresh": {"sendScope": true}}}),
            "with grantType client_credentials (the default) no refresh token is kept",
        ),
        (
            "another endpoint where every request is a refresh request",
            json!({"provider": {"grantType": "refresh_token", "refresh": {"tokenEndpoint": "https://h.example/r"}}}),
            "with refresh_token every request goes to tokenEndpoint",
        ),
        (
            "an endpoint of refresh requests that are switched off",
            json!({"provider": {"grantType": "password", "refresh": {
                "policy": "Never", "tokenEndpoint": "https://h.example/r"}}}),
            "with policy Never there are no refresh requests",
        ),
        (
            "an endpoint of refresh requests without TLS",
            json!({"provider": {"grantType": "password", "refresh": {"tokenEndpoint": "http://h.example/r"}}}),
            "write a full https:// URL",
        ),
        (
            "a space in a grant type",
            json!({"provider": {"grantType": "client credentials"}}),
            "without spaces",
        ),
        (
            "a key with a line break",
            json!({"credentialsRef": {"keys": {"clientId": "a\nb"}}}),
            "a key of the object's data",
        ),
        ("a Secret with capitals", json!({"credentialsRef": {"name": "Client"}}), "the name of an object"),
        (
            "a provider that writes a terminal's title",
            json!({"provider": null, "providerRef": {"kind": "TokenProvider", "name": "\u{1b}]0;owned\u{7}"}}),
            "the name of an object",
        ),
        (
            "a provider that begins a line",
            json!({"provider": null, "providerRef": {"kind": "TokenProvider", "name": "a\nb"}}),
            "the name of an object",
        ),
        (
            "an audience that reads backwards",
            json!({"token": {"audience": "a\u{202e}b"}}),
            "invisible characters",
        ),
        (
            "a resource with a control character",
            json!({"token": {"resources": ["a\u{200b}b"]}}),
            "invisible characters",
        ),
        ("a client id of two lines", json!({"clientId": "a\nb"}), "invisible characters"),
        ("a type with a line break", json!({"target": {"type": "a\nb"}}), "invisible characters"),
    ]
}
