//! Members of the answer that templates use (`response.keep`).
//! Knows providers and templates; must not know how an answer is read.

use serde_json::{Value, json};
use tokensource::api::ConditionType;
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::{canaries, unique};

use crate::check::check;
use crate::story::{Story, TOKEN, condition, is, text};

/// An answer with a member whose value must be nowhere but in the Secret, and that value.
fn with_instance(lifetime: u64) -> (Answer, String) {
    let url = format!("https://{}.instance.example", unique::word(24));
    canaries::register("a kept member", &url);
    let body = json!({
        "access_token": unique::word(24), "token_type": "Bearer", "expires_in": lifetime,
        "data": {"instance_url": url, "tenant": 4711},
    });
    (Answer::json(200, &body), url)
}

fn keeping(keep: &Value, template: &str) -> Value {
    json!({
        "provider": {"response": {"keep": keep}},
        "target": {"data": {"access_token": "{{ access_token }}", "url": template}},
    })
}

async fn template_problem(story: &Story, name: &str) -> String {
    let source = story.failing(name, "TemplateInvalid").await;
    condition(&source, ConditionType::Renewed).unwrap().2
}

pub(crate) async fn members_of_the_answer_are_in_the_secret(story: &mut Story) {
    let (answer, url) = with_instance(3600);
    story.provider.always(TOKEN, answer);
    let instance = json!({"instance": "/data/instance_url"});
    story.ask("kept", &keeping(&instance, "{{ fields.instance }}/services")).await;
    story.ready("kept").await;
    assert_eq!(story.value("kept-token", "url").await, format!("{url}/services"));
    story.asked_exactly(1).await;

    // Changed labels leave the data unchanged, also after a restart of the controller.
    story.patch_source("kept", &json!({"spec": {"target": {"labels": {"team": "a"}}}})).await;
    story.until_labels("kept-token", &[("team", Some("a"))]).await;
    story.controller.kill9();
    story.controller.restart().await;
    story.patch_source("kept", &json!({"spec": {"target": {"labels": {"team": "b"}}}})).await;
    story.until_labels("kept-token", &[("team", Some("b"))]).await;
    assert_eq!(story.value("kept-token", "url").await, format!("{url}/services"));
    story.asked_exactly(1).await;

    // A member that `response.keep` does not name is reported before a token request.
    let tenant = keeping(&instance, "{{ fields.instance }}/{{ fields.tenant }}");
    story.patch_source("kept", &json!({"spec": tenant})).await;
    let message = template_problem(story, "kept").await;
    assert!(message.contains("response.keep of the provider block does not name"), "{message}");
    story.asked_exactly(1).await;
    let keep = json!({"provider": {"response": {"keep": {"tenant": "/data/tenant"}}}});
    story.patch_source("kept", &json!({"spec": keep})).await;
    story.ready("kept").await;
    story.asked_exactly(2).await;
    assert_eq!(story.value("kept-token", "url").await, format!("{url}/4711"));
}

/// An answer without the member costs one token and not a token for each attempt: the next attempt is an hour away.
pub(crate) async fn answer_without_a_kept_member_leaves_the_secret_alone(story: &mut Story) {
    let (answer, url) = with_instance(20);
    story.provider.answer(TOKEN, answer);
    story.provider.always(TOKEN, Answer::token(3600));
    let keep = json!({"instance": "/data/instance_url"});
    story.ask("lacking", &keeping(&keep, "{{ fields.instance }}")).await;
    story.ready("lacking").await;
    // The renewal brings an answer without the member.
    story.asked(2).await;
    let source = story.failing("lacking", "TemplateInvalid").await;
    let message = condition(&source, ConditionType::Renewed).unwrap().2;
    assert!(message.contains("the provider's answer lacks a member of fields"), "{message}");
    assert!(is(&source, ConditionType::Ready, "True"), "the first token is still good: {:#?}", source.status);
    assert_eq!(text(&story.secret("lacking-token").await, "url"), url);
    story.asked_exactly(2).await;

    // A template can have a default for a missing member.
    let either = "{{ fields.instance if 'instance' in fields else 'https://default.example' }}";
    story.patch_source("lacking", &json!({"spec": {"target": {"data": {"url": either}}}})).await;
    story.ready("lacking").await;
    story.asked_exactly(3).await;
    assert_eq!(story.value("lacking-token", "url").await, "https://default.example");
}

/// The names in `response.keep` of a provider object apply to the templates of all TokenSources that use the object. An edit
/// takes effect immediately.
pub(crate) async fn provider_object_names_the_fields(story: &mut Story) {
    let (answer, url) = with_instance(3600);
    story.provider.always(TOKEN, answer);
    let provider = |keep: Value| {
        let mut spec = story.block();
        spec["response"] = json!({"keep": keep});
        json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenProvider",
            "metadata": {"name": "shared"}, "spec": spec,
        })
    };
    let reference = json!({
        "provider": null, "providerRef": {"kind": "TokenProvider", "name": "shared"},
        "target": {"data": {"url": "{{ fields.instance }}"}},
    });
    story.apply(&provider(json!({"other": "/data/tenant"}))).await;
    story.ask("user", &reference).await;
    template_problem(story, "user").await;
    assert_eq!(story.provider.count(TOKEN), 0);
    story.apply(&provider(json!({"instance": "/data/instance_url"}))).await;
    story.ready("user").await;
    assert_eq!(story.value("user-token", "url").await, url);
    story.asked_exactly(1).await;
}

/// `tokensource check --send` names the members and shows no value, and it tries the templates with the real answer.
pub(crate) async fn check_names_the_members(story: &mut Story) {
    let (answer, _) = with_instance(3600);
    story.provider.always(TOKEN, answer);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "client", "annotations": {"tokensource.dev/allowed-hosts": story.provider.host()}},
        "stringData": {"client_id": "the-client", "client_secret": "s3cr3t-of-the-checked"},
    });
    let keep = json!({"instance": "/data/instance_url", "region": "/data/region", "tenant": "/data/tenant"});
    let send = ["--send", "--allow-network", "127.0.0.0/8"];
    for (template, status, words) in [
        ("{{ fields.instance }}", 0, "the provider issued a token"),
        ("{{ fields.region }}", 1, "TemplateInvalid"),
    ] {
        let source = story.source_for("checked", &keeping(&keep, template));
        let said = check(story, &[secret.clone(), source], &send).await;
        said.has(status, &[words, "Kept members:     instance, tenant", "Missing members:  region"]);
        assert!(canaries::search(&said.all).is_empty(), "{}", said.all);
        assert!(!said.all.contains("4711"), "{}", said.all);
    }
}
