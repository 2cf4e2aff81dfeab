//! The forms of a request beyond RFC 6749: GET, no grant type, JSON values, bearer tokens, an actor, foreign assertions.

use super::{
    BodyFormat, ClientAuthentication, Grant, ParameterPlace, ParameterType, RequestHeader, RequestMethod,
    authorization, body, build, parameter, plain, secret, signing, wire, with,
};
use crate::api::JsonWebAlgorithm;
use crate::api::reason::Reason;
use crate::oauth::TypedToken;
use crate::oauth::assertion::tests::assertion;

fn public(change: impl FnOnce(&mut super::TokenRequest)) -> super::TokenRequest {
    with(|request| {
        request.client.authentication = ClientAuthentication::None;
        request.client.id = None;
        change(request);
    })
}

#[test]
fn get_sends_everything_in_the_query_and_no_body() {
    let request = public(|request| {
        request.method = RequestMethod::Get;
        request.grant = Grant::Extension { grant_type: "client_credential".to_owned() };
        request.parameters = vec![
            parameter("appid", "a b", ParameterType::String, ParameterPlace::Body),
            parameter("secret", "s&3", ParameterType::String, ParameterPlace::Query),
        ];
    });
    let wire = wire(&request);
    assert_eq!(wire.method, RequestMethod::Get);
    assert_eq!(
        wire.endpoint.url().as_str(),
        "https://a.example/token?grant_type=client_credential&appid=a+b&secret=s%263"
    );
    assert!(wire.body.is_empty());
    assert!(!wire.headers.contains_key("content-type"), "a request without a body has no media type");
}

#[test]
fn a_request_without_grant_type_has_only_the_parameters_of_the_spec() {
    let request = public(|request| {
        request.grant = Grant::None;
        request.body_format = BodyFormat::Json;
        request.parameters = vec![
            parameter("app_id", "cli_a1", ParameterType::String, ParameterPlace::Body),
            parameter("permissions", r#"{"contents": ["read"]}"#, ParameterType::Json, ParameterPlace::Body),
        ];
    });
    assert_eq!(body(&request), r#"{"app_id":"cli_a1","permissions":{"contents": ["read"]}}"#);
    let form = public(|request| {
        request.grant = Grant::None;
        request.parameters = vec![parameter("a", "[1]", ParameterType::Json, ParameterPlace::Body)];
    });
    assert_eq!(body(&form), "a=%5B1%5D", "in a form, JSON is text");
}

/// Google's API for impersonation wants such a list.
#[test]
fn scopes_are_a_list_only_in_a_json_body_and_only_without_token_scopes() {
    let list = |change: fn(&mut super::TokenRequest)| {
        public(|request| {
            request.grant = Grant::None;
            request.body_format = BodyFormat::Json;
            request.parameters =
                vec![parameter("scope", r#"["a","b"]"#, ParameterType::Json, ParameterPlace::Body)];
            request.scopes = Vec::new();
            change(request);
        })
    };
    assert_eq!(body(&list(|_| {})), r#"{"scope":["a","b"]}"#);
    let contradictions: [fn(&mut super::TokenRequest); 4] = [
        |request| request.scopes = vec!["a".to_owned()],
        |request| request.body_format = BodyFormat::Form,
        |request| request.parameters[0].place = ParameterPlace::Query,
        |request| request.parameters[0].type_ = ParameterType::String,
    ];
    for change in contradictions {
        let error = build(&list(change), &signing()).err().unwrap();
        assert_eq!(error.reason(), Reason::InvalidSpec, "{error}");
        assert!(error.to_string().contains("set by token.scopes"), "{error}");
    }
}

#[test]
fn values_that_are_not_json_are_refused() {
    for text in ["", "{", "{} ,\"admin\":true", "a", "[1,]"] {
        let request = with(|request| {
            request.parameters = vec![parameter("p", text, ParameterType::Json, ParameterPlace::Body)];
        });
        let error = build(&request, &signing()).err().unwrap();
        assert_eq!(error.reason(), Reason::InvalidSpec, "{text}: {error}");
    }
}

#[test]
fn bearer_tokens_are_in_the_authorization_header_and_nowhere_else() {
    let request = public(|request| {
        request.client.authentication = ClientAuthentication::Bearer { token: secret("canary.token") };
    });
    assert_eq!(authorization(&request), "Bearer canary.token");
    assert_eq!(body(&request), "grant_type=client_credentials");
    assert!(!format!("{:?}", wire(&request).headers).contains("canary"));

    let signed = with(|request| {
        let assertion = assertion(JsonWebAlgorithm::HS256, "key");
        request.client.authentication = ClientAuthentication::BearerAssertion(assertion);
    });
    let sent = wire(&signed);
    let [assertion] = sent.signed.as_slice() else { panic!("one assertion") };
    assert_eq!(authorization(&signed), format!("Bearer {}", assertion.expose()));
    assert_eq!(
        body(&signed),
        "grant_type=client_credentials",
        "neither assertion nor client_id is a parameter"
    );
}

#[test]
fn bearer_tokens_with_other_characters_are_refused_and_not_shown() {
    for token in ["", "canary canary", "canary\r\nx: y", "canary\u{e9}"] {
        let request = public(|request| {
            request.client.authentication = ClientAuthentication::Bearer { token: secret(token) };
        });
        let error = build(&request, &signing()).err().unwrap();
        assert_eq!(error.reason(), Reason::CredentialsInvalid);
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
}

#[test]
fn actor_and_foreign_assertion_are_sent_as_they_are() {
    let token = |text: &str| TypedToken { token: secret(text), type_: "urn:t".to_owned() };
    let exchange = public(|request| {
        let (subject, actor) = (token("s"), Some(token("a")));
        request.grant = Grant::TokenExchange { subject, actor, requested_token_type: None };
    });
    let sent = body(&exchange);
    assert!(
        sent.ends_with("&subject_token=s&subject_token_type=urn%3At&actor_token=a&actor_token_type=urn%3At"),
        "{sent}"
    );
    let grant_type = "urn:ietf:params:oauth:grant-type:saml2-bearer".to_owned();
    let foreign = public(|request| {
        request.grant = Grant::IssuedAssertion { grant_type, assertion: secret("PHNhbWw+") };
    });
    let expected = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Asaml2-bearer&assertion=PHNhbWw%2B";
    assert_eq!(body(&foreign), expected);
}

#[test]
fn users_may_set_the_user_agent() {
    let header =
        RequestHeader { name: "User-Agent".to_owned(), value: secret("my-app/1.0"), is_confidential: false };
    let request = with(|request| request.headers = vec![header]);
    let agents: Vec<_> = wire(&request).headers.get_all("user-agent").iter().cloned().collect();
    assert_eq!(agents, ["my-app/1.0"]);
    assert!(wire(&plain()).headers["user-agent"].to_str().unwrap().starts_with("tokensource/"));
}

#[test]
fn header_values_from_secrets_that_no_header_can_have_are_credential_errors() {
    for (is_confidential, reason) in [(true, Reason::CredentialsInvalid), (false, Reason::InvalidSpec)] {
        let value = secret("canary\nx");
        let header = RequestHeader { name: "x-key".to_owned(), value, is_confidential };
        let request = with(|request| request.headers = vec![header]);
        let error = build(&request, &signing()).err().unwrap();
        assert_eq!(error.reason(), reason);
        assert!(!error.to_string().contains("canary"));
    }
}
