//! Which objects keep their finalizer, and for what.

use super::*;
use crate::api::{Reason, Revocation, Workload, WorkloadKind, to_kubernetes};
use crate::decide::fixture::{HOST, Scene, at, failure, outage};
use crate::decide::{Outcome, Published, ReferencedSecret, ReplacedToken, Target, UnwrittenToken};
use crate::oauth::Retry;

/// An object with a good token that revokes it at this host.
fn revoking_at(host: &str) -> Scene {
    let endpoint = Some(format!("https://{host}/revoke"));
    let revocation = Revocation { endpoint, on_delete: true, ..Revocation::default() };
    Scene::good().with(|scene| {
        scene.provider().revocation = Some(revocation);
        scene.deletion.finalizer = true;
    })
}

fn revocation_of(scene: &mut Scene) -> &mut Revocation {
    scene.provider().revocation.as_mut().unwrap()
}

fn deleted(scene: Scene) -> Scene {
    scene.with(|scene| {
        scene.deleting = true;
        scene.deletion.since = Some(scene.now);
    })
}

fn released(plan: Plan) -> Option<Reason> {
    match plan {
        Plan::Deletion(DeletionStep::RemoveFinalizer(failure)) => failure.map(|failure| failure.reason),
        other => panic!("not released: {other:?}"),
    }
}

#[test]
fn finalizer_is_there_exactly_where_it_is_wanted() {
    assert_eq!(Scene::good().plan(), Plan::Nothing, "by default there is none");
    assert_eq!(revoking_at(HOST).plan(), Plan::Nothing);
    let without = revoking_at(HOST).with(|scene| scene.deletion.finalizer = false);
    assert_eq!(without.clone().plan(), Plan::SetFinalizer(true));
    let suspended = without.clone().with(|scene| scene.spec.suspend = true);
    assert_eq!(suspended.plan(), Plan::SetFinalizer(true));
    // A controller without the right to write it still renews.
    assert!(matches!(without.when(3000).plan(), Plan::Issue(_)));
    let unset = revoking_at(HOST).with(|scene| scene.provider().revocation = None);
    assert_eq!(unset.plan(), Plan::SetFinalizer(false));
    let unknown = revoking_at(HOST).with(|scene| scene.provider = Err(outage()));
    assert!(matches!(unknown.plan(), Plan::Refuse(_)), "its settings of revocation are unknown");
}

#[test]
fn revocation_asks_for_no_new_token() {
    let revoking = revoking_at(HOST);
    assert_eq!(revoking.fingerprints().unwrap().token, Scene::good().fingerprints().unwrap().token);
}

#[test]
fn deleted_object_with_a_token_revokes_it() {
    assert_eq!(deleted(revoking_at(HOST)).plan(), Plan::Deletion(DeletionStep::Revoke));
    let suspended = deleted(revoking_at(HOST)).with(|scene| scene.spec.suspend = true);
    assert_eq!(suspended.plan(), Plan::Deletion(DeletionStep::Revoke));
    let waiting = deleted(revoking_at(HOST))
        .with(|scene| scene.deletion.tries = scene.deletion.tries.clone().failed(outage(), scene.now));
    assert!(matches!(waiting.plan(), Plan::Deletion(DeletionStep::Wait(_))));
    let refresh = deleted(revoking_at(HOST).when(9000)).with(|scene| {
        scene.target = Target::Missing;
        scene.deletion.refresh_token = true;
    });
    assert_eq!(refresh.plan(), Plan::Deletion(DeletionStep::Revoke), "a refresh token gets new tokens");
    let unwritten = deleted(revoking_at(HOST)).with(|scene| {
        scene.target = Target::Missing;
        scene.unwritten_token = Some(UnwrittenToken {
            inputs_fingerprint: scene.fingerprints().unwrap().token,
            expires_at: at(9000),
        });
    });
    assert_eq!(unwritten.plan(), Plan::Deletion(DeletionStep::Revoke));
}

#[test]
fn token_of_an_earlier_spec_does_not_keep_others_from_being_revoked() {
    let changed = |scene: Scene| scene.with(|scene| scene.spec.token.scopes = vec!["another".to_owned()]);
    let alone = deleted(changed(revoking_at(HOST)));
    assert_eq!(released(alone.clone().plan()), Some(Reason::RevocationFailed));
    let with_refresh_token = alone.with(|scene| scene.deletion.refresh_token = true);
    assert_eq!(with_refresh_token.clone().plan(), Plan::Deletion(DeletionStep::Revoke));
    assert!(
        foreign_token(&with_refresh_token.observed()).is_some(),
        "an Event reports that it was not revoked"
    );
}

#[test]
fn nothing_is_tried_if_there_is_nothing_to_revoke() {
    let without_finalizer = deleted(revoking_at(HOST)).with(|scene| scene.deletion.finalizer = false);
    assert_eq!(without_finalizer.plan(), Plan::AwaitDeletion);
    for target in [Target::Missing, Target::Foreign("is being deleted".to_owned())] {
        let gone = deleted(revoking_at(HOST)).with(|scene| scene.target = target.clone());
        assert_eq!(released(gone.clone().plan()), Some(Reason::RevocationFailed), "a foreground deletion");
        let never = gone.with(|scene| scene.status = crate::api::TokenSourceStatus::default());
        assert_eq!(released(never.plan()), None, "there has been no token");
    }
    assert_eq!(released(deleted(revoking_at(HOST).when(3600)).plan()), None, "the token has expired");
    let namespace = revoking_at(HOST).with(|scene| {
        scene.deleting = true;
        scene.deletion.of_namespace = true;
    });
    assert_eq!(released(namespace.plan()), None);
    let unset = deleted(revoking_at(HOST)).with(|scene| scene.provider().revocation = None);
    assert_eq!(released(unset.plan()), None);
}

#[test]
fn object_whose_tokens_cannot_be_revoked_is_released_immediately_with_the_reason() {
    let missing = failure(Reason::ProviderNotFound, Retry::TERMINAL);
    let provider = deleted(revoking_at(HOST)).with(|scene| scene.provider = Err(missing));
    assert_eq!(released(provider.plan()), Some(Reason::ProviderNotFound));
    let spec = deleted(revoking_at(HOST)).with(|scene| {
        scene.provider().issuer = Some("https://issuer.example.com".to_owned());
    });
    assert_eq!(released(spec.plan()), Some(Reason::InvalidSpec));
    let credentials = deleted(revoking_at(HOST))
        .with(|scene| scene.credentials = ReferencedSecret::Missing("client".to_owned()));
    assert_eq!(released(credentials.plan()), Some(Reason::CredentialsNotFound));
    let unbound = deleted(revoking_at("elsewhere.example.com"));
    assert_eq!(released(unbound.plan()), Some(Reason::CredentialsNotBound));
    let changed = deleted(revoking_at(HOST)).with(|scene| {
        scene.provider().token_endpoint = Some(format!("https://{HOST}/other"));
    });
    assert_eq!(released(changed.plan()), Some(Reason::RevocationFailed), "the token is another provider's");
}

/// The owner of each Secret decides where a token that was requested with the Secret may be sent.
#[test]
fn revoking_needs_every_secret_that_the_token_was_requested_with() {
    let exchange = deleted(revoking_at(HOST)).with(|scene| {
        scene.subject = ReferencedSecret::Missing("subject".to_owned());
    });
    assert_eq!(released(exchange.plan()), Some(Reason::CredentialsNotFound));
}

/// A user who may change the spec, and may not read Secrets, must not get tokens of an earlier spec by naming a new
/// endpoint.
#[test]
fn tokens_of_an_earlier_spec_are_not_revoked() {
    let stolen = |scene: &mut Scene| {
        scene.provider().token_endpoint = Some(format!("https://{HOST}/other"));
    };
    let replaced_token = {
        let mut scene = revoking_at(HOST);
        ReplacedToken::new(at(600), TimeDelta::zero(), scene.published())
    };
    let with_all = || {
        deleted(revoking_at(HOST)).with(|scene| {
            scene.unwritten_token = Some(UnwrittenToken {
                inputs_fingerprint: scene.fingerprints().unwrap().token,
                expires_at: at(9000),
            });
            scene.replaced_token.clone_from(&replaced_token);
        })
    };
    let found = |scene: &Scene| {
        let Revocable { published, replaced, unwritten } = revocable(&scene.observed());
        [published, replaced, unwritten]
    };
    assert_eq!(found(&with_all()), [true; 3]);
    assert_eq!(found(&with_all().with(stolen)), [false; 3]);
    // The recorded expiry changes nothing, because a provider may accept a token longer.
    assert_eq!(found(&with_all().with(stolen).when(9000)), [false; 3]);
    // The same holds for a replaced token while the object is not being deleted.
    let due = revoking_at(HOST).with(|scene| {
        revocation_of(scene).on_replace = true;
        scene.replaced_token.clone_from(&replaced_token);
    });
    assert_eq!(due.plan(), Plan::RevokeReplaced);
    assert_ne!(due.with(stolen).plan(), Plan::RevokeReplaced);
}

#[test]
fn contradictions_are_refused_before_a_token_is_requested() {
    let refused = |scene: Scene| match scene.plan() {
        Plan::Refuse(failure) => failure.message,
        other => panic!("not refused: {other:?}"),
    };
    let idle = revoking_at(HOST).with(|scene| scene.provider().revocation = Some(Revocation::default()));
    assert!(refused(idle).contains("set one of them to true"));
    let graceful = revoking_at(HOST).with(|scene| {
        revocation_of(scene).grace = Some(crate::api::Duration::from_secs(60));
    });
    assert!(refused(graceful).contains("set onReplace"));
    let endless = revoking_at(HOST).with(|scene| {
        let revocation = revocation_of(scene);
        (revocation.on_replace, revocation.grace) = (true, Some(crate::api::Duration::from_secs(3601)));
    });
    assert!(refused(endless).contains("1s to 1h"));
    let nowhere = revoking_at(HOST).with(|scene| {
        scene.provider().revocation = Some(Revocation { on_delete: true, ..Revocation::default() });
    });
    assert!(refused(nowhere).contains("needs a URL"));
    let http = revoking_at(HOST).with(|scene| {
        let endpoint = Some(format!("http://{HOST}/revoke"));
        scene.provider().revocation = Some(Revocation { endpoint, on_delete: true, ..Revocation::default() });
    });
    assert!(refused(http).contains("provider.revocation.endpoint"));
    let rendered = revoking_at(HOST).with(|scene| {
        let template = crate::api::LongText("Bearer {{ access_token }}".to_owned());
        scene.spec.target.data.insert("header".to_owned(), template);
    });
    assert!(refused(rendered).contains("needs the token itself"));
    assert!(refused(revoking_at("elsewhere.example.com")).contains("elsewhere.example.com"));
}

#[test]
fn replaced_token_is_revoked_when_its_grace_is_over() {
    let replaced = |due| {
        revoking_at(HOST).with(|scene| {
            revocation_of(scene).on_replace = true;
            let token = Published { expires_at: at(9000), ..scene.published().clone() };
            scene.replaced_token = ReplacedToken::new(at(due), TimeDelta::zero(), &token);
        })
    };
    assert_eq!(replaced(601).plan(), Plan::Nothing);
    assert_eq!(replaced(600).plan(), Plan::RevokeReplaced);
    assert!(matches!(replaced(2990).when(3000).plan(), Plan::Issue(_)), "a renewal comes first");
    // The deletion need not wait for the grace.
    let ending = deleted(replaced(601)).with(|scene| scene.target = Target::Missing);
    assert_eq!(ending.plan(), Plan::Deletion(DeletionStep::Revoke));
}

/// Otherwise its due time would cause one immediate reconcile after the other.
#[test]
fn replaced_token_that_must_not_be_revoked_is_forgotten() {
    let replaced_token = ReplacedToken::new(at(600), TimeDelta::zero(), revoking_at(HOST).published());
    let unwanted = revoking_at(HOST).with(|scene| scene.replaced_token = replaced_token);
    assert_eq!(unwanted.plan(), Plan::ForgetReplaced(None));
}

type Change = fn(&mut Scene);

#[test]
fn replaced_token_that_was_not_revoked_in_time_is_reported_with_the_obstacle() {
    let overdue = |now: i64, change: Change| {
        revoking_at(HOST).when(now).with(|scene| {
            revocation_of(scene).on_replace = true;
            scene.replaced_token = ReplacedToken::new(at(0), TimeDelta::zero(), scene.published());
            change(scene);
        })
    };
    let unrestarted: Change = |scene| {
        scene.spec.target.rollout_restart =
            vec![Workload { kind: WorkloadKind::Deployment, name: "app".to_owned() }];
        scene.status.restarted_for = Some(to_kubernetes(at(-3600)));
    };
    assert_eq!(overdue(599, unrestarted).plan(), Plan::Restart, "pods may use it until they are restarted");
    let unresolved: Change = |scene| {
        let missing = failure(Reason::ProviderNotFound, Retry::REFUSED);
        scene.record(&Outcome::Refused(missing.clone()));
        scene.provider = Err(missing);
    };
    let cases: [(&str, Change); 5] = [
        ("was busy", |_| {}),
        ("Renewed", unresolved),
        ("rolloutRestart", unrestarted),
        ("suspended", |scene| scene.spec.suspend = true),
        ("Renewed", |scene| scene.record(&Outcome::Failed(scene.now, outage()))),
    ];
    for (obstacle, change) in cases {
        let Plan::ForgetReplaced(Some(failure)) = overdue(600, change).plan() else { panic!("{obstacle}") };
        assert_eq!(failure.reason, Reason::RevocationFailed);
        assert!(failure.message.contains(obstacle), "{}", failure.message);
    }
    let unwanted = overdue(600, |scene| revocation_of(scene).on_replace = false);
    assert_eq!(unwanted.plan(), Plan::ForgetReplaced(None));
    let ending = deleted(overdue(600, |scene| scene.target = Target::Missing));
    assert_eq!(ending.plan(), Plan::Deletion(DeletionStep::Revoke), "the deletion revokes it");
}

#[test]
fn token_that_is_about_to_be_replaced_is_remembered_only_if_the_spec_wants_it() {
    let grace = |scene: &Scene| grace_of_current(&scene.observed());
    let wanted = revoking_at(HOST).with(|scene| revocation_of(scene).on_replace = true);
    assert_eq!(grace(&wanted), Some(TimeDelta::minutes(3)));
    assert_eq!(grace(&revoking_at(HOST)), None);
    assert_eq!(grace(&Scene::good()), None);
    let altered = wanted.clone().with(|scene| scene.published().intact = false);
    assert_eq!(grace(&altered), None, "somebody else's data");
    let changed = wanted.with(|scene| {
        scene.provider().token_endpoint = Some(format!("https://{HOST}/other"));
    });
    assert_eq!(grace(&changed), None, "another provider's token");
}
