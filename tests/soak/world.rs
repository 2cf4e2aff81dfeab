//! The environment of the soak: a control plane, five providers, a controller, and TokenSources with a namespace for each
//! provider. Knows how this environment is created; must not know faults or rules.

use std::path::Path;

use chrono::Utc;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokensource::api::TokenSource;
use tokensource_kit::authority::{self, Authority};
use tokensource_kit::control_plane::ControlPlane;
use tokensource_kit::controller::{self, ControllerProcess};
use tokensource_kit::shipped::{self, definitions};
use tokensource_kit::unique;

use crate::history::{Fact, Journal};
use crate::providers::{NAMES, Provider};
use crate::random::Random;
use crate::sampler::target_of;

/// The number of TokenSources that share a Secret.
const SHARE: usize = 4;
/// The lifetimes of tokens, in seconds.
const LIVES: (u64, u64) = (30, 121);

pub(crate) struct World {
    pub(crate) controller: ControllerProcess,
    pub(crate) plane: ControlPlane,
    pub(crate) admin: Client,
    pub(crate) providers: Vec<Provider>,
    pub(crate) journal: Journal,
    pub(crate) sources: Vec<Place>,
}

/// One TokenSource: its provider, and its Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) provider: usize,
    number: usize,
}

impl Place {
    pub(crate) fn namespace(self) -> &'static str {
        NAMES[self.provider]
    }

    pub(crate) fn name(self) -> String {
        format!("s{:03}", self.number)
    }

    /// Its key in the history.
    pub(crate) fn key(self) -> String {
        format!("{}/{}", self.namespace(), self.name())
    }

    /// The Secret with its credentials.
    pub(crate) fn credentials(self) -> String {
        format!("client-{}", self.number / NAMES.len() / SHARE)
    }
}

impl World {
    pub(crate) async fn build(count: usize, random: &mut Random) -> Self {
        authority::install_crypto();
        let plane = ControlPlane::start_with(&definitions()).await;
        shipped::grant(&plane).await;
        let authority = Authority::new("The soak's authority");
        let journal = Journal::default();
        let providers: Vec<Provider> =
            NAMES.iter().map(|name| Provider::start(name, &authority, &journal)).collect();
        for name in NAMES {
            plane.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}")).await;
        }
        let controller = ControllerProcess::start(
            Path::new(env!("CARGO_BIN_EXE_tokensource")),
            &plane.kubeconfig_for("controller"),
            &["--allow-network", "127.0.0.0/8"],
            &[controller::AS_IN_THE_IMAGE.as_slice(), &[("RUST_LOG", "debug,tokensource=trace")]].concat(),
        )
        .await;
        let sources = (0..count).map(|number| Place { provider: number % NAMES.len(), number }).collect();
        let admin = plane.admin();
        let world = Self { controller, plane, admin, providers, journal, sources };
        for place in &world.sources {
            let lifetime = i64::try_from(random.between(LIVES.0, LIVES.1)).expect("seconds");
            world.provider(*place).enrol(&place.name(), lifetime);
        }
        world
    }

    /// Applies every Secret and every TokenSource.
    pub(crate) async fn populate(&self) {
        for place in &self.sources {
            let first = self.sharing(*place).next() == Some(*place);
            if first {
                self.rotate(*place, &new_secret()).await;
            }
            self.create(*place).await;
        }
    }

    pub(crate) fn provider(&self, place: Place) -> &Provider {
        &self.providers[place.provider]
    }

    /// The TokenSources with the same Secret, including this TokenSource.
    pub(crate) fn sharing(&self, place: Place) -> impl Iterator<Item = Place> {
        let same = move |other: &Place| {
            other.provider == place.provider && other.credentials() == place.credentials()
        };
        self.sources.iter().copied().filter(same)
    }

    /// Makes the provider accept only these secrets, for all TokenSources with the same Secret.
    pub(crate) fn accept(&self, place: Place, secrets: &[String]) {
        for place in self.sharing(place) {
            self.provider(place).accept(&place.name(), secrets);
        }
    }

    /// Rotates the provider's secret and then the Secret.
    async fn rotate(&self, place: Place, secret: &str) {
        self.accept(place, &[secret.to_owned()]);
        self.store(place, secret).await;
    }

    pub(crate) async fn store(&self, place: Place, secret: &str) {
        let host = self.provider(place).server.host();
        let object = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": place.credentials(), "annotations": {"tokensource.dev/allowed-hosts": host}},
            "stringData": {"client_secret": secret, "username": "somebody", "password": secret},
        });
        self.plane.apply_in(place.namespace(), &object.to_string()).await;
    }

    pub(crate) async fn create(&self, place: Place) {
        let object = json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource",
            "metadata": {"name": place.name()},
            "spec": {
                "provider": self.provider(place).block(), "clientId": place.name(),
                "credentialsRef": {"name": place.credentials()}, "target": {"name": target_of(&place.name())},
            },
        });
        self.journal.note(&place.key(), Fact::Created);
        self.plane.apply_in(place.namespace(), &object.to_string()).await;
    }

    pub(crate) async fn delete(&self, place: Place) {
        self.journal.note(&place.key(), Fact::Deleted);
        self.api(place).delete(&place.name(), &DeleteParams::default()).await.expect("deleted");
    }

    pub(crate) async fn patch(&self, place: Place, patch: &Value) {
        let patched =
            self.api(place).patch(&place.name(), &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.expect("patched");
    }

    pub(crate) fn api(&self, place: Place) -> Api<TokenSource> {
        Api::namespaced(self.admin.clone(), place.namespace())
    }

    pub(crate) fn secrets(&self, place: Place) -> Api<Secret> {
        Api::namespaced(self.admin.clone(), place.namespace())
    }

    /// Records an action with the time at which it began.
    pub(crate) fn note_as_of(&self, at: chrono::DateTime<Utc>, place: Place, fact: Fact) {
        self.journal.open().note(&place.key(), at, fact);
    }
}

pub(crate) fn new_secret() -> String {
    format!("cs-{}", unique::word(24))
}
