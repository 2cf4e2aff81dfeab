//! Refused lines, names, files, and the search for secrets in the whole output.

use proptest::prelude::*;

use super::*;

const URL: &str = "https://auth.example.com/token";

fn refusal(line: &str) -> String {
    manifests_of(line, None, None).err().unwrap_or_else(|| panic!("accepted: {line}")).to_string()
}

#[test]
fn lines_without_a_token_request_are_refused_with_a_remedy() {
    let ok = "grant_type=client_credentials";
    let cases = [
        (format!("wget {URL}"), "does not begin with curl"),
        ("curl -d a=b".to_owned(), "has no URL"),
        (format!("curl {URL} {URL} -d {ok}"), "two URLs"),
        (format!("curl http://auth.example.com/token -d {ok}"), "https://"),
        (format!("curl $TOKEN_URL -d {ok}"), "placeholder"),
        (format!("curl -X PUT {URL} -d {ok}"), "method is neither POST"),
        (format!("curl {URL} -F {ok}"), "-F cannot be used: it sends multipart/form-data"),
        (format!("curl {URL} -d @body.txt"), "-d it reads a file"),
        (format!("curl {URL} --data-urlencode {ok} --data-urlencode a@body.txt"), "reads a file"),
        (
            format!("curl {URL} --json '{{\"grant_type\": \"x\", \"audience\": [\"a\"]}}'"),
            "audience is a list",
        ),
        (format!("curl {URL} -d {ok} --frobnicate"), "--frobnicate is not known"),
        (format!("curl {URL} -d {ok} -Q"), "-Q is not known"),
        (format!("curl {URL} -d"), "-d has no value"),
        (format!("curl {URL} --digest -d {ok}"), "--digest cannot be used"),
        (format!("curl {URL} -d {ok} --next {URL}"), "second request"),
        (format!("curl {URL} -d {ok} -d {ok}"), "grant_type is in it twice"),
        (format!("curl {URL} -d {ok} -d a=b -d a=c"), "a is in it twice"),
        (format!("curl {URL} -d grant_type=authorization_code -d code=x"), "browser"),
        (format!("curl {URL} -d grant_type=password -d username=u"), "no password"),
        (
            format!("curl {URL} -d grant_type=urn:own -d username=u"),
            "no field of a TokenSource sends username",
        ),
        (format!("curl {URL} -d {ok} -d nothing"), "no value"),
        (format!("curl {URL} -u a:b -d {ok} -d client_secret=c"), "two ways"),
        (format!("curl {URL}?client_secret=c -d {ok}"), "client_secret is in the URL's query"),
        (
            format!("curl {URL} --json '{{\"grant_type\": \"x\", \"permissions\": [{{\"token\": \"1\"}}]}}'"),
            "permissions in its body is a list or an object with a secret",
        ),
        (
            format!("curl {URL} --json '{{\"grant_type\": \"x\", \"payload\": {{\"password\": 1234}}}}'"),
            "payload in its body is a list or an object with a secret",
        ),
        (
            format!(
                "curl {URL} --json '{{\"grant_type\": \"x\", \"payload\": {{\"client_secret\": [\"x\"]}}}}'"
            ),
            "payload in its body is a list or an object with a secret",
        ),
        (format!("curl {URL} --json '{{\"grant_type\": }}'"), "line 1, column 16"),
        (format!("curl {URL} -H 'Content-Type: text/xml' -d {ok}"), "Content-Type"),
        (format!("curl {URL} -d {ok} -H 'X-Name: \u{e4}'"), "X-Name has a value beyond ASCII"),
        (format!("curl {URL} -d {ok} -d 'a={}'", "b c ".repeat(1025)), "longer than 4096"),
        (format!("curl {URL} -H 'Authorization: SSWS x' -d {ok}"), "neither Basic nor Bearer"),
        (format!("curl {URL} -H 'Authorization: Bearer x'"), "uses a token and gets none"),
    ];
    for (line, expected) in cases {
        let said = refusal(&line);
        assert!(said.contains(expected), "{line}\n  {said}");
        assert!(said.len() < 260, "{said}");
    }
}

#[test]
fn names_come_from_hosts() {
    for (host, name) in [
        ("auth.ocrolus.com", "ocrolus"),
        ("infinnityprodinternal.eu.auth0.com", "auth0"),
        ("api.example.co.uk", "example"),
        ("keycloak", "keycloak"),
        ("vault.example:8200", "vault"),
        ("192.0.2.1", "provider"),
        ("[2001:db8::1]:8200", "provider"),
    ] {
        assert_eq!(name_of(host), name, "{host}");
    }
    let line = format!("curl {URL} -d grant_type=client_credentials");
    let text = manifests_of(&line, Some("own"), Some("team")).unwrap();
    assert!(text.contains("name: own\n") && text.contains("namespace: team\n"), "{text}");
    assert!(
        manifests_of(&line, Some("Own"), None).is_err() && manifests_of(&line, None, Some("a b")).is_err()
    );
}

#[test]
fn headers_of_the_connection_are_left_out_without_a_word() {
    let line = format!(
        "curl {URL} -d grant_type=client_credentials -H 'Content-Length: 29' -H 'Proxy-Authorization: x' \
         -H 'Sec-Fetch-Mode: cors' -H 'Accept: */*' -H 'Host: other' -H 'Upgrade: h2c' -H 'X-Tenant;' -H 'X-Own: 1'"
    );
    let text = manifests_of(&line, None, None).unwrap();
    let headers = text.split_once("headers:").unwrap().1.matches("- name:").count();
    assert_eq!(headers, 1, "{text}");
}

#[test]
fn each_key_of_a_secret_is_listed_once() {
    let line = format!(
        "curl {URL} -H 'X-Api-Key: canary-0123' -H 'X-Other-Key: canary-4567' -d 'X-Api-Key=canary-89ab&grant_type=password' \
         -d username=u -d password=p"
    );
    let text = manifests_of(&line, None, None).unwrap();
    let text = text.replace("\n#     ", " ");
    assert!(text.contains(": username, password, X-Api-Key, X-Other-Key."), "{text}");
}

#[test]
fn a_file_that_exists_is_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.yaml");
    write_new(&path, "first").unwrap();
    assert!(write_new(&path, "second").is_err());
    assert_eq!(std::fs::read_to_string(path).unwrap(), "first");
}

#[test]
fn a_line_of_the_arguments_cannot_be_printed() {
    let line: crate::cli::arguments::CurlLine = "curl -u id:s3cr3t".parse().unwrap();
    assert!(!format!("{line:?}").contains("s3cr3t"));
}

/// Lines with a secret at different places.
const PLACES: [&str; 20] = [
    "curl URL -d grant_type=client_credentials -d client_id=id -d client_secret=SECRET",
    "curl URL -d 'grant_type=client_credentials&client_id=id&client_secret=SECRET'",
    "curl URL --data-urlencode grant_type=client_credentials --data-urlencode 'client_secret=SECRET'",
    "curl URL -d grant_type=client_credentials -u 'id:SECRET'",
    "curl URL -d grant_type=client_credentials -u 'SECRET:'",
    "curl URL -d grant_type=client_credentials -u 'SECRET'",
    "curl URL -d grant_type=client_credentials -H 'Authorization: Basic SECRET'",
    "curl URL -d grant_type=client_credentials -H 'Authorization: Bearer SECRET'",
    "curl URL -d grant_type=client_credentials --oauth2-bearer SECRET",
    "curl URL -d grant_type=client_credentials -H 'Cookie: a=SECRET' -b 'SECRET' --pass 'SECRET'",
    "curl URL -d grant_type=client_credentials -H 'X-Api-Key: SECRET'",
    "curl URL -d grant_type=client_credentials -d 'apiToken=SECRET'",
    "curl URL -d grant_type=password -d username=SECRET -d password=SECRET -d client_id=id",
    "curl URL -d grant_type=refresh_token -d refresh_token=SECRET -d client_id=id",
    "curl URL -d grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer -d assertion=SECRET",
    "curl URL -d grant_type=urn:ietf:params:oauth:grant-type:token-exchange -d subject_token=SECRET -d actor_token=SECRET",
    "curl URL --json '{\"grant_type\": \"client_credentials\", \"client_secret\": \"SECRET\"}'",
    "curl URL --json '{\"grant_type\": \"client_credentials\", \"client_secret\": [\"SECRET\"]}'",
    "curl https://id:SECRET@auth.example.com/token?client_secret=SECRET -d grant_type=client_credentials",
    "curl URL -d 'SECRET' -d grant_type=client_credentials -F SECRET --digest",
];

#[test]
fn lines_with_a_secret_are_read_without_showing_it() {
    let accepted = PLACES.iter().filter(|line| shown(line, "canary-0123").is_ok()).count();
    assert!(accepted >= 11, "{accepted}");
}

/// The output or the error for a line with this secret.
fn shown(line: &str, secret: &str) -> Result<String, String> {
    let line = line.replace("SECRET", secret).replace("URL", URL);
    let shown = manifests_of(&line, None, None).map_err(|error| error.to_string());
    let (Ok(text) | Err(text)) = &shown;
    assert!(!text.contains(secret), "{line}\n{text}");
    shown
}

proptest! {
    #[test]
    fn no_secret_is_shown(secret in "[A-Za-z0-9+/=_.~!-]{12,60}", place in 0..PLACES.len()) {
        let _ = shown(PLACES[place], &secret);
    }

    #[test]
    fn no_line_panics(
        text in ".{0,200}",
        shaped in "curl( (-[a-zA-Z]|--[a-z-]{1,10}|'[^']{0,20}'|https://[a-z.{}<>$?&=:@/]{0,30}|[a-z_]{1,8}=[^' ]{0,8})){0,12}",
    ) {
        let _ = (manifests_of(&text, None, None), manifests_of(&shaped, None, None));
    }
}
