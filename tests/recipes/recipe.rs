//! A manifest of deploy/examples/recipes, applied for one test: the test's own hosts replace the hosts in the manifest, and
//! a new token is issued whenever the credentials change. Knows the order of a renewal; must not know the program that uses
//! the token.

use std::fs;
use std::time::{Duration, Instant};

use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokensource_kit::process::Process;
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::shipped::repository;
use tokensource_kit::{canaries, eventually, manifest, unique};

use crate::api::Tokens;
use crate::pod::Pod;
use crate::story::{SOON, Story, TOKEN};

/// The file of authorities in a manifest.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

pub(crate) struct Recipe<'a> {
    pub(crate) story: &'a Story,
    pub(crate) objects: Vec<DynamicObject>,
    pub(crate) tokens: Tokens,
    directory: TempDir,
}

/// The objects of a recipe as they are in the repository, after these replacements, each of which must be possible.
pub(crate) fn read(file: &str, replacements: &[(&str, &str)]) -> Vec<DynamicObject> {
    let mut text = fs::read_to_string(repository().join("deploy/examples/recipes").join(file)).unwrap();
    for (from, to) in replacements {
        assert!(text.contains(from), "{file} has no {from:?}");
        text = text.replace(from, to);
    }
    manifest::parse(&text)
}

/// Whether the kind of an object is one of Kubernetes' own or ours: others are not installed here.
pub(crate) fn is_served(object: &DynamicObject) -> bool {
    let version = &object.types.as_ref().unwrap().api_version;
    version.starts_with("tokensource.dev/") || ["v1", "apps/v1", "batch/v1"].contains(&version.as_str())
}

impl<'a> Recipe<'a> {
    /// Applies a recipe after these replacements, and waits for the first token.
    pub(crate) async fn apply(story: &'a Story, file: &str, replacements: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = directory.path().join("authority.pem");
        fs::write(&authority, story.provider.ca_pem()).unwrap();
        let mut objects = read(file, replacements);
        for object in &mut objects {
            let text = object.data.to_string().replace(SYSTEM, authority.to_str().unwrap());
            object.data = serde_json::from_str(&text).unwrap();
        }
        // Every special character that RFC 6750 allows in a token.
        story.provider.respond(TOKEN, |_, _| {
            let token = format!("tk-{}._~+/0A==", unique::word(24));
            Answer::json(200, &json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600}))
        });
        story.credentials("example-client", "the-f1rst-secret").await;
        story
            .apply(&json!({
                "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenProvider",
                "metadata": {"name": "example"}, "spec": story.block(),
            }))
            .await;
        let mut served: Vec<_> = objects.iter().filter(|object| is_served(object)).cloned().collect();
        manifest::into_namespace(&mut served, &story.namespace);
        story.world.plane().apply_objects(&served).await;
        let recipe = Self { story, objects, tokens: Tokens::default(), directory };
        story.ready(&recipe.source().name_any()).await;
        recipe.tokens.accept(story.provider.issued().last().unwrap().clone());
        recipe
    }

    /// The object of this kind.
    pub(crate) fn object(&self, kind: &str) -> &DynamicObject {
        self.objects.iter().find(|object| object.types.as_ref().unwrap().kind == kind).unwrap()
    }

    /// The `TokenSource`.
    pub(crate) fn source(&self) -> &DynamicObject {
        self.object("TokenSource")
    }

    /// The name of the Secret.
    pub(crate) fn secret(&self) -> String {
        self.source().data["spec"]["target"]["name"].as_str().unwrap().to_owned()
    }

    /// The pod spec in the Deployment or Job.
    pub(crate) fn pod_spec(&self) -> Value {
        let mut templates = self.objects.iter().map(|object| object.data["spec"]["template"]["spec"].clone());
        templates.find(Value::is_object).unwrap()
    }

    /// The path of a file with the authority of the test's servers.
    pub(crate) fn authority(&self) -> String {
        self.directory.path().join("authority.pem").display().to_string()
    }

    /// Makes the controller publish the next token. The API accepts this token in addition to the previous one.
    pub(crate) async fn renew(&self) {
        let before = self.story.provider.issued().len();
        let version = self.story.secret(&self.secret()).await.resource_version();
        self.story.credentials("example-client", &format!("secret-{}", unique::word(12))).await;
        eventually("another token in the Secret", SOON, async || {
            let secret = self.story.secret(&self.secret()).await;
            let issued = self.story.provider.issued().len();
            if issued == before + 1 && secret.resource_version() != version {
                Ok(())
            } else {
                Err(format!("{issued} tokens"))
            }
        })
        .await;
        self.tokens.accept(self.story.provider.issued().last().unwrap().clone());
    }

    /// Checks a program that does not end by itself: the program must present each of three tokens, must present no expired token,
    /// and must show no token. `ask` is called again and again meanwhile, for a program that does nothing by itself.
    pub(crate) async fn lives_through_three_tokens(&self, pod: &Pod, program: &Process, ask: impl AsyncFn()) {
        let pid = program.pid().unwrap();
        for number in 1..=3 {
            if number > 1 {
                self.renew().await;
                pod.update(self.story).await;
            }
            let start = Instant::now();
            while !self.tokens.last_was_presented() {
                assert!(program.is_running(), "the program ended: {}", output(program));
                assert!(start.elapsed() < SOON, "token {number} is not presented: {}", output(program));
                ask().await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            self.tokens.expire_the_others();
        }
        // A program that sends a request each second sends two more requests.
        tokio::time::sleep(Duration::from_secs(2)).await;
        ask().await;
        assert_eq!(program.pid(), Some(pid), "the same process as in the beginning");
        assert_eq!(self.tokens.refused(), 0, "requests with a token that was not valid: {}", output(program));
        shows_no_token(program);
    }

    /// Checks a program that ends by itself: the program is run with each of three tokens, and must present each token.
    pub(crate) async fn succeeds_with_three_tokens(&self, container: &str, environment: &[(&str, &str)]) {
        for number in 1..=3 {
            if number > 1 {
                self.renew().await;
                self.tokens.expire_the_others();
            }
            let pod = Pod::prepare(self.story, &self.pod_spec(), container).await;
            let program = pod.start(self.directory.path(), &[], environment);
            let status = program.exited(SOON * 2).await;
            assert!(status.success(), "run {number}: {}", output(&program));
            assert!(self.tokens.last_was_presented(), "run {number}: {}", output(&program));
            shows_no_token(&program);
        }
        assert_eq!(self.tokens.refused(), 0, "requests with a token that was not valid");
    }
}

/// The last lines of a program's output, for messages, which must not show a token either.
fn output(program: &Process) -> String {
    let text = program.tail(10);
    if canaries::search(&text).is_empty() { text } else { "its output shows a secret".to_owned() }
}

fn shows_no_token(program: &Process) {
    let found = canaries::search(&program.logs());
    assert!(found.is_empty(), "secrets in the output of {}: {found:#?}", program.program().name);
}
