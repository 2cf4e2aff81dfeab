//! The request byte for byte, and what each response means.

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};

use super::*;
use crate::api::{BasicEncoding, Reason, ResponseSettings, SendClientId};
use crate::oauth::{ClientAuthentication, Disclosure, GrantKind, Retry, SigningContext, USER_AGENT, build};

const TOKEN: &str = "fake token+/=%&";

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn client(authentication: ClientAuthentication) -> Client {
    Client { id: Some("fake-id".to_owned()), authentication, send_client_id: SendClientId::Auto }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap()
}

/// Request line, headers by name, empty line, body.
fn rendered(authentication: ClientAuthentication, hint: TokenTypeHint) -> String {
    let endpoint = Endpoint::parse("https://auth.example.com/revoke?tenant=1").unwrap();
    let header =
        RequestHeader { name: "X-Api-Key".to_owned(), value: secret("fake-key"), is_confidential: true };
    let request = revocation(endpoint, client(authentication), vec![header], &secret(TOKEN), hint);
    let wire = build(&request, &SigningContext { now: now(), nonce: "nonce".to_owned() }).unwrap();
    let mut headers: Vec<String> =
        wire.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect();
    headers.sort();
    let headers = headers.concat().replace(USER_AGENT, "tokensource/VERSION");
    format!(
        "{:?} {}\n{headers}\n{}",
        wire.method,
        wire.endpoint.url(),
        std::str::from_utf8(&wire.body).unwrap()
    )
}

#[test]
fn request_is_a_form_with_the_token_and_its_kind() {
    let post =
        rendered(ClientAuthentication::Post { secret: secret("fake-secret") }, TokenTypeHint::AccessToken);
    assert_eq!(
        post,
        "Post https://auth.example.com/revoke?tenant=1\n\
         accept: application/json\n\
         content-type: application/x-www-form-urlencoded\n\
         user-agent: tokensource/VERSION\n\
         x-api-key: fake-key\n\
         \n\
         client_id=fake-id&client_secret=fake-secret&token=fake+token%2B%2F%3D%25%26&token_type_hint=access_token"
    );
    let basic = ClientAuthentication::Basic { secret: secret("fake-secret"), encoding: BasicEncoding::Form };
    let basic = rendered(basic, TokenTypeHint::RefreshToken);
    assert!(basic.contains("authorization: Basic ZmFrZS1pZDpmYWtlLXNlY3JldA==\n"), "{basic}");
    assert!(basic.ends_with("\n\ntoken=fake+token%2B%2F%3D%25%26&token_type_hint=refresh_token"), "{basic}");
}

fn read(status: u16, retry_after: Option<&'static str>, body: &str) -> Result<(), Error> {
    let mut headers = HeaderMap::new();
    headers.extend(retry_after.map(|wait| (RETRY_AFTER, HeaderValue::from_static(wait))));
    read_answer(Ok(HttpResponse { status, headers, body: body.as_bytes().to_vec() }))
}

fn read_answer(answer: Result<HttpResponse, Error>) -> Result<(), Error> {
    let token = secret(TOKEN);
    let context = ResponseContext {
        sent_at: now(),
        host: "auth.example.com",
        settings: &ResponseSettings::default(),
        disclosure: Disclosure::Full,
        requested_scopes: &[],
        grant: GrantKind::ClientCredentials,
        confidential: &[&token],
        requested_token_type: None,
    };
    read_revocation(answer, &context)
}

#[test]
fn any_2xx_confirms_whatever_its_body() {
    for (status, body) in [(200, ""), (200, "{\"error\":\"invalid_token\"}"), (204, ""), (202, "<html>")] {
        assert_eq!(read(status, None, body), Ok(()), "{status} {body}");
    }
    let cut_off = Error::cut_off("auth.example.com", 200, true);
    assert_eq!(read_answer(Err(cut_off)), Ok(()), "the status alone counts");
    let too_large = Error::too_large("auth.example.com");
    assert_eq!(read_answer(Err(too_large.clone())), Err(too_large));
}

#[test]
fn other_statuses_are_failures_with_a_retry_class() {
    let is_final = |error: &Error| matches!(error.retry(), Retry::Terminal { .. });
    let unsupported = read(400, None, "{\"error\":\"unsupported_token_type\"}").unwrap_err();
    assert!(is_final(&unsupported));
    assert!(unsupported.to_string().contains("unsupported_token_type"), "{unsupported}");
    let client = read(401, None, "{\"error\":\"invalid_client\"}").unwrap_err();
    assert_eq!((client.reason(), is_final(&client)), (Reason::InvalidClient, true));
    let busy = read(503, Some("7"), "").unwrap_err();
    assert_eq!(busy.retry_after(), Some(std::time::Duration::from_secs(7)));
    assert!(!is_final(&busy));
    assert!(is_final(&read(404, None, "").unwrap_err()));
    assert!(is_final(&read(302, None, "").unwrap_err()), "redirects are not followed");
    assert!(read(199, None, "").is_err());
}

#[test]
fn error_never_quotes_the_token() {
    let body = format!("{{\"error\":\"invalid_request\",\"error_description\":\"bad {TOKEN}\"}}");
    let error = read(400, None, &body).unwrap_err().to_string();
    assert!(!error.contains(TOKEN), "{error}");
}
