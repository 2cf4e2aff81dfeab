//! Requests with assertions, and token exchange, with a fixed signing context.

use super::{ClientAuthentication, Grant, SendClientId, body, build, secret, signing, string, wire, with};
use crate::api::JsonWebAlgorithm;
use crate::api::reason::Reason;
use crate::oauth::TypedToken;
use crate::oauth::assertion::Assertion;
use crate::oauth::assertion::tests::assertion;

const SHARED: &str = "canary-secret";
const CLIENT: &str = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
                      &client_assertion=";

fn hs256() -> Assertion {
    assertion(JsonWebAlgorithm::HS256, SHARED)
}

fn text(assertion: &Assertion, jti: &str) -> String {
    match assertion.sign(signing().now, jti) {
        Ok(text) => text.expose().to_owned(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn client_assertion_takes_the_place_of_the_secret() {
    let cases = [
        (SendClientId::Auto, "&client_id=me"),
        (SendClientId::Always, "&client_id=me"),
        (SendClientId::Never, ""),
    ];
    for (send_client_id, id) in cases {
        let request = with(|request| {
            request.client.authentication = ClientAuthentication::Assertion(hs256());
            request.client.send_client_id = send_client_id;
            request.scopes = vec!["read".to_owned()];
        });
        let jwt = text(&hs256(), "n0nce");
        assert_eq!(body(&request), format!("grant_type=client_credentials{id}&{CLIENT}{jwt}&scope=read"));
        let wire = wire(&request);
        assert!(!wire.headers.contains_key("authorization"));
        let signed: Vec<_> = wire.signed.iter().map(crate::oauth::Secret::expose).collect();
        assert_eq!(signed, [jwt], "so that it can be withheld from texts");
    }
}

#[test]
fn issued_assertion_needs_no_client_id() {
    for (id, expected) in [(None, ""), (Some("me"), "&client_id=me")] {
        let request = with(|request| {
            let token = secret("canary.service.account");
            request.client.authentication = ClientAuthentication::IssuedAssertion { token };
            request.client.id = id.map(str::to_owned);
        });
        assert_eq!(
            body(&request),
            format!("grant_type=client_credentials{expected}&{CLIENT}canary.service.account")
        );
        assert!(!wire(&request).headers.contains_key("authorization"));
    }
}

#[test]
fn mutual_tls_sends_the_client_id_only() {
    let named = with(|request| request.client.authentication = ClientAuthentication::MutualTls);
    assert_eq!(body(&named), "grant_type=client_credentials&client_id=me");
    let nameless = with(|request| {
        request.client.authentication = ClientAuthentication::MutualTls;
        request.client.id = None;
    });
    match build(&nameless, &signing()) {
        Ok(_) => panic!("the request was built"),
        Err(error) => assert_eq!(error.reason(), Reason::CredentialsInvalid),
    }
}

#[test]
fn jwt_bearer_grant_with_and_without_a_scope_claim() {
    let plain = hs256();
    let request = with(|request| {
        request.grant = Grant::JwtBearer { assertion: plain.clone() };
        request.client.authentication = ClientAuthentication::None;
        request.client.id = None;
        request.scopes = vec!["a".to_owned(), "b".to_owned()];
    });
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
    assert_eq!(body(&request), format!("{grant}&assertion={}&scope=a+b", text(&plain, "n0nce-grant")));

    let scoped = Assertion { scope: Some("a b".to_owned()), ..plain };
    let request = with(|other| {
        *other = request.clone();
        other.grant = Grant::JwtBearer { assertion: scoped.clone() };
    });
    assert_eq!(body(&request), format!("{grant}&assertion={}", text(&scoped, "n0nce-grant")));
}

#[test]
fn two_assertions_of_one_request_differ_in_their_jti() {
    let request = with(|request| {
        request.client.authentication = ClientAuthentication::Assertion(hs256());
        request.grant = Grant::JwtBearer { assertion: hs256() };
    });
    let (client, grant) = (text(&hs256(), "n0nce"), text(&hs256(), "n0nce-grant"));
    assert_ne!(client, grant);
    assert!(body(&request).ends_with(&format!("{CLIENT}{client}&assertion={grant}")));
}

fn exchange(requested_token_type: Option<&str>) -> Grant {
    Grant::TokenExchange {
        subject: TypedToken { token: secret("canary.subject.token"), type_: "urn:t:jwt".to_owned() },
        actor: None,
        requested_token_type: requested_token_type.map(str::to_owned),
    }
}

#[test]
fn token_exchange_sends_subject_token_and_types() {
    let cases = [(None, ""), (Some("urn:t:access"), "&requested_token_type=urn%3At%3Aaccess")];
    for (requested, member) in cases {
        let request = with(|request| {
            request.grant = exchange(requested);
            request.audience = Some("api".to_owned());
        });
        assert_eq!(
            body(&request),
            format!(
                "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&client_id=me&client_secret=s3\
                 {member}&subject_token=canary.subject.token&subject_token_type=urn%3At%3Ajwt&audience=api"
            )
        );
    }
}

#[test]
fn parameters_that_the_request_sets_itself_are_refused() {
    let by_assertion = |parameter| {
        with(|request| {
            request.client.authentication = ClientAuthentication::Assertion(hs256());
            request.parameters = vec![string(parameter, "x")];
        })
    };
    let exchanging = with(|request| {
        request.grant = exchange(None);
        request.parameters = vec![string("requested_token_type", "x")];
    });
    for request in [by_assertion("client_assertion_type"), by_assertion("client_assertion"), exchanging] {
        match build(&request, &signing()) {
            Ok(_) => panic!("the request was built"),
            Err(error) => {
                assert_eq!(error.reason(), Reason::InvalidSpec);
                assert!(!error.to_string().contains("canary"), "{error}");
            }
        }
    }
}
