//! A full etcd: a token that cannot be written is kept until it can be written, and no other token is requested.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};
use tokensource::api::ConditionType;
use tokensource_kit::eventually;
use tokensource_kit::proxy::Proxy;
use tokensource_kit::scripted_provider::Answer;

use crate::story::{Story, TOKEN, condition};
use crate::witness::{Witness, at_rest_within};

pub(crate) async fn full_etcd_costs_no_token(story: &mut Story, _: &Proxy) {
    // The renewal is due between 27 s and 30 s after issue: etcd is full by then.
    story.provider.answer(TOKEN, Answer::token(60));
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("squeezed", &json!({})).await;
    story.ready("squeezed").await;
    let witness = Witness::of(story, &["squeezed-token"]);
    let before = story.value("squeezed-token", "access_token").await;

    let fillers: Api<ConfigMap> = Api::namespaced(story.world.plane().admin(), &story.namespace);
    fill(&fillers).await;
    assert_eq!(story.provider.count(TOKEN), 1, "etcd was to be full before the renewal is due");
    eventually("the renewal", Duration::from_secs(40), async || match story.provider.count(TOKEN) {
        2 => Ok(()),
        count => Err(count),
    })
    .await;
    // The write is repeated, always with the same token.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(story.provider.count(TOKEN), 2);
    assert_eq!(story.value("squeezed-token", "access_token").await, before);
    assert!(story.controller.logs().contains("database space exceeded"), "{}", story.controller.logs());

    make_room(story, &fillers).await;
    at_rest_within(story, "squeezed", 2, Duration::from_secs(30)).await;
    assert_eq!(story.provider.issued()[1], story.value("squeezed-token", "access_token").await);
    let (status, reason, _) = condition(&story.source("squeezed").await, ConditionType::Renewed).unwrap();
    assert_eq!((status.as_str(), reason.as_str()), ("True", "TokenRenewed"));
    witness.saw_no_loss();
}

/// Fills etcd with objects of 500 KB until etcd refuses further objects.
pub(crate) async fn fill(fillers: &Api<ConfigMap>) {
    for number in 0..100 {
        let mut filler = ConfigMap::default();
        filler.metadata.name = Some(format!("filler-{number}"));
        filler.data = Some([("filling".to_owned(), "x".repeat(500_000))].into());
        if let Err(error) = fillers.create(&PostParams::default(), &filler).await {
            assert!(error.to_string().contains("database space exceeded"), "{error}");
            return;
        }
    }
    panic!("an etcd of 16 MiB stored 50 MB");
}

/// Deletes these objects, and follows etcd's documentation: compact, defragment, disarm the alarm.
pub(crate) async fn make_room(story: &Story, fillers: &Api<ConfigMap>) {
    fillers.delete_collection(&DeleteParams::default(), &ListParams::default()).await.expect("deleted");
    let socket = story.world.plane().etcd_socket();
    let etcd = reqwest::Client::builder().unix_socket(socket).no_proxy().build().expect("a client");
    let call = async |path: &str, body: Value| -> Value {
        let request = etcd.post(format!("http://etcd/v3/{path}")).body(body.to_string());
        let answer = request.send().await.expect("an answer of etcd").text().await.expect("its text");
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
        assert!(answer.get("error").is_none(), "{path}: {answer}");
        answer
    };
    let status = call("maintenance/status", json!({})).await;
    let revision = status["header"]["revision"].as_str().expect("a revision");
    call("kv/compaction", json!({"revision": revision, "physical": true})).await;
    call("maintenance/defragment", json!({})).await;
    let alarms = call("maintenance/alarm", json!({"action": "GET"})).await;
    let member = &alarms["alarms"][0]["memberID"];
    call("maintenance/alarm", json!({"action": "DEACTIVATE", "alarm": "NOSPACE", "memberID": member})).await;
    let alarms = call("maintenance/alarm", json!({"action": "GET"})).await;
    assert_eq!(alarms.get("alarms"), None, "the alarm is off");
}
