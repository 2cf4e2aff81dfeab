//! Refusals because of upstream TokenSources, and when they are made.

use super::*;
use crate::decide::fixture::{HOST, Scene, at};
use crate::decide::{Cause, Plan, Upstream};

fn chained(state: UpstreamState) -> impl FnOnce(&mut Scene) {
    move |scene| scene.upstreams = vec![Upstream { name: "sts".to_owned(), state }]
}

fn ready(allowed_hosts: Option<&str>) -> UpstreamState {
    UpstreamState::Ready(ReferencedSecret::Present {
        name: "sts-token".to_owned(),
        uid: "uid".to_owned(),
        resource_version: "1".to_owned(),
        allowed_hosts: allowed_hosts.map(str::to_owned),
    })
}

#[test]
fn an_unusable_upstream_is_refused_with_a_remedy() {
    let cases = [
        (UpstreamState::Missing, Reason::SubjectTokenNotReady, "There is no TokenSource sts"),
        (UpstreamState::NotReady, Reason::SubjectTokenNotReady, "kubectl describe tokensource sts"),
        (UpstreamState::TokenNotKept, Reason::InvalidSpec, "add the key access_token"),
        (ready(None), Reason::CredentialsNotBound, "spec.target.allowedHosts of TokenSource sts"),
        (ready(Some("other.example")), Reason::CredentialsNotBound, "does not allow auth.example.com"),
    ];
    for (state, reason, words) in cases {
        let name = format!("{state:?}");
        let Plan::Refuse(failure) = Scene::fresh().with(chained(state)).plan() else { panic!("{name}") };
        assert_eq!(failure.reason, reason, "{name}: {}", failure.message);
        assert!(failure.message.contains(words), "{name}: {}", failure.message);
    }
}

#[test]
fn an_upstream_with_a_token_for_this_host_is_used() {
    let scene = Scene::fresh().with(chained(ready(Some(HOST))));
    assert_eq!(scene.plan(), Plan::Issue(Cause::TokenPending));
}

/// While no token is needed, neither readiness nor version of the upstream's token matters.
#[test]
fn a_good_token_does_not_depend_on_its_upstream() {
    for state in [UpstreamState::NotReady, ready(Some(HOST))] {
        let scene = Scene::good().with(chained(state.clone()));
        assert_eq!(scene.plan(), Plan::Nothing, "{state:?}");
        let due = Scene::good().with(chained(state.clone())).with(|scene| scene.now = at(3500));
        let is_refused = matches!(due.plan(), Plan::Refuse(_));
        assert_eq!(is_refused, state == UpstreamState::NotReady, "{state:?}");
    }
}

#[test]
fn circles_are_refused_with_their_names() {
    let scene = Scene::fresh().with(|scene| {
        scene.circle = ["source", "sts", "source"].map(str::to_owned).to_vec();
    });
    let Plan::Refuse(failure) = scene.plan() else { panic!("not refused") };
    assert_eq!(failure.reason, Reason::InvalidSpec);
    assert!(failure.message.contains("source -> sts -> source"), "{}", failure.message);
}

/// Otherwise an author could send the token of somebody's credentials to any host, in two steps.
#[test]
fn a_token_may_be_sent_only_where_the_owner_of_its_credentials_allows() {
    let allowing = |host: &str| {
        let hosts = vec![crate::api::HostText(host.to_owned())];
        move |scene: &mut Scene| scene.spec.target.allowed_hosts = hosts
    };
    assert_eq!(Scene::fresh().with(allowing(HOST)).plan(), Plan::Issue(Cause::TokenPending));
    // A good token does not change this: the annotation with the new host is not written.
    for scene in [Scene::fresh(), Scene::good()] {
        let Plan::Refuse(failure) = scene.with(allowing("elsewhere.example")).plan() else {
            panic!("not refused")
        };
        assert_eq!(failure.reason, Reason::CredentialsNotBound);
        assert!(failure.message.contains("elsewhere.example"), "{}", failure.message);
    }
    // A chain limits the hosts in the same way: the second TokenSource may send its token only to hosts that the first one's
    // token allows.
    let second = |host: &str| Scene::fresh().with(chained(ready(Some(HOST)))).with(allowing(host));
    let credentials_allow_all = |scene: &mut Scene| scene.credentials = everywhere();
    assert_eq!(second(HOST).plan(), Plan::Issue(Cause::TokenPending));
    let Plan::Refuse(failure) = second("elsewhere.example").with(credentials_allow_all).plan() else {
        panic!("not refused")
    };
    assert!(failure.message.contains("spec.target.allowedHosts of TokenSource sts"), "{}", failure.message);
}

fn everywhere() -> ReferencedSecret {
    let UpstreamState::Ready(secret) = ready(Some(&format!("{HOST},elsewhere.example"))) else {
        unreachable!()
    };
    secret
}

/// The author of a TokenSource without credentials could allow any host.
#[test]
fn an_upstream_without_an_owner_allows_no_choice_of_members() {
    for state in [UpstreamState::Missing, UpstreamState::NotReady, ready(Some(HOST))] {
        let name = format!("{state:?}");
        let choosing = |has_owner: bool| {
            let scene = Scene::fresh().with(chained(state.clone())).with(|scene| {
                scene.spec.credentials_ref = None;
                scene.credentials = ReferencedSecret::Unnamed;
                scene.upstream_has_owner = has_owner;
                let provider = scene.provider();
                provider.client_authentication.method = crate::api::ClientAuthenticationMethod::None;
                provider.response.fields.access_token = Some("/data/password".to_owned());
            });
            match scene.plan() {
                Plan::Refuse(failure) => Some(failure.reason),
                _ => None,
            }
        };
        assert_eq!(choosing(false), Some(Reason::InvalidSpec), "{name}");
        // The spec of a chain does not cause the failure while its first token is missing.
        let expected = matches!(state, UpstreamState::Missing | UpstreamState::NotReady);
        assert_eq!(choosing(true), expected.then_some(Reason::SubjectTokenNotReady), "{name}");
    }
}
