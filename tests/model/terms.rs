//! The model's numbers as the product's types. Knows the conversion; must not know the use of a value.

use std::collections::BTreeSet;

use tokensource::api::{TokenSourceStatus, from_kubernetes};
use tokensource::decide::{
    self, Fingerprints, Observed, Plan, Publication, Published, Secrets, Target, UnwrittenToken,
};

use crate::real::{Choice, Outcome, Real};
use crate::samples::{REQUESTS, UID, at, present, seconds, unwritten, versions};
use crate::world::{Look, Secret, Status, TokenInputs};

impl Real {
    pub(crate) fn observed<'a>(
        &'a self,
        look: &Look,
        status: &'a TokenSourceStatus,
        inputs: Fingerprints,
    ) -> Observed<'a> {
        let source = &look.source;
        let spec = &self.specs[usize::from(source.scope) * 2 + usize::from(source.suspend)];
        Observed {
            namespace: "payments",
            name: "source",
            uid: UID,
            generation: i64::from(source.generation),
            deleting: source.deleting,
            renew_request: REQUESTS[usize::from(source.request)],
            secrets: Secrets { credentials: present(look.credentials), ..Secrets::default() },
            fingerprints: Some(inputs),
            target: match &look.target {
                None => Target::Missing,
                Some(secret) if !secret.ours => {
                    Target::Foreign("does not belong to any TokenSource".to_owned())
                }
                Some(secret) => Target::Ours(self.published(secret)),
            },
            unwritten_token: look.held.map(|held| UnwrittenToken {
                inputs_fingerprint: self.inputs_fingerprint(held.token_inputs),
                expires_at: at(held.expires_at),
            }),
            ..Observed::new(spec, status, Ok(&self.provider), at(look.now))
        }
    }

    fn published(&self, secret: &Secret) -> Published {
        Published {
            uid: secret.uid.to_string(),
            resource_version: secret.version.to_string(),
            issued_at: at(secret.issued_at),
            expires_at: at(secret.expires_at),
            since: at(secret.issued_at),
            inputs_fingerprint: self.inputs_fingerprint(secret.token_inputs),
            versions: versions(secret.token_inputs.credentials),
            handled_renew_request: REQUESTS[usize::from(secret.handled_renew_request)].map(str::to_owned),
            intact: !secret.altered,
            metadata_in_sync: true,
        }
    }

    /// The fingerprint of a token's inputs, which was computed when the request was decided.
    fn inputs_fingerprint(&self, token_inputs: TokenInputs) -> String {
        let mut known = self.fingerprints.iter().filter(|(_, of)| **of == token_inputs);
        known.next().map(|(fingerprint, _)| fingerprint.clone()).unwrap_or_default()
    }

    pub(crate) fn plan(&self, choice: Choice) -> Plan {
        match choice {
            Choice::AwaitDeletion => Plan::AwaitDeletion,
            Choice::Suspend => Plan::Suspend,
            Choice::Refuse(failure) => Plan::Refuse(self.failures[usize::from(failure)].clone()),
            Choice::Publish => Plan::Publish,
            Choice::Wait(until) => Plan::Wait(until.map(at)),
            Choice::Issue(cause) => Plan::Issue(cause),
            Choice::Rewrite => Plan::Rewrite,
            Choice::Nothing => Plan::Nothing,
        }
    }

    pub(crate) fn outcome(&self, outcome: Outcome) -> decide::Outcome {
        let failure = |id: u16| self.failures[usize::from(id)].clone();
        match outcome {
            Outcome::Unchanged => decide::Outcome::Unchanged,
            Outcome::Waiting => decide::Outcome::Waiting,
            Outcome::Suspended => decide::Outcome::Suspended,
            Outcome::Refused(id) => decide::Outcome::Refused(failure(id)),
            Outcome::Failed(id) => decide::Outcome::Failed(at(0), failure(id)),
            Outcome::Unwritten(issued_at) => decide::Outcome::Unwritten(Some(at(issued_at)), unwritten()),
            Outcome::Published { token, target, unchanged } => decide::Outcome::Published(Publication {
                cause: token.cause,
                published: self.published(&target),
                unchanged_at: unchanged.then(|| at(token.issued_at)),
                fell_back: token.fell_back,
                token_type: "Bearer".to_owned(),
                scope: None,
                notices: BTreeSet::new(),
            }),
        }
    }

    /// Describes a status for a trace.
    pub(crate) fn describe(&self, status: Status) -> String {
        let status = &self.statuses[status.id as usize];
        let conditions: Vec<_> = status
            .conditions
            .iter()
            .map(|condition| format!("{}={} {}", condition.type_, condition.status, condition.reason))
            .collect();
        let time = |time: &Option<_>| time.as_ref().map(|time| seconds(from_kubernetes(time)));
        format!(
            "{} failures={} retryAt={:?} renewAt={:?} expiresAt={:?}",
            if conditions.is_empty() { "no conditions".to_owned() } else { conditions.join(", ") },
            status.failures,
            time(&status.retry_at),
            time(&status.renew_at),
            time(&status.expires_at),
        )
    }
}
