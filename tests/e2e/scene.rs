//! The preconditions of the story: the images, a control plane, a node, a Keycloak. Knows how they are connected; must not
//! know the story.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

use reqwest::Method;
use serde_json::{Value, json};
use tokensource_kit::authority::Authority;
use tokensource_kit::control_plane::ControlPlane;
use tokensource_kit::enclosure::Enclosure;
use tokensource_kit::keycloak::{BRIEF, Keycloak, MACHINE, REALM};
use tokensource_kit::node::{self, Node};
use tokensource_kit::shipped::repository;

/// The lifetime of tokens, in seconds: by the controller's rules, they are renewed each minute.
pub(crate) const LIFESPAN: u64 = 120;
const PODS_IMAGE: &str = "localhost/pods:e2e";
/// The names that the cluster's DNS and a public DNS would have.
const NAMES: [(&str, Ipv4Addr); 3] = [
    ("login.example.com", node::ADDRESS),
    ("books.shop.svc.cluster.local", Ipv4Addr::new(10, 0, 0, 80)),
    ("kubernetes.default.svc.cluster.local", Ipv4Addr::new(10, 0, 0, 1)),
];

pub(crate) struct Scene {
    pub(crate) plane: ControlPlane,
    pub(crate) node: Node,
    pub(crate) keycloak: Keycloak,
}

impl Scene {
    /// `image` is the name for the controller's image.
    pub(crate) async fn set(enclosure: &Enclosure, image: &str) -> Self {
        let archive = build(enclosure, image);
        let program = std::env::current_exe().expect("the path of this program");
        let images: [(&str, &[&str]); 2] = [(node::PAUSE_IMAGE, &["pause"]), (PODS_IMAGE, &[])];
        let pods = node::pack(&program, &enclosure.directory().join("images"), &images);
        let authority = Authority::new("the authority of login.example.com");
        let cluster = async {
            let plane = ControlPlane::start_for_node(node::ADDRESS).await;
            let node = Node::start(enclosure, &plane, &pods, &NAMES).await;
            (plane, node)
        };
        let keycloak = Keycloak::start_at(&authority, "login.example.com", node::ADDRESS);
        let ((plane, node), keycloak) = tokio::join!(cluster, keycloak);
        node.import(&archive);
        let scene = Self { plane, node, keycloak };
        scene.lifespan(BRIEF, LIFESPAN).await;
        scene.lifespan(MACHINE, 3600).await;
        scene.audience(BRIEF, "books").await;
        scene
    }

    async fn lifespan(&self, client: &str, seconds: u64) {
        let attributes = json!({ "attributes": { "access.token.lifespan": seconds.to_string() } });
        self.keycloak.alter_client(REALM, client, &attributes).await;
    }

    /// Sets the resource server that this client's tokens are for.
    async fn audience(&self, client: &str, audience: &str) {
        let found =
            self.keycloak.admin(Method::GET, &format!("/{REALM}/clients?clientId={client}"), None).await;
        let id = found[0]["id"].as_str().expect("the client's id");
        let mapper = json!({
            "name": "audience", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
            "config": { "included.custom.audience": audience, "access.token.claim": "true" },
        });
        let path = format!("/{REALM}/clients/{id}/protocol-mappers/models");
        self.keycloak.admin(Method::POST, &path, Some(&mapper)).await;
    }

    /// The number of tokens that Keycloak has issued to a client.
    pub(crate) async fn issued(&self, client: &str) -> usize {
        self.keycloak.events(REALM, client, "CLIENT_LOGIN").await.len()
    }

    /// The requests of a client that Keycloak has refused.
    pub(crate) async fn refused(&self, client: &str) -> Vec<Value> {
        self.keycloak.events(REALM, client, "CLIENT_LOGIN_ERROR").await
    }
}

/// Builds the Dockerfile. The output is shown, because the first build takes minutes.
fn build(enclosure: &Enclosure, image: &str) -> std::path::PathBuf {
    let archive = enclosure.directory().join("controller.tar");
    // The cache is in cargo's directory for the temporary files of integration tests, so that `cargo clean` deletes the cache, too.
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image");
    let status = Command::new("bash")
        .arg(repository().join("tests/e2e/image.sh"))
        .arg(image)
        .args([&archive, &cache])
        .stdin(Stdio::null())
        .status();
    assert!(status.expect("bash").success(), "the image cannot be built; its own message is above");
    archive
}
