//! A real Prometheus with the rules and queries of deploy/monitoring.
//!
//! Knows how Prometheus is started and queried, and where the files of the Prometheus Operator and of Grafana have rules and
//! queries. Must not know any metric.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Process, Program};
use crate::{assets, unique};

/// The deadline for the start of Prometheus, which takes two seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running Prometheus. Dropping this value ends the process.
pub struct Prometheus {
    process: Process,
    address: String,
    http: reqwest::Client,
    // Last, because the files must outlive the process.
    _directory: TempDir,
}

impl Prometheus {
    /// Starts a Prometheus that scrapes a process each second, as this endpoint of a `PodMonitor` requires, and evaluates
    /// these groups of rules. `target` has the labels that the operator would give the pod.
    pub async fn start(address: &str, target: &Value, endpoint: &Value, groups: &Value) -> Self {
        for _ in 0..3 {
            let prometheus = Self::spawn(address, target, endpoint, groups);
            match prometheus.await_ready().await {
                Ok(()) => return prometheus,
                Err(problem) if problem.contains("address already in use") => {}
                Err(problem) => panic!("{problem}"),
            }
        }
        panic!("three times in a row somebody else took the port chosen for Prometheus");
    }

    /// Starts a Prometheus that serves stored data and scrapes nothing. The data are not deleted.
    pub async fn on(data: &Path) -> Self {
        let configuration = json!({"global": {}});
        let prometheus = Self::run(&configuration, &json!({}), &data.display().to_string());
        prometheus.await_ready().await.unwrap_or_else(|problem| panic!("{problem}"));
        prometheus
    }

    fn spawn(scraped: &str, target: &Value, endpoint: &Value, groups: &Value) -> Self {
        // JSON is YAML.
        let configuration = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{
                "job_name": "scraped",
                "honor_labels": endpoint["honorLabels"],
                "metrics_path": endpoint["path"],
                "static_configs": [{"targets": [scraped], "labels": target}],
            }],
        });
        Self::run(&configuration, groups, "data")
    }

    fn run(configuration: &Value, groups: &Value, data: &str) -> Self {
        let directory =
            tempfile::Builder::new().prefix("prometheus-").tempdir().expect("a temporary directory");
        for (file, content) in [("prometheus.yaml", configuration), ("rules.yaml", groups)] {
            std::fs::write(directory.path().join(file), content.to_string())
                .expect("a file in our directory");
        }
        let address = format!("127.0.0.1:{}", unique::port());
        let arguments = vec![
            "--config.file=prometheus.yaml".into(),
            format!("--storage.tsdb.path={data}"),
            "--storage.tsdb.retention.time=100y".into(),
            format!("--web.listen-address={address}"),
        ];
        let binary = assets::prometheus().join("prometheus");
        let process = Process::start(Program::new(directory.path(), "prometheus", binary, arguments));
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build();
        Self { process, address, http: http.expect("an HTTP client"), _directory: directory }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The series that a query returns over a period, with one value for each step in seconds.
    pub async fn range(&self, expression: &str, times: Range<i64>, step: u32) -> Result<Vec<Value>, String> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", expression);
        let [start, end, step] = [times.start.to_string(), times.end.to_string(), step.to_string()];
        for (name, value) in [("start", start), ("end", end), ("step", step)] {
            form.append_pair(name, &value);
        }
        let data = self.get(&format!("/api/v1/query_range?{}", form.finish())).await?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }

    /// The series that a query returns now, or its error. A scalar is one series without labels.
    pub async fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        self.query_at(expression, None).await
    }

    /// The series that a query returns at a time in Unix seconds, now if there is none.
    pub async fn query_at(&self, expression: &str, time: Option<i64>) -> Result<Vec<Value>, String> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", expression);
        if let Some(time) = time {
            form.append_pair("time", &time.to_string());
        }
        let data = self.get(&format!("/api/v1/query?{}", form.finish())).await?;
        match data["resultType"].as_str() {
            Some("vector") => Ok(data["result"].as_array().cloned().unwrap_or_default()),
            Some("scalar") => Ok(vec![json!({"metric": {}, "value": data["result"]})]),
            other => Err(format!("a result of type {other:?}")),
        }
    }

    /// Each rule by its name: its health, and its last error if it has an error.
    pub async fn rules(&self) -> BTreeMap<String, (String, Option<String>)> {
        let data = self.get("/api/v1/rules").await.expect("the rules");
        let groups = data["groups"].as_array().into_iter().flatten();
        let rules = groups.flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default());
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        rules
            .map(|rule| {
                let health = text(&rule["health"]).unwrap_or_default();
                (text(&rule["name"]).unwrap_or_default(), (health, text(&rule["lastError"])))
            })
            .collect()
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        let url = format!("http://{}{path}", self.address);
        let response = self.http.get(&url).send().await.map_err(|error| format!("{error:?}"))?;
        let text = response.text().await.map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        if answer["status"] == "success" { Ok(answer["data"].clone()) } else { Err(text) }
    }

    async fn await_ready(&self) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let Err(last) = self.get("/api/v1/status/runtimeinfo").await else { return Ok(()) };
            if !self.process.is_running() || start.elapsed() > PATIENCE {
                return Err(format!(
                    "Prometheus does not answer: {last}. Its log ends:\n{}",
                    self.process.tail(20)
                ));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The `spec` of the one object in a manifest.
pub fn spec(file: &Path) -> Value {
    let objects = crate::manifest::load(file);
    assert_eq!(objects.len(), 1, "{}", file.display());
    objects[0].data["spec"].clone()
}

/// Every query of a dashboard, with variables filled in that select everything, and with windows of a minute.
pub fn queries(dashboard: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(dashboard).expect("the dashboard");
    let mut found = Vec::new();
    collect(&serde_json::from_str(&text).expect("JSON"), &mut found);
    found.iter().map(|query| filled_in(query, &[])).collect()
}

/// A query with these values of variables. The other variables get values that select everything, and windows of a minute.
pub fn filled_in(query: &str, values: &[(&str, &str)]) -> String {
    let all = [
        ("__rate_interval", "1m"),
        ("__range", "1m"),
        ("cluster", ".*"),
        ("namespace", ".*"),
        ("provider", ".*"),
    ];
    let query = values
        .iter()
        .chain(&all)
        .fold(query.to_owned(), |query, (name, value)| query.replace(&format!("${name}"), value));
    assert!(!query.contains('$'), "a variable nobody has filled in: {query}");
    query
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(query) if name == "expr" => found.push(query.clone()),
                    other => collect(other, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

/// The metrics and records with this prefix in a string, each once.
pub fn named(text: &str, prefix: &str) -> std::collections::BTreeSet<String> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':')
        .filter(|word| word.starts_with(prefix) && word.len() > prefix.len())
        .map(ToOwned::to_owned)
        .collect()
}
