//! Six hours of two clusters, as the series that their controllers and kubelets would export: one provider is down
//! for an hour, and another limits its rate at the end. Knows the names of the series; must not know a panel.

use std::collections::BTreeMap;
use std::fmt::Write;

/// 2026-01-01T00:00:00Z.
pub(crate) const START: i64 = 1_767_225_600;
pub(crate) const HOURS: i64 = 6;
/// Seconds between two scrapes.
pub(crate) const STEP: i64 = 60;
const BANK: &str = "login.bank.example";
const ADS: &str = "auth.ads.example";
/// The outages: the cluster, the provider that gives it no tokens, the time in seconds after the start, and the reason.
const TROUBLE: [(&str, &str, std::ops::Range<i64>, &str); 2] =
    [("west", BANK, 7200..10800, "ProviderUnavailable"), ("east", ADS, 20400..99999, "RateLimited")];

fn trouble(cluster: &str, provider: &str, now: i64) -> Option<&'static str> {
    let is_that = |(of, who, when, _): &&(&str, &str, std::ops::Range<i64>, &str)| {
        *of == cluster && *who == provider && when.contains(&now)
    };
    TROUBLE.iter().find(is_that).map(|(.., reason)| *reason)
}

struct Source {
    cluster: &'static str,
    namespace: &'static str,
    name: String,
    provider: &'static str,
    life: i64,
    expires: i64,
    renews: i64,
    failures: i64,
    reason: Option<&'static str>,
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    let providers = [("lending", BANK, 8, 0), ("ads", ADS, 5, 400), ("shop", "id.shop.example", 4, 800)];
    for (cluster, more) in [("east", 1), ("west", 2)] {
        for (namespace, provider, count, first) in providers {
            for number in 0..count * more {
                let life = if number % 3 == 0 { 1800 } else { 3600 };
                let expires = 600 + (number * 977 + first) % life;
                sources.push(Source {
                    cluster,
                    namespace,
                    name: format!("{namespace}-{number}"),
                    provider,
                    life,
                    expires,
                    renews: (expires - life / 4).max(0),
                    failures: 0,
                    reason: None,
                });
            }
        }
    }
    // The owner of these credentials has changed the password at the provider only.
    sources[2].reason = Some("InvalidClient");
    sources
}

/// Counters by their series.
#[derive(Default)]
struct Counters(BTreeMap<String, f64>);

impl Counters {
    fn add(&mut self, series: String, amount: f64) {
        *self.0.entry(series).or_default() += amount;
    }

    fn observe(&mut self, metric: &str, cluster: &str, bounds: &[&str], value: f64) {
        for bound in bounds {
            let is_below = bound.parse::<f64>().map_or(true, |bound| value <= bound);
            let series = format!("{metric}_bucket{{{},le=\"{bound}\"}}", pod(cluster, "a"));
            self.add(series, f64::from(u8::from(is_below)));
        }
        self.add(format!("{metric}_count{{{}}}", pod(cluster, "a")), 1.0);
    }
}

/// The labels that the scrape of a pod adds.
fn pod(cluster: &str, replica: &str) -> String {
    format!("cluster=\"{cluster}\",job=\"tokensource\",pod=\"{cluster}-{replica}\"")
}

/// All samples in the OpenMetrics format, for `promtool tsdb create-blocks-from openmetrics`.
pub(crate) fn samples() -> String {
    let mut text = String::new();
    let (mut sources, mut counters) = (sources(), Counters::default());
    for now in (0..=HOURS * 3600).step_by(STEP as usize) {
        let mut put = |series: &str, value: f64| writeln!(text, "{series} {value} {}", START + now).unwrap();
        for source in &mut sources {
            renew(source, now, &mut counters);
            for replica in ["a", "b"] {
                let labels = format!(
                    "{},namespace=\"{}\",name=\"{}\",provider=\"{}\"",
                    pod(source.cluster, replica),
                    source.namespace,
                    source.name,
                    source.provider
                );
                let mut gauge =
                    |name: &str, value: f64| put(&format!("tokensource_{name}{{{labels}}}"), value);
                gauge("ready", f64::from(u8::from(now < source.expires)));
                gauge("token_expiry_timestamp_seconds", (START + source.expires) as f64);
                gauge("next_renewal_timestamp_seconds", (START + source.renews) as f64);
                gauge("consecutive_failures", source.failures as f64);
                if let Some(reason) = source.reason {
                    put(&format!("tokensource_failure_reason{{{labels},reason=\"{reason}\"}}"), 1.0);
                }
            }
        }
        for cluster in ["east", "west"] {
            let failing =
                sources.iter().filter(|source| source.cluster == cluster && source.failures > 0).count();
            let is_down = [BANK, ADS].iter().any(|provider| trouble(cluster, provider, now).is_some());
            for (replica, leads) in [("a", 1.0), ("b", 0.0)] {
                let labels = pod(cluster, replica);
                let kubelet = format!(
                    "cluster=\"{cluster}\",container=\"controller\",namespace=\"system\",pod=\"{cluster}-{replica}\""
                );
                put(&format!("tokensource_leader{{{labels},namespace=\"system\"}}"), leads);
                put(&format!("tokensource_build_info{{{labels},version=\"1.4.2\"}}"), 1.0);
                put(
                    &format!("tokensource_queue_depth{{{labels}}}"),
                    if is_down { failing as f64 * leads } else { 0.0 },
                );
                put(
                    &format!("tokensource_token_requests_in_flight{{{labels}}}"),
                    leads * ((now / 60) % 2) as f64,
                );
                put(
                    &format!("tokensource_providers_in_trouble{{{labels}}}"),
                    f64::from(u8::from(is_down)) * leads,
                );
                put(
                    &format!("container_memory_working_set_bytes{{{kubelet}}}"),
                    9e6 + 1e6 * leads + (now % 1800) as f64 * 500.0,
                );
                put(
                    &format!("container_cpu_usage_seconds_total{{{kubelet}}}"),
                    now as f64 * (0.002 + 0.003 * leads),
                );
            }
            let errors =
                format!("tokensource_reconcile_errors_total{{{},reason=\"WriteStatus\"}}", pod(cluster, "a"));
            counters.add(errors, f64::from(u8::from((15_000..15_600).contains(&now))));
        }
        for (series, value) in &counters.0 {
            put(series, *value);
        }
    }
    text + "# EOF\n"
}

/// Does what the controller does with a TokenSource at this moment.
fn renew(source: &mut Source, now: i64, counters: &mut Counters) {
    if now < source.renews {
        return;
    }
    let labels = pod(source.cluster, "a");
    let mut count = |result: &str, reason: &str| {
        let series =
            format!("tokensource_renewals_total{{{labels},reason=\"{reason}\",result=\"{result}\"}}");
        counters.add(series, 1.0);
    };
    let trouble = trouble(source.cluster, source.provider, now);
    let reason = trouble.or(source.reason.filter(|reason| *reason == "InvalidClient"));
    source.reason = reason;
    if let Some(reason) = reason {
        count("failure", reason);
        source.failures += 1;
        source.renews = now + if trouble.is_some() { 300 } else { 3600 };
        return;
    }
    count("success", "RenewalDue");
    let due = source.expires - source.life / 4;
    let took = if source.provider == BANK { 0.4 } else { 0.08 };
    let requests = ["0.05", "0.1", "0.25", "0.5", "1.0", "+Inf"];
    let lateness = ["0.1", "0.5", "1.0", "15.0", "60.0", "300.0", "900.0", "3600.0", "+Inf"];
    counters.observe("tokensource_token_request_duration_seconds", source.cluster, &requests, took);
    let late = if source.failures > 0 { (now - due).max(0) as f64 } else { took };
    counters.observe("tokensource_renewal_lateness_seconds", source.cluster, &lateness, late);
    source.failures = 0;
    source.expires = now + source.life;
    source.renews = now + source.life * 3 / 4;
}
