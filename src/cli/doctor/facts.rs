//! The facts about a cluster and about the hosts of providers. The checks use these facts and read nothing themselves.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::api::{Reason, TokenSource};

/// A fact, or a text that says why the fact could not be read.
pub(super) type Read<T> = Result<T, String>;

/// Everything that the checks use.
pub(super) struct Facts {
    /// The time of this machine when the TokenSources had been read.
    pub(super) now: DateTime<Utc>,
    pub(super) server: Server,
    /// This program's CRDs, and the CRDs of the cluster.
    pub(super) definitions: Vec<(CustomResourceDefinition, Read<Option<CustomResourceDefinition>>)>,
    pub(super) controllers: Read<Vec<Controller>>,
    pub(super) leases: Vec<LeaseFact>,
    pub(super) rights: Vec<RightFact>,
    pub(super) policies: Read<Policies>,
    /// The namespace that the TokenSources were read from; None for all.
    pub(super) namespace: Option<String>,
    pub(super) sources: Read<Sources>,
    pub(super) hosts: Vec<HostFact>,
    /// How many hosts were left out because there are too many.
    pub(super) hosts_left_out: usize,
}

impl Facts {
    /// The time by the API server's clock.
    pub(super) fn server_now(&self) -> DateTime<Utc> {
        self.now + self.server.ahead().unwrap_or_default()
    }
}

/// The API server's report about itself, and the time of this machine when it answered.
pub(super) struct Server {
    /// `v1.36.0` or `v1.33.4-eks-1234`.
    pub(super) version: String,
    /// The `Date` header of the answer, in whole seconds.
    pub(super) date: Option<DateTime<Utc>>,
    /// The time of this machine, halfway between the request and the answer.
    pub(super) local: DateTime<Utc>,
}

impl Server {
    /// How far the API server's clock is ahead of this machine's. Exact to about a second.
    pub(super) fn ahead(&self) -> Option<TimeDelta> {
        self.date.map(|date| date - self.local)
    }
}

/// A Deployment of the controller.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Controller {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) service_account: String,
    /// The version that its label `app.kubernetes.io/version` or its image's tag names.
    pub(super) version: Option<String>,
    pub(super) replicas: i32,
    pub(super) available: i32,
    /// Namespace and name of the controller's lease; None without `--leader-elect`.
    pub(super) lease: Option<(String, String)>,
    /// The namespaces that the controller serves; empty for all.
    pub(super) serves: Vec<String>,
    pub(super) selector: Option<String>,
}

/// A lease of controllers.
pub(super) struct LeaseFact {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) lease: Read<Option<LeaseState>>,
    /// The time of this machine when the lease had been read.
    pub(super) read_at: DateTime<Utc>,
}

/// The state of a lease.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LeaseState {
    pub(super) holder: Option<String>,
    pub(super) duration: Option<TimeDelta>,
    /// When the lease was last renewed, by the holder's clock.
    pub(super) renewed_at: Option<DateTime<Utc>>,
    /// When that renewal was stored, by the API server's clock, in whole seconds.
    pub(super) written_at: Option<DateTime<Utc>>,
    /// The version of the holder.
    pub(super) version: Option<String>,
}

/// A right in the words of RBAC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Right {
    pub(super) verb: String,
    pub(super) group: String,
    /// The resource with its subresource: `tokensources/status`.
    pub(super) resource: String,
    /// None for all objects.
    pub(super) name: Option<String>,
}

impl Right {
    /// `patch tokensources/status`, `get leases tokensource`.
    pub(super) fn in_words(&self) -> String {
        let Self { verb, resource, name, .. } = self;
        name.as_ref().map_or_else(|| format!("{verb} {resource}"), |name| format!("{verb} {resource} {name}"))
    }
}

/// The user or program that needs a right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    User,
    /// The ServiceAccount of a controller, as `NAMESPACE/NAME`.
    Controller(String),
}

/// Whether a subject has a right.
pub(super) struct RightFact {
    pub(super) subject: Subject,
    pub(super) right: Right,
    /// None for the whole cluster.
    pub(super) namespace: Option<String>,
    pub(super) allowed: Read<bool>,
}

/// The policies that check our kinds, and all bindings of the cluster.
#[derive(Default)]
pub(super) struct Policies {
    pub(super) policies: Vec<ValidatingAdmissionPolicy>,
    pub(super) bindings: Vec<ValidatingAdmissionPolicyBinding>,
}

/// The TokenSources.
pub(super) struct Sources {
    pub(super) items: Vec<TokenSource>,
    /// Whether there are more than were read.
    pub(super) more: bool,
}

/// A host of providers, with the authorities that are trusted there.
pub(super) struct HostFact {
    /// Host and port.
    pub(super) host: String,
    /// Whether a connection from this machine succeeded. On failure: the reason that the controller would report, and a
    /// message.
    pub(super) reached: Result<(), (Reason, String)>,
    /// The trusted authorities are in a ConfigMap, which was not read.
    pub(super) foreign_authority: bool,
    /// Namespace and name of a TokenSource that uses the host.
    pub(super) example: String,
    /// How many TokenSources use the host.
    pub(super) sources: usize,
    /// The TokenSources whose last attempt failed because the controller could not or may not connect to the host, by
    /// reason.
    pub(super) failing: BTreeMap<Reason, Failing>,
}

/// The TokenSources of a host that failed for one reason.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failing {
    pub(super) count: usize,
    /// Namespace and name of one of them.
    pub(super) example: String,
}
