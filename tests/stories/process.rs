//! The process: its endpoints, and how it ends.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use kube::api::DeleteParams;
use serde_json::{Value, json};
use tokensource::api::{ConditionType, TokenSource};
use tokensource_kit::controller::ControllerProcess;
use tokensource_kit::eventually;
use tokensource_kit::scripted_provider::Answer;

use crate::story::{SOON, Story, TOKEN, is};

pub(crate) async fn endpoints_tell_the_state(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("counted", &json!({})).await;
    story.ready("counted").await;
    let metrics = story.controller.metrics().await;
    for line in [
        "tokensource_renewals_total{result=\"success\",reason=\"TokenPending\"} 1",
        "tokensource_token_request_duration_seconds_count 1",
        "tokensource_build_info{version=",
        "tokensource_reconcile_errors_total{reason=\"WriteStatus\"} 0",
        "tokensource_queue_depth 0",
        "tokensource_token_requests_in_flight 0",
        "tokensource_providers_in_trouble 0",
        "tokensource_watch_working{namespace=\"\",kind=\"ClusterTokenProvider\"} 1",
        "tokensource_watch_working{namespace=\"\",kind=\"Namespace\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is missing from\n{metrics}");
    }
}

/// The series of one `TokenSource`, by the name without `tokensource_`.
async fn series(story: &Story, name: &str) -> BTreeMap<String, i64> {
    let labels = format!("{{namespace=\"{}\",name=\"{name}\",provider=\"localhost\"}} ", story.namespace);
    let metrics = story.controller.metrics().await;
    let ours = metrics.lines().filter_map(|line| line.split_once(&labels));
    ours.map(|(series, value)| {
        (series.trim_start_matches("tokensource_").to_owned(), value.parse().expect("whole seconds"))
    })
    .collect()
}

/// The expected values, from the status.
fn numbers(source: &TokenSource) -> BTreeMap<String, i64> {
    let status = source.status.clone().expect("a status");
    let times = [
        ("token_expiry_timestamp_seconds", status.expires_at),
        ("next_renewal_timestamp_seconds", status.renew_at),
    ];
    let times = times.into_iter().filter_map(|(series, time)| Some((series, time?.0.as_second())));
    let ready = i64::from(is(source, ConditionType::Ready, "True"));
    times
        .chain([("ready", ready), ("consecutive_failures", status.failures.into())])
        .map(|(series, value)| (series.to_owned(), value))
        .collect()
}

/// Waits until the series agree with the status: users can read a status a moment before the controller has read the answer
/// to its write.
async fn until_series(story: &Story, name: &str, expected: BTreeMap<String, i64>) -> BTreeMap<String, i64> {
    eventually("numbers as in the status", SOON, async || {
        let found = series(story, name).await;
        if found == expected { Ok(found) } else { Err(format!("{found:?} instead of {expected:?}")) }
    })
    .await
}

pub(crate) async fn each_source_has_its_numbers_while_it_is_there(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(30));
    story.ask("told", &json!({})).await;
    let source = story.ready("told").await;
    let first = until_series(story, "told", numbers(&source)).await;
    assert_eq!((first.len(), first["ready"], first["consecutive_failures"]), (4, 1, 0), "{first:?}");
    let now = chrono::Utc::now().timestamp();
    assert!(now < first["next_renewal_timestamp_seconds"], "{first:?}");
    assert!((now + 1..=now + 30).contains(&first["token_expiry_timestamp_seconds"]), "{first:?}");

    // The token is still valid after half of its lifetime, but was not renewed.
    story.provider.always(TOKEN, Answer::error(401, "invalid_client"));
    let source = story.failing("told", "InvalidClient").await;
    let failing = until_series(story, "told", numbers(&source)).await;
    assert_eq!((failing["ready"], failing["consecutive_failures"]), (1, 1));
    assert_eq!(failing["token_expiry_timestamp_seconds"], first["token_expiry_timestamp_seconds"]);

    // No token: no expiry and no renewal.
    story.apply(&story.source_for("bare", &json!({"credentialsRef": {"name": "nowhere"}}))).await;
    story.failing("bare", "CredentialsNotFound").await;
    let nothing = BTreeMap::from([("ready".to_owned(), 0), ("consecutive_failures".to_owned(), 0)]);
    until_series(story, "bare", nothing.clone()).await;

    story.sources().delete("told", &DeleteParams::default()).await.expect("deleted");
    eventually("no series of the deleted TokenSource", SOON, async || {
        let metrics = story.controller.metrics().await;
        if metrics.contains("name=\"told\"") { Err(metrics) } else { Ok(()) }
    })
    .await;
    assert_eq!(series(story, "bare").await, nothing, "the other TokenSource still has its series");
}

pub(crate) async fn numbers_of_each_source_can_be_switched_off(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("untold", &json!({})).await;
    story.ready("untold").await;
    assert_eq!(series(story, "untold").await.len(), 4);
    story.run_with(&["--allow-network", "127.0.0.0/8", "--no-object-metrics"]).await;
    let metrics = story.controller.metrics().await;
    assert!(!metrics.contains("untold") && !metrics.contains("tokensource_ready"), "{metrics}");
    assert!(metrics.contains("tokensource_queue_depth"), "series without a name must stay\n{metrics}");
}

pub(crate) async fn sigterm_lets_the_exchange_end(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600).after(Duration::from_secs(3)));
    story.ask("midway", &json!({})).await;
    story.asked(1).await;
    let status = story.controller.terminate().await;
    assert!(status.success(), "{status}");
    // The token of the request in flight was stored before the process ended.
    let token = story.value("midway-token", "access_token").await;
    assert_eq!(story.provider.issued(), [token]);
    story.controller.restart().await;
    story.ready("midway").await;
    story.asked_exactly(1).await;
}

/// Anyone who reaches the port can open such connections.
pub(crate) async fn half_open_clients_take_neither_memory_nor_probes(story: &mut Story) {
    let memory = || {
        let pid = story.controller.process().pid().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process of ours");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("its memory");
        line.split_whitespace()
            .nth(1)
            .and_then(|kibibytes| kibibytes.parse::<usize>().ok())
            .expect("a number")
    };
    let before = memory();
    let address = story.controller.address().to_owned();
    let attack = tokio::task::spawn_blocking(move || {
        let half = format!("GET /livez HTTP/1.1\r\nX-Padding: {}", "a".repeat(400_000));
        let connect = |_| {
            let mut client = std::net::TcpStream::connect(&address).expect("a connection");
            client.set_write_timeout(Some(Duration::from_millis(200))).expect("a deadline");
            // The server refuses the connection when it has too many connections.
            let _ = client.write_all(half.as_bytes());
            client
        };
        (0..1000).map(connect).collect::<Vec<_>>()
    });
    let clients = attack.await.expect("connections");
    let asked = Instant::now();
    story.controller.get("/livez").await.expect("an answer");
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    let grown = memory().saturating_sub(before);
    assert!(grown < 16 * 1024, "{} clients take {grown} KiB", clients.len());
}

/// The error of a controller that cannot start is JSON, too.
pub(crate) async fn last_line_is_json_where_lines_are_json(_: &mut Story) {
    let binary = Path::new(env!("CARGO_BIN_EXE_tokensource"));
    let nowhere = Path::new("/nonexistent/kubeconfig");
    let controller = ControllerProcess::spawn(binary, nowhere, &["--log-format", "json"], &[]);
    eventually(
        "its end",
        SOON,
        async || if controller.process().is_running() { Err("it runs") } else { Ok(()) },
    )
    .await;
    let log = controller.logs();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let last = lines.last().expect("a line");
    assert_eq!((&last["level"], &last["message"]), (&json!("ERROR"), &json!("Controller ended")), "{log}");
    assert!(last["detail"].as_str().is_some_and(|detail| detail.contains("kubeconfig")), "{log}");
}

pub(crate) async fn no_core_is_dumped(story: &mut Story) {
    let pid = story.controller.process().pid().expect("it runs");
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("a process of ours");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("the limit");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
}

/// The environment names a proxy that does not exist: commands and the controller reach the API server without it, and
/// tokens are requested without it, too.
pub(crate) async fn proxies_of_the_environment_cut_nobody_off(story: &mut Story) {
    let environment =
        ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"].map(|name| (name, "http://127.0.0.1:9"));
    story.run_in(&environment).await;
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("proxied", &json!({})).await;
    story.ready("proxied").await;
    let kubeconfig = story.world.plane().kubeconfig_for("admin");
    let mut command = tokio::process::Command::new(crate::people::PROGRAM);
    command.args(["status", "-n", &story.namespace]).env("KUBECONFIG", &kubeconfig).envs(environment);
    let said = crate::people::judged(command.output().await.expect("the program runs"));
    said.has(0, &["proxied", "TokenIssued"]);
    // If the kubeconfig itself names a proxy, the command uses it.
    let mut named: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&kubeconfig).expect("the kubeconfig")).expect("JSON");
    named["clusters"][0]["cluster"]["proxy-url"] = json!("http://127.0.0.1:9");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("kubeconfig");
    std::fs::write(&path, named.to_string()).expect("a file");
    let mut command = tokio::process::Command::new(crate::people::PROGRAM);
    command.args(["status", "-n", &story.namespace]).env("KUBECONFIG", &path);
    let said = crate::people::judged(command.output().await.expect("the program runs"));
    said.has(1, &["could not be listed"]);
    assert!(!said.all.contains("disabled feature"), "{}", said.all);
}
