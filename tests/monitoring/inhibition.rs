//! The example for Alertmanager, run by a real Alertmanager on alerts as the rules make them. Knows how Alertmanager is queried;
//! must not know when an alert fires.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokensource_kit::process::{Process, Program};
use tokensource_kit::shipped::repository;
use tokensource_kit::{assets, eventually, unique};

const EXAMPLE: &str = "deploy/alertmanager/alertmanager.yaml";

fn alert(name: &str, severity: &str, cluster: Option<&str>, provider: &str, source: Option<&str>) -> Value {
    let mut labels = json!({"alertname": name, "severity": severity, "provider": provider});
    if let Some(cluster) = cluster {
        labels["cluster"] = json!(cluster);
    }
    if let Some(source) = source {
        labels["namespace"] = json!("a");
        labels["name"] = json!(source);
    }
    json!({"labels": labels})
}

/// Checks which alerts notify somebody: each as its name, severity, cluster and provider.
async fn assert_notifying(alerts: &[Value], expected: &[String]) {
    let expected: &BTreeSet<String> = &expected.iter().cloned().collect();
    let directory = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", unique::port());
    let _process = Process::start(Program {
        name: "alertmanager".into(),
        binary: assets::alertmanager().join("alertmanager"),
        arguments: vec![
            format!("--config.file={}", repository().join(EXAMPLE).display()),
            format!("--storage.path={}", directory.path().display()),
            "--cluster.listen-address=".into(),
            format!("--web.listen-address={address}"),
        ],
        environment: Vec::new(),
        directory: assets::alertmanager().to_owned(),
        log: directory.path().join("alertmanager.log"),
    });
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
    let url = format!("http://{address}/api/v2/alerts");
    eventually("Alertmanager takes the alerts", Duration::from_secs(60), async || {
        let request =
            http.post(&url).header("content-type", "application/json").body(json!(alerts).to_string());
        let sent = request.send().await.map_err(|error| error.to_string())?;
        sent.error_for_status().map(drop).map_err(|error| error.to_string())
    })
    .await;
    // The inhibitor learns of an alert a moment later.
    eventually("exactly these alerts notify somebody", Duration::from_secs(20), async || {
        let answer = http.get(&url).send().await.map_err(|error| error.to_string())?;
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let found: Vec<Value> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let active = found.iter().filter(|alert| alert["status"]["state"] == "active").map(|alert| {
            let labels = ["alertname", "severity", "cluster", "provider"];
            labels.map(|label| alert["labels"][label].as_str().unwrap_or("-")).join(" ")
        });
        let active: BTreeSet<String> = active.collect();
        if found.len() == alerts.len() && active == *expected { Ok(()) } else { Err(format!("{active:#?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_provider_in_trouble_inhibits_the_alerts_of_its_tokens_and_no_others() {
    for cluster in [Some("one"), None] {
        let name = cluster.unwrap_or("-");
        let alerts = [
            alert("TokenProviderInTrouble", "warning", cluster, "p", None),
            alert("TokenRenewalFailing", "warning", cluster, "p", Some("x")),
            alert("TokenOverdue", "warning", cluster, "p", Some("y")),
            alert("TokenNotReady", "warning", cluster, "p", Some("y")),
            // Not inhibited: an alert that is more severe than the provider's, alerts of another provider and of another
            // cluster, and an alert that is not about a token.
            alert("TokenExpired", "critical", cluster, "p", Some("z")),
            alert("TokenRenewalFailing", "warning", cluster, "q", Some("x")),
            alert("TokenRenewalFailing", "warning", Some("two"), "p", Some("x")),
            alert("TokenSourceNotLeading", "critical", cluster, "p", None),
        ];
        let expected = [
            format!("TokenProviderInTrouble warning {name} p"),
            format!("TokenExpired critical {name} p"),
            format!("TokenRenewalFailing warning {name} q"),
            "TokenRenewalFailing warning two p".to_owned(),
            format!("TokenSourceNotLeading critical {name} p"),
        ];
        assert_notifying(&alerts, &expected).await;
    }
}

#[tokio::test]
async fn once_tokens_have_expired_the_critical_alert_of_the_provider_is_the_only_one() {
    let alerts = [
        alert("TokenProviderInTrouble", "warning", Some("one"), "p", None),
        alert("TokenProviderInTrouble", "critical", Some("one"), "p", None),
        alert("TokenExpired", "critical", Some("one"), "p", Some("x")),
        alert("TokenRenewalFailing", "warning", Some("one"), "p", Some("x")),
    ];
    assert_notifying(&alerts, &["TokenProviderInTrouble critical one p".to_owned()]).await;
}

#[test]
fn amtool_finds_no_fault_and_the_page_quotes_the_rules() {
    let output = Command::new(assets::alertmanager().join("amtool"))
        .args(["check-config", EXAMPLE])
        .current_dir(repository())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("2 inhibit rules"), "{said}");
    let read = |file: &str| std::fs::read_to_string(repository().join(file)).unwrap();
    let (example, page) = (read(EXAMPLE), read("docs/metrics.md"));
    let (_, rules) = example.split_once("inhibit_rules:").unwrap();
    let rules: Vec<_> = rules.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(page.contains(&rules.join("\n")), "docs/metrics.md does not quote {EXAMPLE}");
}
