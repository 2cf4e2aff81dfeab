//! The faults: chosen by the seed, carried out, logged with their time, and recorded in the history. Knows how each is done
//! and undone; must not know the consequences.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tokensource_kit::process::Signal;
use tokio::time::{Instant, sleep, sleep_until};

use crate::history::{Cause, Fact, Kind, Time, clock};
use crate::providers::Mood;
use crate::random::Random;
use crate::sampler::target_of;
use crate::world::{Place, World, new_secret};

/// The possible faults, each as often as it is listed. One fault in six affects a whole provider or all providers: with more of
/// these, nearly every missing token would have an excuse.
const FAULTS: [Draw; 35] = {
    use Draw::{
        ApiServerPaused, ControllerKilled, Malformed, PortClosed, ProviderDown, RateLimited, Recreated,
        Relabelled, Requested, Rotated, RotatedLate, SpecEdited, TargetDeleted, TargetEdited,
    };
    [
        ProviderDown,
        ProviderDown,
        PortClosed,
        RateLimited,
        ControllerKilled,
        ApiServerPaused, //
        Malformed,
        Malformed,
        Malformed,
        Rotated,
        Rotated,
        Rotated,
        RotatedLate,
        RotatedLate, //
        SpecEdited,
        SpecEdited,
        SpecEdited,
        SpecEdited,
        Relabelled,
        Relabelled,
        Relabelled, //
        TargetEdited,
        TargetEdited,
        TargetEdited,
        TargetEdited,
        TargetDeleted,
        TargetDeleted,
        TargetDeleted, //
        Requested,
        Requested,
        Requested,
        Recreated,
        Recreated,
        Recreated,
        Recreated,
    ]
};
const MOODS: [Mood; 4] = [Mood::Unavailable, Mood::Closing, Mood::Resetting, Mood::Hanging];
/// How much longer than the fault a hanging request may last.
const TIMEOUT: TimeDelta = TimeDelta::seconds(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Draw {
    ProviderDown,
    PortClosed,
    RateLimited,
    ControllerKilled,
    ApiServerPaused,
    Malformed,
    Rotated,
    RotatedLate,
    SpecEdited,
    Relabelled,
    TargetEdited,
    TargetDeleted,
    Requested,
    Recreated,
}

/// A failing provider that will recover.
struct Outage {
    provider: usize,
    began: Time,
    until: Instant,
    closed: bool,
    mood: Option<Mood>,
}

/// The faults of a run, one after the other.
pub(crate) struct Faults<'a> {
    world: &'a World,
    random: Random,
    outages: Vec<Outage>,
    pub(crate) count: usize,
}

impl<'a> Faults<'a> {
    pub(crate) fn new(world: &'a World, random: Random) -> Self {
        Self { world, random, outages: Vec::new(), count: 0 }
    }

    /// Injects faults until the time is over. The controller is killed in the first half only, so that the memory of a single
    /// process can be watched in the second half. Calls `restarted` after each restart.
    pub(crate) async fn inject(&mut self, duration: Duration, restarted: impl Fn()) {
        let (begin, end) = (Instant::now(), Instant::now() + duration);
        while Instant::now() < end {
            let pause = Duration::from_millis(self.random.between(500, 3000));
            self.recover_until(Instant::now() + pause).await;
            let fault = self.random.one_of(&FAULTS);
            let late = Instant::now() - begin > duration / 2;
            if fault == Draw::ControllerKilled && late {
                continue;
            }
            self.count += 1;
            self.carry_out(fault).await;
            if fault == Draw::ControllerKilled {
                restarted();
            }
        }
        self.recover_until(Instant::now() + Duration::from_secs(15)).await;
        for provider in &self.world.providers {
            provider.calm();
        }
    }

    async fn carry_out(&mut self, fault: Draw) {
        let place = self.random.one_of(&self.world.sources);
        match fault {
            Draw::ProviderDown => {
                let mood = self.random.one_of(&MOODS);
                self.provider_down(Some(mood), &format!("{mood:?}"));
            }
            Draw::RateLimited => {
                let wait = u32::try_from(self.random.between(1, 6)).expect("a few seconds");
                self.provider_down(Some(Mood::Limiting(wait)), &format!("429, Retry-After: {wait}"));
            }
            Draw::PortClosed => self.provider_down(None, "port closed"),
            Draw::ControllerKilled => self.kill().await,
            Draw::ApiServerPaused => self.pause().await,
            Draw::Malformed => {
                say(&format!("{}: the next answer is no token", place.key()));
                self.world.provider(place).spoil_next(&place.name());
            }
            Draw::Rotated | Draw::RotatedLate => self.rotate(place, fault == Draw::RotatedLate).await,
            Draw::Recreated => {
                say(&format!("{}: deleted and created again", place.key()));
                self.world.delete(place).await;
                sleep(Duration::from_millis(self.random.between(0, 2000))).await;
                self.world.create(place).await;
            }
            Draw::SpecEdited | Draw::Relabelled | Draw::Requested => self.edit(place, fault).await,
            Draw::TargetEdited | Draw::TargetDeleted => self.damage(place, fault).await,
        }
    }

    fn provider_down(&mut self, mood: Option<Mood>, what: &str) {
        let provider = usize::try_from(self.random.between(0, 5)).expect("an index");
        let lasts = Duration::from_millis(self.random.between(1000, 9000));
        if self.outages.iter().any(|outage| outage.provider == provider) {
            return;
        }
        let down = &self.world.providers[provider];
        say(&format!("provider {} for {lasts:.1?}: {what}", down.name));
        let began = Utc::now();
        match mood {
            Some(mood) => down.set(mood),
            None => down.server.go_down(),
        }
        let until = Instant::now() + lasts;
        self.outages.push(Outage { provider, began, until, closed: mood.is_none(), mood });
    }

    /// Lets providers recover at their time.
    async fn recover_until(&mut self, until: Instant) {
        loop {
            let next = self.outages.iter().map(|outage| outage.until).min().filter(|next| *next <= until);
            sleep_until(next.unwrap_or(until)).await;
            let now = Instant::now();
            for outage in self.outages.extract_if(.., |outage| outage.until <= now) {
                let provider = &self.world.providers[outage.provider];
                if outage.closed {
                    provider.server.come_back();
                }
                provider.set(Mood::Good);
                let hung = if outage.mood == Some(Mood::Hanging) { TIMEOUT } else { TimeDelta::zero() };
                let mut history = self.world.journal.open();
                history.trouble(Kind::ProviderDown, Some(provider.name), outage.began, Utc::now() + hung);
                say(&format!("provider {} is back", provider.name));
            }
            if next.is_none() {
                return;
            }
        }
    }

    async fn kill(&mut self) {
        say("controller: kill -9");
        let from = Utc::now();
        self.world.controller.kill9();
        sleep(Duration::from_millis(self.random.between(0, 1500))).await;
        self.world.controller.restart().await;
        self.world.journal.open().trouble(Kind::ControllerDead, None, from, Utc::now());
        say("controller: ready again");
    }

    async fn pause(&mut self) {
        let lasts = Duration::from_millis(self.random.between(300, 2000));
        say(&format!("API server: stopped for {lasts:.1?}"));
        let from = Utc::now();
        self.world.plane.api_server().signal(Signal::SIGSTOP);
        sleep(lasts).await;
        self.world.plane.api_server().signal(Signal::SIGCONT);
        self.world.journal.open().trouble(Kind::ApiServerPaused, None, from, Utc::now());
    }

    /// Rotates credentials. If `late` is false, the provider accepts both secrets for a second. If `late` is true, the provider
    /// accepts only the new secret, and the Secret has the new secret only half a second to two seconds later.
    async fn rotate(&mut self, place: Place, late: bool) {
        let (old, new) = (self.world.provider(place).newest_secret(&place.name()), new_secret());
        let how = if late { "the Secret is late" } else { "both are good for a second" };
        say(&format!("{}/{}: rotated, {how}", place.namespace(), place.credentials()));
        let from = Utc::now();
        let both = [old, new.clone()];
        self.world.accept(place, if late { &both[1..] } else { &both });
        if late {
            sleep(Duration::from_millis(self.random.between(500, 2000))).await;
        }
        let at = Utc::now();
        self.world.store(place, &new).await;
        for place in self.world.sharing(place) {
            self.world.note_as_of(at, place, Fact::Cause(Cause::CredentialsRotated));
        }
        if late {
            self.world.journal.open().trouble(Kind::SecretBehind, Some(place.namespace()), from, at);
        } else {
            sleep(Duration::from_secs(1)).await;
            self.world.accept(place, &both[1..]);
        }
    }

    async fn edit(&mut self, place: Place, fault: Draw) {
        let word = format!("edit-{}", self.count);
        let (cause, patch) = match fault {
            Draw::SpecEdited => (Cause::SpecEdited, json!({"spec": {"token": {"scopes": [word]}}})),
            Draw::Relabelled => (Cause::Relabelled, json!({"spec": {"target": {"labels": {"edit": word}}}})),
            _ => (
                Cause::RenewalRequested,
                json!({"metadata": {"annotations": {"tokensource.dev/renew-requested-at": word}}}),
            ),
        };
        say(&format!("{}: {cause:?}", place.key()));
        let at = Utc::now();
        self.world.patch(place, &patch).await;
        self.world.note_as_of(at, place, Fact::Cause(cause));
    }

    async fn damage(&mut self, place: Place, fault: Draw) {
        let (api, name, at) = (self.world.secrets(place), target_of(&place.name()), Utc::now());
        let (cause, done) = if fault == Draw::TargetDeleted {
            (Cause::TargetDeleted, api.delete(&name, &DeleteParams::default()).await.map(drop))
        } else {
            let patch = Patch::Merge(json!({"stringData": {"access_token": "somebody-else-was-here"}}));
            (Cause::TargetEdited, api.patch(&name, &PatchParams::default(), &patch).await.map(drop))
        };
        // If there is no target at this moment, no fault was injected.
        if done.is_ok() {
            say(&format!("{}: {cause:?}", place.key()));
            self.world.note_as_of(at, place, Fact::Cause(cause));
        }
    }
}

/// Prints a fault with its time, so that a failed run can be compared with the controller's log.
pub(crate) fn say(what: &str) {
    println!("{} {what}", clock(Utc::now()));
}
