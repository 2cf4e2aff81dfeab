//! The story: README's commands start two replicas; a pod uses a token through three renewals, a `kill -9` of the leader, an
//! upgrade and a handover; no call is answered 401, and no token is requested before it is due. Knows the expected
//! behaviour; must not know how it is implemented.

use std::process::Command;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};
use serde_json::json;
use tokensource_kit::enclosure::Enclosure;
use tokensource_kit::keycloak::{BRIEF, MACHINE, SECRET};
use tokensource_kit::node::Node;
use tokensource_kit::shipped::repository;
use tokensource_kit::{eventually, manifest};

use crate::Logs;
use crate::cluster::{Cluster, PATIENCE, SHOP, SYSTEM, restarts};
use crate::commands::{self, Person};
use crate::scene::{LIFESPAN, Scene};

/// How much later than the Secret a mount shows a new token, with some reserve for load.
const PROPAGATION: Duration = Duration::from_secs(40);
/// The deadline of a handover. docs/renewal.md promises about five seconds after SIGTERM; a loaded machine takes longer.
const HANDOVER: Duration = Duration::from_secs(12);
/// The deadline of a takeover. docs/renewal.md promises about 20 seconds after the leader was killed.
const TAKEOVER: Duration = Duration::from_secs(25);

struct Story<'a> {
    scene: &'a Scene,
    cluster: Cluster,
    person: Person,
    began: Instant,
}

pub(crate) async fn tell(enclosure: &Enclosure, logs: &Logs) {
    let began = Instant::now();
    let (image, commands) = commands::installation();
    let scene = Scene::set(enclosure, &image).await;
    let _kept = Kept(logs);
    let person = Person::new(enclosure, &scene.plane.kubeconfig_for("admin"));
    let cluster = Cluster::of(&scene.plane);
    let story = Story { scene: &scene, cluster, person, began };
    story.say("a node is ready, with a control plane and Keycloak beside it");
    story.person.types(&commands);
    story.installed().await;
    story.populate().await;
    let first_token = story.cluster.token("books-token").await;
    story.first_renewal().await;
    story.kill_the_leader().await;
    story.upgrade().await;
    story.end_the_leader().await;
    story.verdict(&first_token).await;
}

/// Keeps the logs in any case: dropped before the scene, which deletes its logs.
struct Kept<'a>(&'a Logs);

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.0.keep();
    }
}

impl Story<'_> {
    fn say(&self, what: &str) {
        println!("{:4} s  {what}", self.began.elapsed().as_secs());
    }

    /// Two pods are Ready and as restricted as the chart says, and one of them leads.
    async fn installed(&self) {
        let pods = self.cluster.two_are_ready().await;
        let leader = self.cluster.leading_pod().await.name_any();
        for pod in &pods {
            confined(&self.scene.node, pod);
        }
        eventually("one leader by its own metrics", PATIENCE, async || {
            let leading = self.cluster.leading_by_metrics(&pods).await;
            let right = leading.iter().all(|(pod, value)| value == if *pod == leader { "1" } else { "0" });
            if right { Ok(()) } else { Err(format!("{leading:?}, and the lease is {leader}'s")) }
        })
        .await;
        self.say(&format!("two replicas are Ready, confined as the chart says; {leader} leads"));
    }

    /// The user's objects, a resource server, and the Deployment of deploy/examples/pod.yaml with the test's client in it.
    async fn populate(&self) {
        let manifests = repository().join("tests/e2e/manifests");
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": SHOP } });
        self.scene.plane.apply(&namespace.to_string()).await;
        let authority = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "login-authority" },
            "data": { "ca.crt": self.scene.keycloak.ca_pem() },
        });
        let token = std::fs::read_to_string(manifests.join("token.yaml")).expect("token.yaml");
        let server = std::fs::read_to_string(manifests.join("resource-server.yaml")).expect("a manifest");
        for text in [authority.to_string(), token.replace("CLIENT_SECRET", SECRET), server] {
            self.scene.plane.apply_in(SHOP, &text).await;
        }
        self.person.types(&format!(
            "kubectl -n {SHOP} wait --for=condition=Ready tokensource/books tokensource/reports --timeout=60s\n\
             kubectl -n {SHOP} rollout status deployment/books --timeout=90s\nkubectl -n {SHOP} get tokensources"
        ));
        let mut reader = manifest::load(repository().join("deploy/examples/pod.yaml"));
        manifest::into_namespace(&mut reader, SHOP);
        let pod = &mut reader[0].data["spec"]["template"]["spec"];
        pod["volumes"][0]["secret"]["secretName"] = json!("books-token");
        let container = pod["containers"][0].as_object_mut().expect("a container");
        container.insert("image".to_owned(), json!("localhost/pods:e2e"));
        container.remove("command");
        let url = "http://books.shop.svc.cluster.local/books";
        container.insert("args".to_owned(), json!(["client", url, "/var/run/token/access_token"]));
        self.scene.plane.apply_objects(&reader).await;
        self.cluster.client_has_shown(1, PATIENCE).await;
        self.say("a pod calls the resource server with the token in its Secret");
    }

    async fn first_renewal(&self) {
        self.cluster.client_has_shown(2, Duration::from_secs(LIFESPAN)).await;
        self.say("first renewal, seen by the client");
    }

    /// Kills the leader just before the second renewal is due.
    async fn kill_the_leader(&self) {
        let due = self.cluster.renews_at("books").await;
        let wait = due - TimeDelta::seconds(5) - Utc::now();
        tokio::time::sleep(wait.to_std().unwrap_or_default()).await;
        let leader = self.cluster.leader().await.expect("a leader");
        let pod = self.cluster.leading_pod().await;
        self.scene.node.kill9(&pod);
        self.say(&format!("kill -9 of {leader}, 5 s before the next renewal is due"));
        let (next, took) = self.cluster.takeover(&leader).await;
        self.say(&format!("{next} leads, {:.1} s later", took.as_secs_f64()));
        assert!(took < TAKEOVER, "that took {took:?}");
        self.cluster.client_has_shown(3, PROPAGATION + TAKEOVER).await;
        self.say("second renewal, seen by the client");
        let pods = self.cluster.two_are_ready().await;
        assert_eq!(
            pods.iter().map(restarts).sum::<i32>(),
            1,
            "the kubelet has started what was killed again"
        );
    }

    /// Upgrades with another value, so that the pods are replaced. The namespace enforces the pod security of
    /// docs/install.md, too.
    async fn upgrade(&self) {
        let before: Vec<String> =
            self.cluster.controllers().await.iter().map(ResourceExt::name_any).collect();
        let due = self.cluster.renews_at("books").await;
        let issued = self.scene.issued(BRIEF).await;
        self.person.types(&format!(
            "kubectl label namespace {SYSTEM} pod-security.kubernetes.io/enforce=restricted\n\
             {} --set logLevel=debug\n\
             kubectl -n {SYSTEM} rollout status deployment/tokensource-controller --timeout=90s",
            commands::upgrade()
        ));
        let pods = self.cluster.two_are_ready().await;
        let leader = self.cluster.leading_pod().await.name_any();
        assert!(
            pods.iter().all(|pod| !before.contains(&pod.name_any())),
            "the upgrade has replaced both pods"
        );
        if Utc::now() < due {
            assert_eq!(self.scene.issued(BRIEF).await, issued, "an upgrade is no reason for a request");
        }
        assert_eq!(self.scene.issued(MACHINE).await, 1, "an upgrade is no reason for a request");
        self.say(&format!("upgraded, without a token request; {leader} leads"));
    }

    /// Deletes the leader's pod, as a drain of its node does: the leader gets SIGTERM.
    async fn end_the_leader(&self) {
        let leader = self.cluster.leader().await.expect("a leader");
        let pod = self.cluster.leading_pod().await;
        let pods: Api<Pod> = Api::namespaced(self.cluster.client.clone(), SYSTEM);
        let start = Instant::now();
        pods.delete(&pod.name_any(), &DeleteParams::default()).await.expect("deleting a pod");
        let (next, took) = self.cluster.takeover(&leader).await;
        assert!(took < HANDOVER, "that took {took:?}");
        eventually("the end of the pod", HANDOVER, async || match pods.get_opt(&pod.name_any()).await {
            Ok(None) => Ok(()),
            other => Err(format!("{:?}", other.map(|pod| pod.and_then(|pod| pod.status)))),
        })
        .await;
        self.say(&format!(
            "the leader's pod was deleted: {next} leads {:.1} s later, and the pod was removed after {:.1} s",
            took.as_secs_f64(),
            start.elapsed().as_secs_f64()
        ));
        self.cluster.two_are_ready().await;
    }

    async fn verdict(&self, first_token: &str) {
        self.cluster.client_has_shown(4, Duration::from_secs(LIFESPAN)).await;
        self.say("third renewal, seen by the client");
        // Some more calls with the last token.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let report = self.cluster.report().await.expect("a report");
        let (issued, kept) = (self.scene.issued(BRIEF).await, self.scene.issued(MACHINE).await);
        let statuses = &report.statuses;
        println!(
            "{} calls, {} renewals seen by the client, statuses {statuses:?}, {} without an answer; the longest gap \
             between two answers {} ms. Keycloak has issued {issued} tokens to books and {kept} to reports.",
            report.calls,
            report.tokens.len() - 1,
            report.failures,
            report.longest_gap
        );
        assert!(report.calls > 500, "{} calls are too few to show anything", report.calls);
        assert_eq!(statuses.get(&200), Some(&report.calls), "{:?}", report.complaint);
        assert_eq!(report.failures, 0, "{:?}", report.complaint);
        assert_eq!(issued, report.tokens.len(), "the client received each issued token");
        assert_eq!(kept, 1, "a token that lives for an hour is requested once");
        for client in [BRIEF, MACHINE] {
            assert_eq!(self.scene.refused(client).await.len(), 0, "Keycloak refused nothing to {client}");
        }
        self.nothing_was_refused();
        self.invalid_tokens_are_refused(first_token).await;
        self.scene.node.check();
    }

    /// The chart grants all rights that the controller uses.
    fn nothing_was_refused(&self) {
        let account = format!("system:serviceaccount:{SYSTEM}:tokensource-controller");
        let audit = self.scene.plane.audit();
        let own: Vec<_> = audit.iter().filter(|entry| entry.user == account).collect();
        assert!(own.len() > 50, "{} requests of the controller are too few to show anything", own.len());
        let refused: Vec<_> = own.iter().filter(|entry| entry.status == 403).collect();
        assert!(refused.is_empty(), "{refused:#?}");
        self.say(&format!(
            "{} requests of the controllers to the API server, none of them refused",
            own.len()
        ));
    }

    /// Checks that the resource server refuses invalid tokens.
    async fn invalid_tokens_are_refused(&self, first_token: &str) {
        let good = self.cluster.token("books-token").await;
        let mut forged = good.clone();
        forged.replace_range(good.len() - 20..good.len() - 10, "AAAAAAAAAA");
        let (unsigned, _) = good.rsplit_once('.').expect("a JWT");
        let other = self.cluster.token("reports-token").await;
        assert_eq!(self.cluster.show(&good).await.0, 200);
        for (token, why) in [
            (first_token, "expired"),
            (&forged, "the signature"),
            (&format!("{unsigned}."), "the signature"),
            (&other, "aud is"),
        ] {
            let (status, said) = self.cluster.show(token).await;
            assert_eq!((status, said.starts_with(why)), (401, true), "{why}: {said}");
        }
        self.say(
            "the resource server refuses the first token, which has expired, forged tokens, and a token for another audience",
        );
    }
}

/// The restrictions of a container's process, from the kernel: an unprivileged user, no capabilities, a seccomp filter, a
/// read-only disk.
fn confined(node: &Node, pod: &Pod) {
    let pid = node.pid(pod).expect("a running container");
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).expect(name);
    let status = read("status");
    let field = |name: &str| {
        let mut lines = status.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        lines.next().unwrap_or_default().to_owned()
    };
    assert_eq!(field("Uid"), "65532\t65532\t65532\t65532");
    assert_eq!(field("Gid"), "65532\t65532\t65532\t65532");
    for capabilities in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(capabilities), "0000000000000000", "{capabilities}");
    }
    assert_eq!((field("NoNewPrivs").as_str(), field("Seccomp").as_str()), ("1", "2"));
    let mounts = read("mountinfo");
    let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).expect("a root filesystem");
    let options = root.split(' ').nth(5).unwrap_or_default();
    assert!(options.split(',').any(|option| option == "ro"), "{root}");
    // The test writes from outside, as root, because the image has no shell for this attempt.
    let tried = Command::new("touch").arg(format!("/proc/{pid}/root/written")).output().expect("touch");
    assert!(!tried.status.success(), "the root filesystem can be written");
}
