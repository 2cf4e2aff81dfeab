//! Faulty answers and connections, with the real binary. Most come after one valid token: the valid token stays, the reason
//! is as in the table, other `TokenSource`s are served meanwhile, and memory is limited.

use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use tokensource::api::ConditionType;
use tokensource_kit::authority::Authority;
use tokensource_kit::scripted_provider::{Answer, ScriptedProvider};
use tokensource_kit::throughout;

use crate::story::{Story, TOKEN, condition, is, text};

const JSON: &str = "application/json";

/// A provider that became hostile, and the `TokenSource` with a valid token from it.
struct Victim {
    name: &'static str,
    provider: ScriptedProvider,
    good: Secret,
}

/// Requests a token that must be renewed within seconds; the scripted answer follows.
async fn victim(story: &Story, name: &'static str, then: Answer) -> Victim {
    let provider = ScriptedProvider::start(&story.world.authority);
    provider.answer(TOKEN, Answer::token(500));
    provider.always(TOKEN, then);
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "annotations": {"tokensource.dev/allowed-hosts": provider.host()}},
            "stringData": {"client_id": "the-client", "client_secret": "s3cr3t-of-the-client"},
        }))
        .await;
    let more = json!({
        "provider": {"tokenEndpoint": provider.url(TOKEN), "timeout": "1s"},
        "credentialsRef": {"name": name},
        "renewal": {"atPercentage": 1},
    });
    story.apply(&story.source_for(name, &more)).await;
    story.ready(name).await;
    let good = story.secret(&format!("{name}-token")).await;
    assert_eq!(text(&good, "access_token"), provider.issued()[0]);
    Victim { name, provider, good }
}

/// Waits for the reason of each victim, while a healthy neighbour is renewed and always Ready.
async fn suffer(story: &Story, victims: &[Victim], reasons: &[&str]) {
    let renewed = story.provider.count(TOKEN);
    let reasons_come = async {
        for (victim, reason) in victims.iter().zip(reasons) {
            let source = story.failing(victim.name, reason).await;
            assert!(
                is(&source, ConditionType::Ready, "True"),
                "{}: the token in it is still good",
                victim.name
            );
        }
    };
    let neighbour_is_served = throughout("the neighbour's readiness", Duration::from_secs(12), async || {
        if is(&story.source("neighbour").await, ConditionType::Ready, "True") {
            Ok(())
        } else {
            Err("not Ready")
        }
    });
    tokio::join!(reasons_come, neighbour_is_served);
    assert!(story.provider.count(TOKEN) > renewed, "the neighbour was renewed meanwhile");
    for Victim { name, good, .. } in victims {
        let now = story.secret(&format!("{name}-token")).await;
        assert_eq!(
            (&now.data, now.metadata.resource_version),
            (&good.data, good.metadata.resource_version.clone()),
            "{name}: byte for byte as it was"
        );
    }
}

async fn neighbour(story: &Story) {
    story.provider.always(TOKEN, Answer::token(14));
    story.ask("neighbour", &json!({})).await;
    story.ready("neighbour").await;
}

pub(crate) async fn good_tokens_survive_bad_answers(story: &mut Story) {
    neighbour(story).await;
    let before = memory(story, "VmRSS");
    let (mut victims, mut reasons) = (Vec::new(), Vec::new());
    for (name, answer, reason) in bad_answers() {
        victims.push(victim(story, name, answer).await);
        reasons.push(reason);
    }
    suffer(story, &victims, &reasons).await;
    let most = memory(story, "VmHWM");
    assert!(most < 3 * before, "memory grew from {before} to {most} KiB");
}

fn bad_answers() -> Vec<(&'static str, Answer, &'static str)> {
    let token = |token: &str| {
        Answer::json(200, &json!({"access_token": token, "token_type": "Bearer", "expires_in": 60}))
    };
    let nested = |depth: usize| {
        let body =
            format!("{{\"access_token\":\"nested-token\",\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        Answer::text(200, JSON, &body)
    };
    let garbage = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n";
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 400\r\n\r\n{\"a\":1}";
    vec![
        ("hang", Answer::hang(), "EndpointUnreachable"),
        ("drip", Answer::endless_drip(Duration::from_millis(50)), "MalformedResponse"),
        ("headers", Answer::endless_headers(), "EndpointUnreachable"),
        ("closed", Answer::close(), "EndpointUnreachable"),
        ("reset", Answer::reset(), "EndpointUnreachable"),
        ("cut", Answer::token(60).truncated(), "MalformedResponse"),
        ("chunks", Answer::raw(garbage.as_bytes()), "MalformedResponse"),
        ("lengths", Answer::raw(both.as_bytes()), "EndpointUnreachable"),
        ("ancient", Answer::raw(b"{\"access_token\":\"of-http-0.9\"}"), "EndpointUnreachable"),
        ("large", Answer::of_size(300 * 1024), "ResponseTooLarge"),
        ("endless", Answer::endless_body(), "ResponseTooLarge"),
        ("bomb", bomb(), "ResponseTooLarge"),
        (
            "brotli",
            Answer::bytes(200, JSON, b"\x0b\x02\x80{}\x03").header("Content-Encoding", "br"),
            "MalformedResponse",
        ),
        ("deep", nested(200), "MalformedResponse"),
        ("abyss", nested(100_000), "MalformedResponse"),
        (
            "html",
            Answer::text(200, "text/html", "<html><body>Please log in</body></html>"),
            "MalformedResponse",
        ),
        ("empty", Answer::status(200), "MalformedResponse"),
        ("crlf", token("a-token\r\nX-Injected: yes"), "MalformedResponse"),
        ("nul", token("a-token\u{0}with-nul"), "MalformedResponse"),
        ("huge", token(&"t".repeat(70_000)), "MalformedResponse"),
        (
            "past",
            Answer::json(200, &json!({"access_token": "token-of-the-past", "expires_in": -1})),
            "TokenAlreadyExpired",
        ),
        (
            "dpop",
            Answer::json(200, &json!({"access_token": "token-with-proof", "token_type": "DPoP"})),
            "UnsupportedTokenType",
        ),
        (
            "upgrade",
            Answer::raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"),
            "MalformedResponse",
        ),
    ]
}

pub(crate) async fn compressed_answer_is_read(story: &mut Story) {
    story.provider.always(TOKEN, Answer::gzip());
    story.ask("compressed", &json!({})).await;
    story.ready("compressed").await;
    let secret = story.secret("compressed-token").await;
    let token = secret.data.unwrap_or_default().remove("access_token").map(|value| value.0);
    assert_eq!(token.as_deref(), Some(b"a-token-in-gzip".as_slice()));
}

/// 200 KiB that decode to 200 MiB of white space.
fn bomb() -> Answer {
    let packed = Command::new("sh").args(["-c", "head -c 200M /dev/zero | tr '\\0' ' ' | gzip -9"]).output();
    let packed = packed.expect("gzip").stdout;
    assert!((100_000..256_000).contains(&packed.len()), "{} bytes", packed.len());
    Answer::bytes(200, JSON, &packed).header("Content-Encoding", "gzip")
}

pub(crate) async fn good_tokens_survive_bad_connections(story: &mut Story) {
    neighbour(story).await;
    let names = ["stranger", "expired", "other-name", "plain-http", "half-hello", "noise", "silent", "down"];
    let authority = &story.world.authority;
    // The first bytes of a ServerHello that announces 122 bytes and ends.
    let half_hello = [0x16, 0x03, 0x03, 0x00, 0x7a, 0x02, 0x00, 0x00, 0x76, 0x03, 0x03];
    let (mut victims, mut reasons) = (Vec::new(), Vec::new());
    for name in names {
        let mut victim = victim(story, name, Answer::token(500)).await;
        let provider = &mut victim.provider;
        provider.go_down();
        reasons.push(match name {
            "stranger" => {
                provider.come_back_as(Authority::new("A stranger").issue(&["localhost"]));
                "TLSVerificationFailed"
            }
            "expired" => {
                provider.come_back_as(authority.issue_expired(&["localhost"]));
                "TLSVerificationFailed"
            }
            "other-name" => {
                provider.come_back_as(authority.issue(&["other.example"]));
                "TLSVerificationFailed"
            }
            "plain-http" => {
                provider.come_back_without_tls(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
                "TLSVerificationFailed"
            }
            "noise" => {
                provider.come_back_without_tls(&[0xff; 512]);
                "TLSVerificationFailed"
            }
            "half-hello" => {
                provider.come_back_without_tls(&half_hello);
                "EndpointUnreachable"
            }
            "silent" => {
                provider.come_back_without_tls(b"");
                "EndpointUnreachable"
            }
            _ => "EndpointUnreachable",
        });
        victims.push(victim);
    }
    suffer(story, &victims, &reasons).await;
    for Victim { name, provider, .. } in &victims {
        assert_eq!(
            provider.count(TOKEN),
            1,
            "{name}: a request was sent over a connection without a verified certificate"
        );
    }
}

/// Implausible lifetimes, and answers in the form of HTTP/1.0, are read as well as possible.
pub(crate) async fn odd_lifetimes_are_read_or_assumed(story: &mut Story) {
    let token = |name: &str, expiry: Value| {
        let mut body = json!({"access_token": format!("a-token-for-{name}"), "token_type": "Bearer"});
        if !expiry.is_null() {
            body["expires_in"] = expiry;
        }
        body
    };
    let old_fashioned =
        format!("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n{}", token("http10", json!(3600)));
    let ten_years = 315_360_000;
    let cases = [
        ("missing", Answer::json(200, &token("missing", json!(null))), 3600, "ExpiryAssumed"),
        (
            "absurd",
            Answer::json(200, &token("absurd", json!(1_767_225_600_000_000_000_i64))),
            3600,
            "UnusableExpiry",
        ),
        ("words", Answer::json(200, &token("words", json!("for ever"))), 3600, "UnusableExpiry"),
        ("far", Answer::json(200, &token("far", json!("999999999"))), ten_years, "Capped"),
        ("http10", Answer::raw(old_fashioned.as_bytes()), 3600, ""),
    ];
    story.credentials("client", "s3cr3t-of-the-client").await;
    for (name, answer, life, notice) in cases {
        let path = format!("/{name}");
        story.provider.always(&path, answer);
        let endpoint = json!({"provider": {"tokenEndpoint": story.provider.url(&path)}});
        story.apply(&story.source_for(name, &endpoint)).await;
        let source = story.ready(name).await;
        let (_, _, message) = condition(&source, ConditionType::Renewed).unwrap();
        assert!(message.contains(notice), "{name}: {message}");
        let status = source.status.unwrap();
        let found = status.expires_at.unwrap().0.as_second() - status.issued_at.unwrap().0.as_second();
        assert_eq!(found, life, "{name}");
        assert_eq!(
            story.value(&format!("{name}-token"), "access_token").await,
            format!("a-token-for-{name}")
        );
    }
}

/// The controller's resident memory in KiB, now (`VmRSS`) or at its maximum (`VmHWM`).
fn memory(story: &Story, which: &str) -> u64 {
    story.controller.process().memory(which).expect("it runs")
}
