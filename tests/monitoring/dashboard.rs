//! The dashboard on two invented clusters, in a real Prometheus: every panel shows something, and each variable acts on it.
//! There is no Grafana here. `picture` draws the results of the panels' queries:
//!
//!   PICTURES=docs/pictures cargo test --test monitoring -- dashboard
//!
//! Knows the structure of a dashboard; must not know a metric.

use std::process::Command;

use serde_json::{Value, json};
use tokensource_kit::assets;
use tokensource_kit::prometheus::{Prometheus, filled_in};
use tokensource_kit::shipped::repository;

use crate::{fleet, picture};

/// The records of the shipped rules are computed for the past, too.
async fn prometheus(data: &std::path::Path) -> Prometheus {
    let promtool = |arguments: &[&str]| {
        let output = Command::new(assets::prometheus().join("promtool"))
            .args(arguments)
            .current_dir(data)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::write(data.join("samples"), fleet::samples()).unwrap();
    promtool(&["tsdb", "create-blocks-from", "openmetrics", "--quiet", "samples", "."]);
    let records: Vec<_> = crate::groups()
        .as_array()
        .unwrap()
        .iter()
        .filter(|group| group["name"] == "tokensource-records")
        .cloned()
        .collect();
    std::fs::write(data.join("records.yaml"), json!({"groups": records}).to_string()).unwrap();
    {
        let raw = Prometheus::on(data).await;
        let [start, end] = [fleet::START, fleet::START + fleet::HOURS * 3600].map(|time| time.to_string());
        let url = raw.url();
        let times =
            ["--start", &start, "--end", &end, "--eval-interval", "60s", "--url", &url, "--output-dir", "."];
        promtool(&[&["tsdb", "create-blocks-from", "rules"], times.as_slice(), &["records.yaml"]].concat());
    }
    Prometheus::on(data).await
}

fn panels() -> Vec<Value> {
    let text = std::fs::read_to_string(repository().join("deploy/monitoring/dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    dashboard["panels"].as_array().unwrap().clone()
}

/// A panel's series for these values of variables, by target.
async fn series(prometheus: &Prometheus, panel: &Value, values: &[(&str, &str)]) -> Vec<Vec<Value>> {
    let end = fleet::START + fleet::HOURS * 3600;
    let times = [("__rate_interval", "10m"), ("__range", "6h")];
    let values = [values, times.as_slice()].concat();
    let mut found = Vec::new();
    for target in panel["targets"].as_array().into_iter().flatten() {
        let query = filled_in(target["expr"].as_str().unwrap(), &values);
        let result = if panel["type"] == "timeseries" {
            prometheus.range(&query, fleet::START..end, 240).await
        } else {
            prometheus.query_at(&query, Some(end)).await
        };
        found.push(result.unwrap_or_else(|error| panic!("{query}: {error}")));
    }
    found
}

/// Whether a series has a value that is neither 0 nor NaN.
fn shows_something(series: &[Vec<Value>]) -> bool {
    let single =
        |one: &Value| one["values"].as_array().cloned().unwrap_or_else(|| vec![one["value"].clone()]);
    let mut values = series.iter().flatten().flat_map(single);
    values.any(|value| !["0", "NaN"].contains(&value[1].as_str().unwrap()))
}

#[tokio::test]
async fn every_panel_shows_the_fleet_and_every_variable_acts_on_it() {
    let data = tempfile::tempdir().unwrap();
    let prometheus = prometheus(data.path()).await;
    let mut drawn = Vec::new();
    for panel in panels() {
        let all = series(&prometheus, &panel, &[]).await;
        if panel["type"] != "row" {
            let title = &panel["title"];
            // At the end of the six hours no renewal is late.
            assert!(shows_something(&all) || title == "Overdue", "{title}: {all:?}");
            for variable in ["cluster", "namespace", "provider"] {
                let nothing = series(&prometheus, &panel, &[(variable, "nowhere")]).await;
                assert!(!shows_something(&nothing), "{variable} does not act on {title}: {nothing:?}");
            }
        }
        drawn.push((panel, all));
    }
    if let Some(directory) = std::env::var_os("PICTURES") {
        std::fs::write(repository().join(directory).join("dashboard.svg"), picture::draw(&drawn)).unwrap();
    }
}

#[test]
fn the_committed_picture_has_every_panel() {
    let picture = std::fs::read_to_string(repository().join("docs/pictures/dashboard.svg")).unwrap();
    for panel in panels() {
        let title = panel["title"].as_str().unwrap();
        assert!(picture.contains(&format!(">{title}</text>")), "run the command in dashboard.rs: no {title}");
    }
}
