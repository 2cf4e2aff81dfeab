//! Measures a process and the API server: CPU time and memory from /proc, requests and watch traffic from the server's own
//! metrics. Must not know the use of the figures.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use kube::Client;
use tokensource_kit::process::Process;

/// The unit in which the kernel counts CPU time (`getconf CLK_TCK`, 100 on every Linux that Kubernetes runs on).
const TICK: Duration = Duration::from_millis(10);

/// The CPU time that a process has taken so far, in user and in kernel mode.
pub(crate) fn cpu(process: &Process) -> Duration {
    let pid = process.pid().expect("the process that is measured runs");
    cpu_of(&format!("/proc/{pid}/stat"))
}

/// The CPU time of the threads with this name in this process.
pub(crate) fn cpu_of_threads(name: &str) -> Duration {
    let tasks = fs::read_dir("/proc/self/task").expect("this process's threads");
    let called = |task: &fs::DirEntry| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    tasks.flatten().filter(called).map(|task| cpu_of(&task.path().join("stat").display().to_string())).sum()
}

fn cpu_of(stat: &str) -> Duration {
    let text = fs::read_to_string(stat).unwrap_or_default();
    // The name, in parentheses, may contain anything; user and system time are the 12th and 13th field after the name.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u32 = [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u32>().ok()).sum();
    TICK * ticks
}

/// Resident memory in bytes: now, and the most so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) now: f64,
    pub(crate) peak: f64,
}

pub(crate) fn memory(process: &Process) -> Memory {
    let find = |figure: &str| {
        let kib = process.memory(figure).and_then(|kib| u32::try_from(kib).ok());
        f64::from(kib.expect("the process that is measured runs")) * 1024.0
    };
    Memory { now: find("VmRSS"), peak: find("VmHWM") }
}

/// The counters of the API server so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Server {
    requests: BTreeMap<String, f64>,
    pub(crate) watch_events: f64,
    pub(crate) watch_bytes: f64,
}

/// The resources whose requests are counted. Resources that only the API server itself requests are left out.
const RESOURCES: [&str; 6] =
    ["secrets", "tokensources", "events", "tokenproviders", "clustertokenproviders", "configmaps"];
/// The resources whose watch traffic is counted.
const WATCHED: [&str; 2] = ["secrets", "tokensources"];

impl Server {
    pub(crate) async fn read(client: &Client) -> Self {
        let request = http_get("/metrics");
        let text = client.request_text(request).await.unwrap_or_else(|error| panic!("/metrics: {error}"));
        let mut server = Self::default();
        for line in text.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            let label = |name: &str| labelled(series, name).unwrap_or_default();
            match series.split('{').next().unwrap_or_default() {
                "apiserver_request_total" if RESOURCES.contains(&label("resource")) => {
                    let subresource = Some(label("subresource")).filter(|name| !name.is_empty());
                    let subresource = subresource.map(|name| format!("/{name}")).unwrap_or_default();
                    let key = format!("{} {}{subresource}", label("verb"), label("resource"));
                    *server.requests.entry(key).or_default() += value;
                }
                "apiserver_watch_events_sizes_sum" if WATCHED.contains(&label("resource")) => {
                    server.watch_bytes += value;
                }
                "apiserver_watch_events_sizes_count" if WATCHED.contains(&label("resource")) => {
                    server.watch_events += value;
                }
                _ => {}
            }
        }
        server
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        let difference = |(key, value): (&String, &f64)| {
            let more = value - before.requests.get(key).copied().unwrap_or_default();
            (more > 0.0).then(|| (key.clone(), more))
        };
        Self {
            requests: self.requests.iter().filter_map(difference).collect(),
            watch_events: self.watch_events - before.watch_events,
            watch_bytes: self.watch_bytes - before.watch_bytes,
        }
    }

    /// Requests that change something.
    pub(crate) fn writes(&self) -> f64 {
        self.sum(|verb| matches!(verb, "POST" | "PUT" | "PATCH" | "APPLY" | "DELETE"))
    }

    /// Requests that read one object, or a list; watches are long and few.
    pub(crate) fn reads(&self) -> f64 {
        self.sum(|verb| matches!(verb, "GET" | "LIST"))
    }

    fn sum(&self, counts: impl Fn(&str) -> bool) -> f64 {
        let verb = |key: &str| key.split(' ').next().unwrap_or_default().to_owned();
        self.requests.iter().filter(|(key, _)| counts(&verb(key))).fold(0.0, |sum, (_, value)| sum + value)
    }

    /// The requests for each of `many` objects, `0.98 GET secrets, …`, without watches and requests rarer than one in 200.
    pub(crate) fn each(&self, many: f64) -> String {
        let shown = |(key, value): (&String, &f64)| {
            let each = value / many;
            (each >= 0.005 && !key.starts_with("WATCH")).then(|| format!("{each:.2} {key}"))
        };
        self.requests.iter().filter_map(shown).collect::<Vec<_>>().join(", ")
    }
}

fn labelled<'a>(series: &'a str, name: &str) -> Option<&'a str> {
    let from = series.split([',', '{']).find_map(|part| part.strip_prefix(name)?.strip_prefix("=\""))?;
    from.split('"').next()
}

fn http_get(path: &str) -> http::Request<Vec<u8>> {
    http::Request::get(path).body(Vec::new()).expect("a path of our own")
}
