//! The users of the control plane, with their kubeconfig files and clients.
//!
//! Knows names, groups and tokens. Must not know rights, which manifests grant.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client, Config};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;

use super::components::Site;
use crate::{canaries, unique};

/// Names and groups. The controller manager is not `admin`, so that the audit log distinguishes the two.
const USERS: [(&str, &str); 6] = [
    ("admin", "system:masters"),
    ("kube-controller-manager", "system:masters"),
    ("controller", "tokensource-controllers"),
    ("alice", "tenants"),
    ("bob", "tenants"),
    ("carol", "operators"),
];

/// The programs of a node. The API server's own roles grant their rights.
const NODE_USERS: [(&str, &str); 3] = [
    ("system:node:worker", "system:nodes"),
    ("system:kube-proxy", "system:authenticated"),
    ("system:kube-scheduler", "system:authenticated"),
];

/// The users of one control plane.
pub(super) struct Users {
    directory: PathBuf,
    server: String,
    authority_pem: String,
    tokens: BTreeMap<&'static str, String>,
}

impl Users {
    /// Makes a random token for each user and writes the tokens to the file that the API server reads.
    pub(super) fn enlist(directory: &Path, site: Site, port: u16, authority_pem: &str) -> Self {
        let mut users = USERS.to_vec();
        if let Site::Node(_) = site {
            users.extend(NODE_USERS);
        }
        let tokens: BTreeMap<_, _> = users.iter().map(|(name, _)| (*name, unique::word(32))).collect();
        for (user, token) in &tokens {
            canaries::register(&format!("{user}'s token for the API server"), token);
        }
        let lines: Vec<String> = users
            .iter()
            .map(|(name, group)| format!("{},{name},{name},\"{group}\"\n", tokens[name]))
            .collect();
        let path = directory.join("tokens.csv");
        std::fs::write(&path, lines.concat())
            .unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
        Self {
            directory: directory.to_owned(),
            server: format!("https://{}:{port}", site.address()),
            authority_pem: authority_pem.to_owned(),
            tokens,
        }
    }

    pub(super) fn server(&self) -> String {
        self.server.clone()
    }

    pub(super) fn token(&self, user: &str) -> &str {
        self.tokens.get(user).unwrap_or_else(|| {
            panic!("there is no user `{user}`, only {:?}", self.tokens.keys().collect::<Vec<_>>())
        })
    }

    pub(super) fn client(&self, user: &str) -> Client {
        let mut config = Config::new(self.server.parse().expect("our own URL"));
        let authority = CertificateDer::from_pem_slice(self.authority_pem.as_bytes()).expect("our own PEM");
        config.root_cert = Some(vec![authority.to_vec()]);
        config.auth_info.token = Some(self.token(user).to_owned().into());
        Client::try_from(config).expect("a client")
    }

    pub(super) fn kubeconfig(&self, user: &str) -> PathBuf {
        self.write(user, self.token(user))
    }

    pub(super) fn kubeconfig_through(&self, user: &str, server: &str, ca_pem: &str) -> PathBuf {
        let port = server.rsplit(':').next().unwrap_or_default();
        let copy =
            Self { directory: self.directory.join(format!("through-{port}")), ..self.at(server, ca_pem) };
        std::fs::create_dir_all(&copy.directory)
            .unwrap_or_else(|error| panic!("creating {}: {error}", copy.directory.display()));
        copy.kubeconfig(user)
    }

    /// These users at another server.
    pub(super) fn at(&self, server: &str, authority_pem: &str) -> Self {
        Self {
            directory: self.directory.clone(),
            server: server.to_owned(),
            authority_pem: authority_pem.to_owned(),
            tokens: self.tokens.clone(),
        }
    }

    pub(super) async fn service_account(&self, admin: &Client, namespace: &str, name: &str) -> PathBuf {
        let api: Api<ServiceAccount> = Api::namespaced(admin.clone(), namespace);
        let spec = TokenRequestSpec { expiration_seconds: Some(3600), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let answer: Result<TokenRequest, _> =
            api.create_subresource("token", name, &PostParams::default(), &request).await;
        let answer = answer.unwrap_or_else(|error| panic!("a token for {namespace}/{name}: {error}"));
        let token = answer.status.expect("a TokenRequest is answered with its status").token;
        self.write(&format!("{namespace}.{name}"), &token)
    }

    /// Writes JSON, which is YAML. Authority and token are in the file itself, so that it can be moved.
    fn write(&self, user: &str, token: &str) -> PathBuf {
        use base64::Engine;
        let authority = base64::engine::general_purpose::STANDARD.encode(&self.authority_pem);
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "test", "cluster": {
                "server": self.server, "certificate-authority-data": authority } }],
            "users": [{ "name": user, "user": { "token": token } }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": user } }],
            "current-context": "test",
        });
        let path = self.directory.join(format!("{user}.kubeconfig"));
        // The file is replaced in one step, because a program of another story may be reading it.
        let fresh = self.directory.join(format!("{user}.{}", unique::word(8)));
        std::fs::write(&fresh, kubeconfig.to_string())
            .and_then(|()| std::fs::rename(&fresh, &path))
            .unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
        path
    }
}
