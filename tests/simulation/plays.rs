//! The simulated scenarios, the expected result of each, and its picture. Knows the fleet's size and the number of
//! controllers; must not know the simulation.

use crate::clock::{Instant, MINUTE, SECOND};
use crate::picture::{COLOURS, Line, Mark, Panel, Picture};
use crate::scenario::Scenario;
use crate::tally::{Count, Tally};

/// A fleet and its controllers.
#[derive(Clone, Debug)]
pub(crate) struct Size {
    pub(crate) seed: u64,
    pub(crate) count: usize,
    /// The number of slices, and the concurrency of each.
    pub(crate) slices: Vec<(usize, usize)>,
    /// The cores of the API server.
    pub(crate) cores: usize,
}

/// The results by label, and the picture.
pub(crate) struct Play {
    pub(crate) tallies: Vec<(String, Tally)>,
    pub(crate) picture: Picture,
}

type Result<T> = std::result::Result<T, String>;

impl Size {
    fn scenario(&self) -> Scenario {
        let (slices, concurrency) = self.slices[self.slices.len() / 2];
        Scenario { slices, concurrency, cores: self.cores, ..Scenario::new(self.seed, self.count) }
    }

    /// Runs the scenario for each number of slices.
    fn each(&self, name: &str, change: impl Fn(Scenario) -> Scenario) -> Result<Vec<(String, Tally)>> {
        let play = |(slices, concurrency): &(usize, usize)| {
            let scenario = Scenario { slices: *slices, concurrency: *concurrency, ..self.scenario() };
            let plural = if *slices == 1 { "" } else { "s" };
            let label = format!("{slices} slice{plural}, concurrency {concurrency}");
            change(scenario).play(&format!("{name}, {label}")).map(|tally| (label, tally))
        };
        self.slices.iter().map(play).collect()
    }

    #[allow(clippy::cast_precision_loss)] // a million
    fn count(&self) -> f64 {
        self.count as f64
    }

    /// The number of tokens a second that the API server permits.
    #[allow(clippy::cast_precision_loss)] // some cores
    fn capacity(&self) -> f64 {
        self.cores as f64 * 125.0
    }

    fn subtitle(&self) -> String {
        let cores = format!("an API server that takes {} tokens a second", self.cores * 125);
        format!("One-hour tokens of one provider, answered in 50 to 150 ms; {cores}; seed {}.", self.seed)
    }

    fn fleet(&self) -> String {
        let digits = self.count.to_string();
        let (head, tail) = digits.split_at(digits.len() % 3);
        let groups = tail.as_bytes().chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
        let groups: Vec<_> =
            [head.to_owned()].into_iter().filter(|head| !head.is_empty()).chain(groups).collect();
        format!("{} TokenSources", groups.join(","))
    }
}

/// The start without tokens: all TokenSources request a token at the same time, and renew at the same time. How long do they stay
/// synchronized?
pub(crate) fn steady(size: &Size) -> Result<Play> {
    let length = 6 * 60 * MINUTE;
    let tally = Scenario { cold: true, length, ..size.scenario() }.play("steady")?;
    let cold = tally.last_without(1);
    let seconds = usize::try_from(length / SECOND).unwrap();
    // Each renewal is due after 2,610 to 2,700 s, with the same jitter for the same TokenSource. So the renewals are spread
    // over 90 s more each time, and the peak falls when that is longer than the first wave.
    let rounds = (seconds - cold) / 2700;
    let flat = 60.0 * size.count() / precise(cold.max(90 * rounds).min(2655));
    let last = 60.0 * tally.peak(Count::Request, 60, seconds - 2700..seconds);
    // The limit has a tolerance for chance and for the uneven first tokens.
    hold(last <= 1.05 * flat + 4.0 * flat.sqrt(), || {
        format!(
            "{last:.0} requests a minute after {rounds} renewals of a herd that began {cold} s wide: {flat:.0}"
        )
    })?;
    let mean = size.count() / 2655.0;
    let mut requests = panel("Token requests per second", &[("requests".to_owned(), &tally)], |tally| {
        each(tally, Count::Request)
    });
    requests.lines.push(Line {
        label: "tokens / mean due time".to_owned(),
        colour: COLOURS[1],
        values: vec![mean; seconds],
    });
    let picture = Picture {
        title: format!("{} without a token, all at once: the herd comes back, ever wider", size.fleet()),
        subtitle: size.subtitle(),
        length,
        marks: Vec::new(),
        panels: vec![
            requests,
            panel("API writes per second", &[(String::new(), &tally)], |tally| each(tally, Count::Write)),
        ],
    };
    Ok(Play { tallies: vec![("steady".to_owned(), tally)], picture })
}

/// The provider is down for half an hour.
pub(crate) fn outage(size: &Size) -> Result<Play> {
    let (outage, length) = (10 * MINUTE..40 * MINUTE, 120 * MINUTE);
    let tallies = size.each("outage", |scenario| Scenario { outage: outage.clone(), length, ..scenario })?;
    for ((label, tally), (slices, concurrency)) in tallies.iter().zip(&size.slices) {
        let asked = tally.total(Count::Unavailable);
        // Requests in flight, three failures, and three trials a minute.
        let most = u64::try_from(slices * (concurrency + 105)).unwrap();
        hold(asked <= most, || format!("{label}: {asked} requests to a provider that was down"))?;
        let first = tally.each(Count::Request)[2400..2402].iter().sum::<u32>();
        hold(usize::try_from(first).unwrap() <= 12 * slices, || {
            format!("{label}: {first} requests within two seconds after the outage")
        })?;
        // Overdue renewals are served in addition to new renewals, as fast as the API server and the permits allow.
        let (need, places) = (size.count() / 2655.0, 10.0 * product(*slices, *concurrency));
        let latest = 2400.0 + 90.0 + 1.5 * need * 1800.0 / (size.capacity().min(places) - need);
        let well = tally.last_without(1);
        hold(precise(well) <= latest, || format!("{label}: well after {well} s, expected {latest:.0}"))?;
    }
    let picture = Picture {
        title: format!("{}; their provider is down for 30 minutes", size.fleet()),
        subtitle: size.subtitle(),
        length,
        marks: vec![mark(&outage, "provider down: 503")],
        panels: vec![
            of_all("Token requests per second", &tallies, |tally| each(tally, Count::Request)),
            of_all("API writes per second", &tallies, |tally| each(tally, Count::Write)),
            of_all("TokenSources whose token has expired", &tallies, without),
        ],
    };
    Ok(Play { tallies, picture })
}

/// The controllers crash, and others start 20 s later.
pub(crate) fn restart(size: &Size) -> Result<Play> {
    let (crash, length) = (5 * MINUTE, 20 * MINUTE);
    let base = Scenario { crash: Some(crash), length, ..size.scenario() };
    let old = base.play("restart")?;
    // A token is due 43.5 minutes after its issue at the earliest, and no token gets older than 40 minutes in this run.
    let fresh = Scenario { age: Some(1200), ..base.clone() }.play("restart, fresh fleet")?;
    let undisturbed = Scenario { crash: None, ..base }.play("no restart")?;
    for what in [Count::Request, Count::Write] {
        hold(fresh.total(what) == 0, || {
            format!("a restart of a fresh fleet: {what:?} {}", fresh.total(what))
        })?;
    }
    hold(fresh.total(Count::Look) == u64::try_from(size.count).unwrap(), || {
        "not one look for each".to_owned()
    })?;
    let (with, lost) = (
        old.total(Count::Request),
        16 * u64::try_from(size.slices.iter().map(|(s, c)| s * c).max().unwrap()).unwrap(),
    );
    hold(with <= undisturbed.total(Count::Request) + lost, || format!("{with} requests with a restart"))?;
    let tallies = vec![
        ("tokens of every age".to_owned(), old),
        ("no token older than 20 minutes".to_owned(), fresh),
        ("tokens of every age, no restart".to_owned(), undisturbed),
    ];
    let picture = Picture {
        title: format!("{}; the controller dies, another takes over after 20 s", size.fleet()),
        subtitle: size.subtitle(),
        length,
        marks: vec![mark(&(crash..crash + 20 * SECOND), "nobody leads")],
        panels: vec![
            of_all("Token requests per second", &tallies, |tally| each(tally, Count::Request)),
            of_all("API writes per second", &tallies, |tally| each(tally, Count::Write)),
            of_all("Looks of the decide layer per second", &tallies, |tally| each(tally, Count::Look)),
        ],
    };
    Ok(Play { tallies, picture })
}

/// All credentials are replaced at one instant.
pub(crate) fn rotation(size: &Size) -> Result<Play> {
    let length = 90 * MINUTE;
    let tallies = size.each("rotation", |scenario| rotated(scenario, length))?;
    all_rotated(size, &tallies)?;
    let title = format!("{}; all credentials are rotated at once", size.fleet());
    Ok(Play { picture: picture_of_rotation(size, title, &tallies, length, None), tallies })
}

/// All credentials are replaced at one instant, and the provider serves a third more than the fleet needs on average.
pub(crate) fn quota(size: &Size) -> Result<Play> {
    let (length, quota) = (120 * MINUTE, (size.count() / 2000.0).max(5.0));
    // The play uses only the first number of slices: each of several slices would have to find its share of the quota.
    let size = &Size { slices: vec![size.slices[0]], ..size.clone() };
    let tallies =
        size.each("quota", |scenario| Scenario { quota: Some(quota), ..rotated(scenario, length) })?;
    all_rotated(size, &tallies)?;
    for (label, tally) in &tallies {
        let (limited, requests) = (tally.total(Count::Limited), tally.total(Count::Request));
        hold(limited * 5 <= requests, || format!("{label}: {limited} of {requests} requests were too many"))?;
    }
    let title = format!(
        "{}; all credentials are rotated at once, and the provider serves {quota:.0} a second",
        size.fleet()
    );
    Ok(Play { picture: picture_of_rotation(size, title, &tallies, length, Some(quota)), tallies })
}

fn rotated(scenario: Scenario, length: Instant) -> Scenario {
    Scenario { rotation: Some(10 * MINUTE), length, ..scenario }
}

/// Checks that each TokenSource got one token with the new credentials, and that no old token expired before.
fn all_rotated(size: &Size, tallies: &[(String, Tally)]) -> Result<()> {
    for (label, tally) in tallies {
        let rotated = tally.total(Count::Rotated);
        hold(rotated == u64::try_from(size.count).unwrap(), || format!("{label}: {rotated} renewed"))?;
        let ended = tally.gaps.len();
        hold(ended == 0, || format!("{label}: {ended} old tokens ended before there was another"))?;
    }
    Ok(())
}

fn picture_of_rotation(
    size: &Size,
    title: String,
    tallies: &[(String, Tally)],
    length: Instant,
    quota: Option<f64>,
) -> Picture {
    let count = size.count();
    let left = |tally: &Tally| {
        let done = tally.so_far(Count::Rotated);
        done.iter().enumerate().map(|(second, done)| if second < 600 { 0.0 } else { count - done }).collect()
    };
    let mut panels = vec![
        of_all("Token requests per second", tallies, |tally| each(tally, Count::Request)),
        of_all("API writes per second", tallies, |tally| each(tally, Count::Write)),
        of_all("TokenSources whose token is of the old credentials", tallies, left),
    ];
    if quota.is_some() {
        panels.insert(
            1,
            of_all("of which answered with 429, per second", tallies, |tally| each(tally, Count::Limited)),
        );
    }
    let marks = vec![mark(&(10 * MINUTE..10 * MINUTE), "rotation")];
    Picture { title, subtitle: size.subtitle(), length, marks, panels }
}

fn of_all(title: &str, tallies: &[(String, Tally)], values: impl Fn(&Tally) -> Vec<f64>) -> Panel {
    let all: Vec<_> = tallies.iter().map(|(label, tally)| (label.clone(), tally)).collect();
    panel(title, &all, values)
}

fn panel(title: &str, tallies: &[(String, &Tally)], values: impl Fn(&Tally) -> Vec<f64>) -> Panel {
    let line = |((label, tally), colour): (&(String, &Tally), &&'static str)| Line {
        label: label.clone(),
        colour,
        values: values(tally),
    };
    Panel { title: title.to_owned(), lines: tallies.iter().zip(&COLOURS).map(line).collect() }
}

fn each(tally: &Tally, what: Count) -> Vec<f64> {
    tally.each(what).iter().copied().map(f64::from).collect()
}

fn without(tally: &Tally) -> Vec<f64> {
    tally.without().iter().map(|count| f64::from(i32::try_from(*count).unwrap())).collect()
}

fn mark(range: &std::ops::Range<Instant>, label: &str) -> Mark {
    Mark { from: range.start, to: range.end, label: label.to_owned() }
}

fn precise(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

fn product(slices: usize, concurrency: usize) -> f64 {
    precise(slices * concurrency)
}

fn hold(holds: bool, what: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(what()) }
}
