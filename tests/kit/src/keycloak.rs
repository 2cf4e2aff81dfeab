//! A real OAuth provider: Keycloak on 127.0.0.1 or another address, HTTPS only, with two realms that tests may alter.
//!
//! Knows how Keycloak is started and administered. Must not know the controller's requests, because Keycloak itself checks
//! them.

mod realm;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use self::realm::{
    BRIEF, BRIEF_LIFESPAN, MACHINE, MUTUAL_TLS, PASSWORD, PUBLIC, REALM, ROTATING_REALM, SECRET, SECRET_JWT,
    SIGNED_JWT, USERNAME,
};
use crate::authority::{Authority, Identity, https_client};
use crate::process::{Process, Program};
use crate::{assets, canaries, unique};

/// The deadline of the start, which takes 13 s on an idle machine of two cores, and several times as long during a build.
const PATIENCE: Duration = Duration::from_secs(240);
const ADMINISTRATOR: &str = "administrator";

/// A running Keycloak. Dropping this value ends Keycloak. The database is in memory only.
pub struct Keycloak {
    process: Process,
    host: String,
    ca_pem: String,
    admin_password: String,
    signer: Identity,
    // Last, because the files must outlive the process.
    _directory: TempDir,
}

impl Keycloak {
    /// Starts a Keycloak with the realms [`REALM`] and [`ROTATING_REALM`] and waits until it answers.
    pub async fn start(authority: &Authority) -> Self {
        for _ in 0..3 {
            let keycloak = Self::spawn(authority, "localhost", Ipv4Addr::LOCALHOST, unique::port());
            match keycloak.await_ready().await {
                Ok(()) => return keycloak,
                Err(problem) if problem.to_lowercase().contains("already in use") => {}
                Err(problem) => panic!("{problem}"),
            }
        }
        panic!("three times in a row somebody else took the port chosen for Keycloak");
    }

    /// Starts Keycloak at another address of this machine, on port 443. The caller makes `name` resolve to that address.
    pub async fn start_at(authority: &Authority, name: &str, address: Ipv4Addr) -> Self {
        let keycloak = Self::spawn(authority, name, address, 443);
        keycloak.ready().await;
        keycloak
    }

    fn spawn(authority: &Authority, name: &str, address: Ipv4Addr, port: u16) -> Self {
        let directory =
            tempfile::Builder::new().prefix("keycloak-").tempdir().expect("a temporary directory");
        let home = directory.path();
        let admin_password = unique::word(24);
        let signer = authority.issue_signer(SIGNED_JWT);
        prepare(home, authority, name, address, &signer);
        for (what, secret) in [
            ("Keycloak's clients' secret", SECRET),
            ("Keycloak's user's password", PASSWORD),
            ("Keycloak's administrator's password", &admin_password),
            ("Keycloak's signing client's key", &signer.key_pem),
        ] {
            canaries::register(what, secret);
        }
        let process = Process::start(Program {
            environment: vec![
                ("KC_BOOTSTRAP_ADMIN_USERNAME".into(), ADMINISTRATOR.into()),
                ("KC_BOOTSTRAP_ADMIN_PASSWORD".into(), admin_password.clone()),
            ],
            ..Program::new(home, "keycloak", java(), command_line(home, address, port))
        });
        // The host has the form that it has in a URL, because this is also the name in the issuer.
        let host = if port == 443 { name.to_owned() } else { format!("{name}:{port}") };
        Self {
            process,
            host,
            ca_pem: authority.pem().to_owned(),
            admin_password,
            signer,
            _directory: directory,
        }
    }

    /// `localhost:PORT`, or the name with which Keycloak was started, as in `allowed-hosts`.
    pub fn host(&self) -> String {
        self.host.clone()
    }

    /// A realm's issuer; its metadata is at `…/.well-known/openid-configuration`.
    pub fn issuer(&self, realm: &str) -> String {
        format!("https://{}/realms/{realm}", self.host())
    }

    /// A realm's token endpoint.
    pub fn token_endpoint(&self, realm: &str) -> String {
        format!("{}/protocol/openid-connect/token", self.issuer(realm))
    }

    /// A URL that answers 200 to a user's token with scope `openid` and 401 to a bad token.
    pub fn userinfo_endpoint(&self, realm: &str) -> String {
        format!("{}/protocol/openid-connect/userinfo", self.issuer(realm))
    }

    /// The authority to trust, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The certificate and the private key (RSA, PKCS#8) by which [`SIGNED_JWT`] is known.
    pub fn signer(&self) -> &Identity {
        &self.signer
    }

    /// Gives a client another secret; Keycloak refuses the old secret immediately.
    pub async fn set_client_secret(&self, realm: &str, client_id: &str, secret: &str) {
        self.alter_client(realm, client_id, &json!({ "secret": secret })).await;
    }

    /// Ends all sessions of a user, which invalidates the refresh tokens issued so far.
    pub async fn log_out(&self, realm: &str, username: &str) {
        let id = self.id_of(realm, "users", "username", username).await;
        self.admin(Method::POST, &format!("/{realm}/users/{id}/logout"), None).await;
    }

    /// The events of a client in a realm, newest first. Types are `CLIENT_LOGIN`, `LOGIN`, `REFRESH_TOKEN`, each also with
    /// `_ERROR`: tests count the issued tokens with them.
    pub async fn events(&self, realm: &str, client_id: &str, kind: &str) -> Vec<Value> {
        let path = format!("/{realm}/events?client={client_id}&type={kind}&max=1000");
        self.admin(Method::GET, &path, None).await.as_array().cloned().unwrap_or_default()
    }

    /// Adds a client that is identified by the token of a `ServiceAccount`: by the issuer and the keys (a URL) of its cluster, and by
    /// the token's subject.
    pub async fn add_federated_client(
        &self,
        realm: &str,
        client_id: &str,
        cluster: (&str, &str),
        subject: &str,
    ) {
        let (issuer, keys) = cluster;
        let provider = json!({
            "alias": client_id, "providerId": "oidc", "enabled": true, "hideOnLogin": true,
            "config": {
                "clientId": "none", "authorizationUrl": issuer, "tokenUrl": issuer,
                "issuer": issuer, "validateSignature": "true", "useJwksUrl": "true", "jwksUrl": keys,
                "supportsClientAssertions": "true", "supportsClientAssertionReuse": "true",
            },
        });
        self.admin(Method::POST, &format!("/{realm}/identity-provider/instances"), Some(&provider)).await;
        let client = json!({
            "clientId": client_id, "publicClient": false, "serviceAccountsEnabled": true, "standardFlowEnabled": false,
            "clientAuthenticatorType": "federated-jwt",
            "attributes": {"jwt.credential.issuer": client_id, "jwt.credential.sub": subject},
        });
        self.admin(Method::POST, &format!("/{realm}/clients"), Some(&client)).await;
    }

    /// Whether a token is active according to Keycloak (RFC 7662). [`MACHINE`] sends the request.
    pub async fn is_active(&self, realm: &str, token: &str) -> bool {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("client_id", MACHINE), ("client_secret", SECRET), ("token", token)])
            .finish();
        let request = https_client(&self.ca_pem)
            .post(format!("{}/introspect", self.token_endpoint(realm)))
            .header("Content-Type", "application/x-www-form-urlencoded");
        let response = request.body(form).send().await.expect("Keycloak's introspection endpoint");
        let text = response.text().await.expect("an answer");
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        answer["active"].as_bool().unwrap_or_else(|| panic!("Keycloak's introspection: {text}"))
    }

    /// Merges members into a client's representation.
    pub async fn alter_client(&self, realm: &str, client_id: &str, change: &Value) {
        let id = self.id_of(realm, "clients", "clientId", client_id).await;
        let path = format!("/{realm}/clients/{id}");
        let mut client = self.admin(Method::GET, &path, None).await;
        for (name, value) in change.as_object().expect("the change is an object") {
            client[name] = value.clone();
        }
        self.admin(Method::PUT, &path, Some(&client)).await;
    }

    /// Any call to the admin API; `path` begins with the realm. Panics if Keycloak refuses the call.
    pub async fn admin(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let (client, token) = (https_client(&self.ca_pem), self.admin_token().await);
        let url = format!("https://{}/admin/realms{path}", self.host());
        let mut request = client.request(method.clone(), &url).bearer_auth(token);
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{method} {url}: {error:?}"));
        let (status, text) = (response.status(), response.text().await.unwrap_or_default());
        assert!(status.is_success(), "{method} {url}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// The process: its log, signals, `kill9` and `start_again` for an outage. A restart begins with the
    /// realms as they were at first.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Waits until Keycloak answers, after it was started again.
    pub async fn ready(&self) {
        self.await_ready().await.unwrap_or_else(|problem| panic!("{problem}"));
    }

    async fn id_of(&self, realm: &str, what: &str, key: &str, name: &str) -> String {
        let found = self.admin(Method::GET, &format!("/{realm}/{what}?{key}={name}"), None).await;
        let id = found[0]["id"].as_str().map(ToOwned::to_owned);
        id.unwrap_or_else(|| panic!("realm {realm} has no {name} among its {what}"))
    }

    /// A new token for each call, because tokens live for a minute.
    async fn admin_token(&self) -> String {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("grant_type", "password"),
                ("client_id", "admin-cli"),
                ("username", ADMINISTRATOR),
            ])
            .append_pair("password", &self.admin_password)
            .finish();
        let request = https_client(&self.ca_pem)
            .post(self.token_endpoint("master"))
            .header("Content-Type", "application/x-www-form-urlencoded");
        let response = request.body(form).send().await.expect("Keycloak's own token endpoint");
        let text = response.text().await.expect("an answer");
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        answer["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("Keycloak's administrator: {text}"))
            .to_owned()
    }

    async fn await_ready(&self) -> Result<(), String> {
        let (client, start) = (https_client(&self.ca_pem), Instant::now());
        let mut told = 0;
        while !self.answers(&client).await {
            if !self.process.is_running() || start.elapsed() > PATIENCE {
                return Err(format!(
                    "Keycloak is not ready after {:.0?} (exit status: {:?}); its log ends:\n{}",
                    start.elapsed(),
                    self.process.exit_status(),
                    self.process.tail(30)
                ));
            }
            if start.elapsed().as_secs() / 10 > told {
                told += 1;
                eprintln!(
                    "Keycloak is still starting after {told}0 s; its log: {}",
                    self.process.log().display()
                );
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    async fn answers(&self, client: &Client) -> bool {
        for realm in [REALM, ROTATING_REALM] {
            let answer =
                client.get(format!("{}/.well-known/openid-configuration", self.issuer(realm))).send().await;
            if !answer.is_ok_and(|response| response.status().is_success()) {
                return false;
            }
        }
        true
    }
}

/// Makes a separate directory for data and settings; the programs are shared.
fn prepare(home: &Path, authority: &Authority, name: &str, address: Ipv4Addr, signer: &Identity) {
    let import = home.join("data/import");
    for directory in [&import, &home.join("providers")] {
        std::fs::create_dir_all(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    }
    let lib = assets::keycloak().join("lib");
    std::os::unix::fs::symlink(&lib, home.join("lib"))
        .unwrap_or_else(|error| panic!("{}: {error}", lib.display()));
    authority.issue(&[name, &address.to_string()]).write(home, "tls");
    let mut files = vec![(home.join("ca.pem"), authority.pem().to_owned())];
    for realm in [realm::plain(signer), realm::rotating(signer)] {
        let name = realm["realm"].as_str().expect("a realm has a name");
        files.push((import.join(format!("{name}.json")), realm.to_string()));
    }
    for (path, text) in files {
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
    }
}

fn java() -> PathBuf {
    std::env::var_os("JAVA_HOME").map_or_else(|| "java".into(), |home| Path::new(&home).join("bin/java"))
}

/// The command line that `tests/assets/keycloak.sh` documents. `kc.sh` is not used, because the Java process that it starts
/// survives the end of the shell.
fn command_line(home: &Path, address: Ipv4Addr, port: u16) -> Vec<String> {
    let (home, programs) = (home.display(), assets::keycloak().join("lib/quarkus-run.jar"));
    [
        "-Xmx512m",
        // The fast compiler, because the process runs only for minutes.
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
        &format!("-Dkc.home.dir={home}"),
        "-jar",
        &programs.display().to_string(),
        "start",
        "--optimized",
        "--import-realm",
        "--cache=local",
        "--hostname-strict=false",
        "--http-enabled=false",
        &format!("--http-host={address}"),
        &format!("--https-port={port}"),
        &format!("--https-certificate-file={home}/tls.crt"),
        &format!("--https-certificate-key-file={home}/tls.key"),
        &format!("--truststore-paths={home}/ca.pem"),
    ]
    .map(ToOwned::to_owned)
    .into()
}
