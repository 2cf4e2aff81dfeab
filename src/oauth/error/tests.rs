//! Every error has a reason, a retry class and a text. Errors of a host that only the author of the spec named look alike.

use super::*;

const HOST: &str = "auth.example.com";

fn answered(status: u16, correlation: Option<&str>) -> ResponseInfo {
    ResponseInfo { host: HOST.into(), status, correlation: correlation.map(str::to_owned) }
}

fn refusal() -> Refusal {
    Refusal {
        response: answered(401, None),
        reason: Reason::InvalidClient,
        retry: Retry::TERMINAL,
        code: None,
        unlisted: false,
        description: None,
        retry_after: Some(Duration::from_secs(7)),
    }
}

fn examples() -> Vec<(Error, Reason, Retry, &'static str)> {
    let five_minutes = Retry::Transient { floor: Duration::from_secs(300) };
    let response = || Box::new(answered(200, Some("abc")));
    vec![
        (
            Error::credential("`client_secret` is not UTF-8"),
            Reason::CredentialsInvalid,
            Retry::TERMINAL,
            "a credential cannot be used: `client_secret` is not UTF-8",
        ),
        (
            Error::spec("`issuer` and `tokenEndpoint` exclude each other"),
            Reason::InvalidSpec,
            Retry::TERMINAL,
            "the spec cannot be carried out: `issuer` and `tokenEndpoint` exclude each other",
        ),
        (
            Error::not_allowed(HOST, "it is a loopback address"),
            Reason::EndpointNotAllowed,
            Retry::TERMINAL,
            "auth.example.com must not be contacted: it is a loopback address",
        ),
        (
            Error::unreachable(HOST, NetworkFault::Connection(std::io::ErrorKind::ConnectionRefused)),
            Reason::EndpointUnreachable,
            Retry::TRANSIENT,
            "auth.example.com could not be reached: connection refused",
        ),
        (
            Error::tls(HOST, TlsFault::Expired),
            Reason::TLSVerificationFailed,
            five_minutes,
            "the TLS connection to auth.example.com was not accepted: its certificate has expired",
        ),
        (
            Error::proxy(HOST, "proxy.example:3128", ProxyFault::Authentication),
            Reason::ProxyError,
            five_minutes,
            "auth.example.com was not reached: the proxy proxy.example:3128 asked for other credentials (407): check \
             `--proxy-credentials-file`",
        ),
        (
            Error::proxy(HOST, "proxy.example:3128", ProxyFault::Tls(TlsFault::Expired)),
            Reason::ProxyError,
            five_minutes,
            "auth.example.com was not reached: the proxy proxy.example:3128 failed in its own TLS, which is checked with \
             the authorities of the controller's system, not with `tls.caBundle`: its certificate has expired",
        ),
        (
            Error::proxy(HOST, "proxy.example:3128", ProxyFault::Timeout),
            Reason::ProxyError,
            Retry::TRANSIENT,
            "auth.example.com was not reached: the proxy proxy.example:3128 gave no connection within 5 seconds; see the \
             proxy's log",
        ),
        (
            Error::Redirect { host: HOST.into(), status: 307 },
            Reason::UnexpectedRedirect,
            Retry::TERMINAL,
            "auth.example.com answered 307, a redirect, which is not followed: correct the URL",
        ),
        (
            Error::too_large(HOST),
            Reason::ResponseTooLarge,
            Retry::Wasteful,
            "auth.example.com sent more than 256 KiB",
        ),
        (
            Error::Malformed { response: response(), defect: Defect::Empty },
            Reason::MalformedResponse,
            Retry::Wasteful,
            "auth.example.com answered 200 (request id abc), but the body is empty",
        ),
        (
            Error::AlreadyExpired { response: response() },
            Reason::TokenAlreadyExpired,
            Retry::Wasteful,
            "auth.example.com answered 200 (request id abc) with a token that had expired on arrival: check both \
             clocks and `response.expiry`",
        ),
        (
            Error::UnsupportedTokenType { response: response(), scheme: Scheme::of("dPoP") },
            Reason::UnsupportedTokenType,
            Retry::TERMINAL,
            "auth.example.com answered 200 (request id abc) with a token of type `DPoP`, which needs a proof with \
             every request; switch it off for this client at the provider",
        ),
        (
            Error::Refused(Box::new(refusal())),
            Reason::InvalidClient,
            Retry::TERMINAL,
            "auth.example.com answered 401",
        ),
    ]
}

#[test]
fn every_error_has_its_reason_retry_class_and_text() {
    for (error, reason, retry, text) in examples() {
        assert_eq!(error.to_string(), text);
        assert_eq!((error.reason(), error.retry()), (reason, retry), "{text}");
        assert!(std::error::Error::source(&error).is_none(), "{text}");
    }
}

#[test]
fn only_a_refusal_has_a_retry_after() {
    for (error, ..) in examples() {
        let refused = matches!(error, Error::Refused(_));
        assert_eq!(error.retry_after(), refused.then_some(Duration::from_secs(7)), "{error}");
    }
}

#[test]
fn text_of_a_refusal_has_status_code_description_and_id() {
    let full = Refusal {
        response: answered(401, Some("abc")),
        code: Some("invalid_client".into()),
        description: Some("Unknown client".into()),
        ..refusal()
    };
    let text = "auth.example.com answered 401 invalid_client: \"Unknown client\" (request id abc)";
    assert_eq!(Error::Refused(Box::new(full)).to_string(), text);
}

#[test]
fn refusal_that_demands_dpop_says_to_switch_it_off() {
    let demands = Refusal {
        response: answered(400, Some("abc")),
        reason: Reason::UnsupportedTokenType,
        code: Some("invalid_dpop_proof".into()),
        ..refusal()
    };
    let text = "auth.example.com answered 400 invalid_dpop_proof (request id abc); DPoP is not supported: switch it off \
                for this client at the provider";
    assert_eq!(Error::Refused(Box::new(demands)).to_string(), text);
}

#[test]
fn every_fault_has_a_text_of_its_own() {
    let texts = [
        NetworkFault::NameResolution.to_string(),
        NetworkFault::Interrupted.to_string(),
        NetworkFault::Deadline.to_string(),
        ProxyFault::Authentication.to_string(),
        ProxyFault::Credentials(CredentialsFault::Unreadable).to_string(),
        ProxyFault::Credentials(CredentialsFault::TooLong).to_string(),
        ProxyFault::Credentials(CredentialsFault::Format).to_string(),
        ProxyFault::SameHost.to_string(),
        ProxyFault::Refused.to_string(),
        ProxyFault::NameResolution.to_string(),
        ProxyFault::Interrupted.to_string(),
        ProxyFault::Timeout.to_string(),
        ProxyFault::Tls(TlsFault::UnknownIssuer).to_string(),
        TlsFault::UnknownIssuer.to_string(),
        TlsFault::WrongName.to_string(),
        TlsFault::NotYetValid.to_string(),
        TlsFault::Revoked.to_string(),
        TlsFault::Unusable.to_string(),
        TlsFault::Handshake.to_string(),
        Scheme::of("MAC").to_string(),
        Scheme::of("N_A").to_string(),
        Scheme::of("Application Access Token").to_string(),
        Defect::Encoded.to_string(),
        Defect::NotAnAnswer.to_string(),
        Defect::BrokenJson.to_string(),
        Defect::NoToken.to_string(),
        Defect::BadToken.to_string(),
        Defect::OtherTokenType.to_string(),
        Defect::BadStatus.to_string(),
    ];
    let distinct: std::collections::BTreeSet<_> = texts.iter().collect();
    assert_eq!(distinct.len(), texts.len());
}

#[test]
fn response_that_could_not_be_read_is_not_blamed_for_its_status() {
    let shown = Error::unreadable("a.example", 400).to_string();
    assert_eq!(shown, "a.example answered 400, but the body is neither a JSON object nor a form");
}

/// If only the author of the spec has named the host, the status must not distinguish a closed port from a wrong
/// certificate, an unknown name, a forbidden address, or a service that is not an authorization server.
#[test]
fn all_errors_of_an_unbound_host_look_the_same() {
    let unlisted = Refusal { reason: Reason::AccessDenied, response: answered(403, None), ..refusal() };
    let faults = [
        Error::unreachable(HOST, NetworkFault::NameResolution),
        Error::unreachable(HOST, NetworkFault::Connection(std::io::ErrorKind::ConnectionRefused)),
        Error::unreachable(HOST, NetworkFault::Interrupted),
        Error::unreachable(HOST, NetworkFault::Deadline),
        Error::proxy(HOST, "proxy.example:3128", ProxyFault::Refused),
        Error::proxy(HOST, "proxy.example:3128", ProxyFault::Timeout),
        Error::tls(HOST, TlsFault::UnknownIssuer),
        Error::tls(HOST, TlsFault::WrongName),
        Error::tls(HOST, TlsFault::Handshake),
        Error::address_not_allowed(HOST, "its name resolves to a loopback address"),
        Error::Redirect { host: HOST.into(), status: 302 },
        Error::too_large(HOST),
        Error::discovery(HOST, "it answered 404 where metadata should be"),
        Error::IssuerMismatch { host: HOST.into() },
        Error::Malformed { response: Box::new(answered(200, None)), defect: Defect::NoToken },
        Error::Malformed { response: Box::new(answered(200, None)), defect: Defect::NotAnAnswer },
        Error::Refused(Box::new(unlisted)),
    ];
    let expected = Error::unreachable(HOST, NetworkFault::Withheld);
    for fault in faults {
        let withheld = fault.clone().withheld();
        assert_eq!(withheld, expected, "{fault}");
        assert_eq!((withheld.retry(), withheld.retry_after()), (Retry::TRANSIENT, None));
    }
    let from_an_authorization_server = Refusal { code: Some("invalid_client".into()), ..refusal() };
    for kept in [
        Error::not_allowed(HOST, "it is a loopback address"),
        Error::spec("`issuer` and `tokenEndpoint` exclude each other"),
        Error::credential("`client_secret` is not UTF-8"),
        Error::Refused(Box::new(from_an_authorization_server)),
        Error::Refused(Box::new(Refusal { reason: Reason::RateLimited, ..refusal() })),
    ] {
        assert_eq!(kept.clone().withheld(), kept);
    }
}
