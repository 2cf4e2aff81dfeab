//! The requests that five providers document, byte for byte: Prisjakt, Pliant, v2, Apiax and Ocrolus.
//! The credentials are fake; those for Basic contain characters that form-encoding would change.

use super::{
    BasicEncoding, BodyFormat, ClientAuthentication, Grant, TokenRequest, basic, post, secret, string, wire,
};
use crate::oauth::USER_AGENT;
use crate::oauth::endpoint::Endpoint;

const PRISJAKT: &str = "\
POST https://auth.pj.nu/oauth2/token
accept: application/json
content-type: application/x-www-form-urlencoded
user-agent: tokensource/VERSION

grant_type=client_credentials&client_id=fake-id&client_secret=fake-secret";

const PLIANT: &str = "\
POST https://infinnityprodinternal.eu.auth0.com/oauth/token
accept: application/json
content-type: application/json
user-agent: tokensource/VERSION

{\"grant_type\":\"client_credentials\",\"client_id\":\"fake-id\",\"client_secret\":\"fake-secret\",\
\"audience\":\"api.getpliant.com/api/integration\"}";

const PLIANT_SANDBOX: &str = "\
POST https://infinnitystaginginternal.eu.auth0.com/oauth/token
accept: application/json
content-type: application/json
user-agent: tokensource/VERSION

{\"grant_type\":\"client_credentials\",\"client_id\":\"fake-id\",\"client_secret\":\"fake-secret\",\
\"audience\":\"api.staging.v2.infinnitytest.com/api/integration\"}";

/// The header is the base64 of `fake id+/%&:fake:secret+/=%&é`.
const V2: &str = "\
POST https://api.example.com/oauth/v2/token
accept: application/json
authorization: Basic ZmFrZSBpZCsvJSY6ZmFrZTpzZWNyZXQrLz0lJsOp
content-type: application/x-www-form-urlencoded
user-agent: tokensource/VERSION

grant_type=client_credentials";

const APIAX_PASSWORD: &str = "\
POST https://auth.apiax.io/auth/realms/apiax/protocol/openid-connect/token
accept: application/json
content-type: application/x-www-form-urlencoded
user-agent: tokensource/VERSION

grant_type=password&client_id=integration-api&username=fake%40user.example&password=fake+pass%26word%3D%25";

const APIAX_REFRESH: &str = "\
POST https://auth.apiax.io/auth/realms/apiax/protocol/openid-connect/token
accept: application/json
content-type: application/x-www-form-urlencoded
user-agent: tokensource/VERSION

grant_type=refresh_token&client_id=integration-api&refresh_token=fake.refresh.token\
&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

const OCROLUS: &str = "\
POST https://auth.ocrolus.com/oauth/token
accept: application/json
content-type: application/x-www-form-urlencoded
user-agent: tokensource/VERSION

grant_type=client_credentials&client_id=fake-id&client_secret=fake-secret";

fn to(endpoint: &str) -> TokenRequest {
    let mut request = super::plain();
    request.endpoint = Endpoint::parse(endpoint).unwrap();
    request.client.id = Some("fake-id".to_owned());
    request.client.authentication = post("fake-secret");
    request
}

fn pliant(endpoint: &str, audience: &str) -> TokenRequest {
    TokenRequest { audience: Some(audience.to_owned()), body_format: BodyFormat::Json, ..to(endpoint) }
}

fn v2() -> TokenRequest {
    let mut request = to("https://api.example.com/oauth/v2/token");
    request.client.id = Some("fake id+/%&".to_owned());
    request.client.authentication = basic("fake:secret+/=%&\u{e9}", BasicEncoding::Raw);
    request
}

fn apiax(grant: Grant) -> TokenRequest {
    let mut request = to("https://auth.apiax.io/auth/realms/apiax/protocol/openid-connect/token");
    request.client.id = Some("integration-api".to_owned());
    request.client.authentication = ClientAuthentication::None;
    request.grant = grant;
    request
}

fn apiax_password() -> TokenRequest {
    apiax(Grant::Password { username: secret("fake@user.example"), password: secret("fake pass&word=%") })
}

fn apiax_refresh() -> TokenRequest {
    let assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let grant = Grant::RefreshToken { token: secret("fake.refresh.token") };
    TokenRequest { parameters: vec![string("client_assertion_type", assertion_type)], ..apiax(grant) }
}

/// A request as text: request line, headers by name, empty line, body.
fn render(request: &TokenRequest) -> String {
    let wire = wire(request);
    let mut headers: Vec<String> =
        wire.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect();
    headers.sort();
    let body = std::str::from_utf8(&wire.body).unwrap();
    let headers = headers.concat().replace(USER_AGENT, "tokensource/VERSION");
    format!("POST {}\n{headers}\n{body}", wire.endpoint.url())
}

#[test]
fn requests_are_those_that_the_providers_document() {
    let production = "https://infinnityprodinternal.eu.auth0.com/oauth/token";
    let sandbox = "https://infinnitystaginginternal.eu.auth0.com/oauth/token";
    let cases = [
        (to("https://auth.pj.nu/oauth2/token"), PRISJAKT),
        (pliant(production, "api.getpliant.com/api/integration"), PLIANT),
        (pliant(sandbox, "api.staging.v2.infinnitytest.com/api/integration"), PLIANT_SANDBOX),
        (v2(), V2),
        (apiax_password(), APIAX_PASSWORD),
        (apiax_refresh(), APIAX_REFRESH),
        (to("https://auth.ocrolus.com/oauth/token"), OCROLUS),
    ];
    for (request, expected) in cases {
        assert_eq!(render(&request), expected);
    }
}
