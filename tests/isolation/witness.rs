//! Observes a run: watches of the victim's Secrets and TokenSources, and a thread that reads `/livez` and the memory of the
//! process. The thread checks its own observations. Must not know what is expected of the victim's tokens, which `laws`
//! checks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokensource::api::{TokenSource, from_kubernetes};

use crate::laws::{Breach, Law};
use crate::world::World;

pub(crate) type Time = DateTime<Utc>;

/// The events of the victim's watches.
#[derive(Default)]
pub(crate) struct Witness(Mutex<Sights>);

#[derive(Default)]
pub(crate) struct Sights {
    /// For each Secret: the time of each state that the watch delivered, and the expiry of the token in it; `None` without a
    /// token.
    pub(crate) tokens: HashMap<String, Vec<(Time, Option<Time>)>>,
    /// For each `TokenSource`: the time of each status that the watch delivered, and the renewal time in it.
    pub(crate) plans: HashMap<String, Vec<(Time, Time)>>,
}

impl Witness {
    pub(crate) fn sights(&self) -> MutexGuard<'_, Sights> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn watch_secrets(client: Client, namespace: String, witness: Arc<Witness>) {
    let wanted = watcher::Config::default().labels("isolation=watched");
    let mut events = Box::pin(watcher(Api::<Secret>::namespaced(client, &namespace), wanted));
    while let Some(event) = events.next().await {
        let (secret, there) = match event {
            Ok(Event::Apply(secret) | Event::InitApply(secret)) => (secret, true),
            Ok(Event::Delete(secret)) => (secret, false),
            // `watcher` restarts the watch after an error.
            Ok(Event::Init | Event::InitDone) | Err(_) => continue,
        };
        let expires_at = secret.data.as_ref().and_then(|data| data.get("expires_at"));
        let expires_at = expires_at
            .and_then(|value| DateTime::parse_from_rfc3339(std::str::from_utf8(&value.0).ok()?).ok());
        let expires_at = expires_at.filter(|_| there).map(|at| at.to_utc());
        witness.sights().tokens.entry(secret.name_any()).or_default().push((Utc::now(), expires_at));
    }
}

pub(crate) async fn watch_sources(client: Client, namespace: String, witness: Arc<Witness>) {
    let sources = Api::<TokenSource>::namespaced(client, &namespace);
    let mut events = Box::pin(watcher(sources, watcher::Config::default()));
    while let Some(event) = events.next().await {
        let Ok(Event::Apply(source) | Event::InitApply(source)) = event else { continue };
        let due = source.status.as_ref().and_then(|status| status.renew_at.as_ref()).map(from_kubernetes);
        let Some(due) = due else { continue };
        witness.sights().plans.entry(source.name_any()).or_default().push((Utc::now(), due));
    }
}

/// The observations of the thread.
#[derive(Default)]
struct Pulse {
    asked: usize,
    slowest: Duration,
    breaches: Vec<Breach>,
    /// The maximum memory in KiB, without the pages of files.
    most_memory: u64,
}

/// A thread with a runtime of its own, so that the attacks do not keep it waiting.
pub(crate) struct Sentinel {
    ends: Arc<AtomicBool>,
    dead: Arc<AtomicBool>,
    thread: JoinHandle<Pulse>,
}

impl Sentinel {
    pub(crate) fn start(world: &Arc<World>) -> Self {
        let (ends, dead) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (world, stop, found_dead) = (Arc::clone(world), Arc::clone(&ends), Arc::clone(&dead));
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let mut pulse = Pulse::default();
            while !stop.load(Ordering::Relaxed) && !found_dead.load(Ordering::Relaxed) {
                let alive = runtime.block_on(pulse.observe(&world));
                found_dead.store(!alive, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(500));
            }
            pulse
        });
        Self { ends, dead, thread }
    }

    /// Whether the process has ended.
    pub(crate) fn found_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Ends the thread, prints the figures, and returns the broken laws.
    pub(crate) fn stop(self, world: &World) -> Vec<Breach> {
        self.ends.store(true, Ordering::Relaxed);
        let mut pulse = self.thread.join().expect("the thread of the sentinel");
        let limit = crate::laws::memory_limit();
        println!(
            "/livez: {} asked, the slowest answer took {:.2?}; memory: {} of {} MiB; {} of the process's log",
            pulse.asked,
            pulse.slowest,
            pulse.most_memory / 1024,
            limit / 1024,
            world.controller.process().log().metadata().map_or(0, |file| file.len() / 1024 / 1024),
        );
        if pulse.most_memory > limit {
            let what = format!("it took {} MiB of {}", pulse.most_memory / 1024, limit / 1024);
            pulse.breaches.push(Breach { law: Law::Memory, what });
        }
        pulse.breaches
    }
}

impl Pulse {
    /// Makes one observation, and returns whether the process is running.
    async fn observe(&mut self, world: &World) -> bool {
        let (process, began) = (world.controller.process(), Instant::now());
        if let Some(status) = process.exit_status() {
            let what = format!("the process ended at {}: {status}", Utc::now().format("%T"));
            self.breaches.push(Breach { law: Law::Process, what });
            return false;
        }
        if let (Some(most), Some(files)) = (process.memory("VmHWM"), process.memory("RssFile")) {
            self.most_memory = self.most_memory.max(most.saturating_sub(files));
        }
        // A new connection, as the kubelet's probe has.
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build();
        let url = format!("http://{}/livez", world.controller.address());
        let answer = client.expect("a client").get(url).send().await;
        let took = began.elapsed();
        self.asked += 1;
        self.slowest = self.slowest.max(took);
        let well = answer.as_ref().is_ok_and(|answer| answer.status().is_success());
        if (took > Duration::from_secs(1) || !well) && process.is_running() {
            let answer = answer.map(|answer| answer.status());
            let what = format!("/livez at {}: {answer:?} after {took:.2?}", Utc::now().format("%T"));
            self.breaches.push(Breach { law: Law::Livez, what });
        }
        true
    }
}
