//! The laws, and the check of the observations. Knows figures; must not know how they were observed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use chrono::TimeDelta;
use libtest_mimic::{Failed, Trial};
use tokensource_kit::scripted_provider::ScriptedProvider;
use tokensource_kit::shipped::repository;
use tokensource_kit::{canaries, manifest};

use crate::witness::{Time, Witness};
use crate::world::{LIFE, TOKEN, VICTIMS, World, target_of};

/// The maximum delay of a renewal.
const LATEST: TimeDelta = TimeDelta::seconds(5);

/// The laws; the head of `main` explains them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Law {
    Process,
    Expiry,
    Lateness,
    Livez,
    Memory,
    SecondReplica,
    Secrets,
    Forgery,
    Innocents,
}

#[derive(Clone, Debug)]
pub(crate) struct Breach {
    pub(crate) law: Law,
    pub(crate) what: String,
}

/// The breaches as lines for a person: the first few of each law.
pub(crate) fn list(breaches: &[Breach]) -> String {
    let mut lines = Vec::new();
    for (law, found) in by_law(breaches) {
        lines.push(format!("{law:?}: {} times", found.len()));
        lines.extend(found.iter().take(8).map(|breach| format!("  {}", breach.what)));
    }
    lines.join("\n")
}

/// The cell of a table: the broken laws, each with its first case.
pub(crate) fn row(breaches: &[Breach]) -> String {
    let laws = by_law(breaches);
    let cells = laws.iter().map(|(law, found)| format!("{law:?} ({}): {}", found.len(), found[0].what));
    let text = cells.collect::<Vec<_>>().join("; ");
    if text.is_empty() { "none".to_owned() } else { text.replace('\n', " ") }
}

fn by_law(breaches: &[Breach]) -> BTreeMap<Law, Vec<&Breach>> {
    let mut laws: BTreeMap<Law, Vec<&Breach>> = BTreeMap::new();
    for breach in breaches {
        laws.entry(breach.law).or_default().push(breach);
    }
    laws
}

/// Checks the observations of the victim with the first two laws, and prints the figures.
pub(crate) fn judge(world: &World, witness: &Witness, end: Time) -> Vec<Breach> {
    let (sights, mut breaches) = (witness.sights(), Vec::new());
    let mut requests: BTreeMap<String, Vec<Time>> = BTreeMap::new();
    for provider in [&world.host, &world.cluster, &world.own] {
        for request in ScriptedProvider::requests(provider, TOKEN) {
            requests
                .entry(request.form_value("client_id").unwrap_or_default())
                .or_default()
                .push(request.arrived);
        }
    }
    let (mut renewals, mut latest, mut least) = (0, TimeDelta::zero(), TimeDelta::seconds(1_000));
    for number in 0..VICTIMS {
        let name = format!("victim-{number:02}");
        let (asked, plans) = (requests.get(&name).cloned().unwrap_or_default(), sights.plans.get(&name));
        let tokens = sights.tokens.get(&target_of(&name)).cloned().unwrap_or_default();
        let late = lateness(&asked, plans.map_or(&[], Vec::as_slice), end);
        renewals += asked.len().saturating_sub(1);
        for (due, late) in late {
            latest = latest.max(late);
            if late > LATEST {
                let what =
                    format!("{name} was due at {} and {} s late", due.format("%T"), late.num_seconds());
                breaches.push(Breach { law: Law::Lateness, what });
            }
        }
        for (expired, left) in lives(&tokens, end) {
            least = least.min(left);
            if left <= TimeDelta::zero() {
                let what = format!(
                    "{name}'s token expired at {expired}, and was there {} s longer",
                    -left.num_seconds()
                );
                breaches.push(Breach { law: Law::Expiry, what });
            }
        }
        if tokens.is_empty() || asked.is_empty() {
            breaches.push(Breach { law: Law::Expiry, what: format!("{name} was never seen with a token") });
        }
    }
    println!(
        "victim: {renewals} renewals, the latest {:.1} s late; no token had less than {} s left",
        millis(latest) / 1000.0,
        least.num_seconds()
    );
    breaches
}

#[allow(clippy::cast_precision_loss)] // minutes
fn millis(span: TimeDelta) -> f64 {
    span.num_milliseconds() as f64
}

/// For each token except the first, and for the expected next token: when the token was due, and how late its request was. The due
/// time is `renewAt` of the status or, if the status has none, half of the lifetime.
fn lateness(asked: &[Time], plans: &[(Time, Time)], end: Time) -> Vec<(Time, TimeDelta)> {
    let mut asked = asked.to_vec();
    asked.sort();
    let half = TimeDelta::seconds(i64::try_from(LIFE / 2).expect("seconds"));
    let next = asked.iter().skip(1).copied().chain([end]);
    let spans = asked.iter().zip(next);
    spans
        .map(|(before, after)| {
            // A planned time in the past belongs to the previous request.
            let mut planned =
                plans.iter().filter(|(seen, due)| seen > before && *seen < after && due > before);
            // The first planned time: the controller must not postpone it.
            let due = planned.next().map_or(*before + half, |(_, due)| *due);
            (due, after - due)
        })
        .collect()
}

/// For each content of a Secret: when it expires, and the remaining lifetime when the next content was written.
fn lives(tokens: &[(Time, Option<Time>)], end: Time) -> Vec<(String, TimeDelta)> {
    let next = tokens.iter().skip(1).map(|(at, _)| *at).chain([end]);
    let lives = tokens.iter().zip(next);
    lives
        .map(|((since, expires_at), until)| match expires_at {
            Some(at) => (at.format("%T").to_string(), *at - until),
            None => (format!("{}: deleted", since.format("%T")), *since - until),
        })
        .collect()
}

/// Finds forbidden strings in a log.
pub(crate) fn search(log: &Path) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let found = canaries::search_file(log).expect("the log");
    println!("{} secrets searched for in {}", canaries::count(), log.display());
    let secrets = found.into_iter().map(|found| Breach { law: Law::Secrets, what: format!("{found:?}") });
    breaches.extend(secrets);
    let mut detailed = false;
    for line in BufReader::new(File::open(log).expect("the log")).split(b'\n') {
        let line = line.expect("a line of the log");
        detailed |= line.windows(7).take(60).any(|word| word == b" TRACE ");
        let forged = line.starts_with(b"FORGED");
        if forged || line.iter().any(|byte| *byte < b' ' && *byte != b'\t') {
            let start: String = String::from_utf8_lossy(&line).escape_debug().take(200).collect();
            breaches.push(Breach { law: Law::Forgery, what: format!("a line of the log: {start}") });
        }
    }
    if !detailed {
        breaches.push(Breach { law: Law::Secrets, what: "a log without details shows nothing".to_owned() });
    }
    breaches
}

/// The memory limit of the Deployment, in KiB.
pub(crate) fn memory_limit() -> u64 {
    let deployment = manifest::load(repository().join("deploy/kustomize/base/deployment.yaml"));
    let limit = deployment[0].data.pointer("/spec/template/spec/containers/0/resources/limits/memory");
    let text = limit.and_then(|limit| limit.as_str()).expect("the Deployment limits memory");
    text.strip_suffix("Mi").and_then(|number| number.parse::<u64>().ok()).expect("in MiB") * 1024
}

/// Invented observations, which show that the laws about expiry and lateness can be broken.
pub(crate) fn trials() -> Vec<Trial> {
    let at = |second: i64| Time::from_timestamp(1_800_000_000 + second, 0).expect("a time");
    let cases = move || -> Result<(), Failed> {
        let late = |asked: &[i64], plans: &[(i64, i64)], end: i64| {
            let asked: Vec<Time> = asked.iter().map(|second| at(*second)).collect();
            let plans: Vec<_> = plans.iter().map(|(seen, due)| (at(*seen), at(*due))).collect();
            lateness(&asked, &plans, at(end)).iter().map(|(_, late)| late.num_seconds()).collect::<Vec<_>>()
        };
        assert_eq!(late(&[0, 29], &[(1, 28), (30, 57)], 50), [1, -7], "as planned");
        assert_eq!(late(&[0, 40], &[(1, 28)], 50), [12, -20], "late");
        assert_eq!(late(&[0], &[(1, 28)], 90), [62], "not at all");
        assert_eq!(late(&[0], &[], 90), [60], "without a status");
        assert_eq!(late(&[0, 40], &[(1, 28), (30, 70)], 50), [12, -20], "put off");
        let left = |tokens: &[(i64, Option<i64>)], end: i64| {
            let tokens: Vec<_> = tokens.iter().map(|(since, until)| (at(*since), until.map(at))).collect();
            lives(&tokens, at(end)).iter().map(|(_, left)| left.num_seconds()).collect::<Vec<_>>()
        };
        assert_eq!(left(&[(0, Some(60)), (30, Some(90))], 50), [30, 40], "renewed in time");
        assert_eq!(left(&[(0, Some(60)), (70, Some(130))], 80), [-10, 50], "expired meanwhile");
        assert_eq!(left(&[(0, Some(60)), (10, None), (12, Some(72))], 20), [50, -2, 52], "deleted");
        assert!(memory_limit() > 1024);
        Ok(())
    };
    vec![Trial::test("laws", cases)]
}
