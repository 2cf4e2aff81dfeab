//! Runs deploy/examples/recipes/prometheus.yaml with a real Prometheus, which scrapes an API over TLS. Knows Prometheus' API
//! for the health of its targets.

use std::time::Duration;

use serde_json::Value;
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::{assets, unique};

use crate::pod::Pod;
use crate::recipe::Recipe;
use crate::story::Story;

pub(crate) async fn scrapes_with_each_token(story: &Story) {
    let host = story.provider.host();
    let recipe = Recipe::apply(
        story,
        "prometheus.yaml",
        &[("api.example.com", &host), ("scrape_interval: 30s", "scrape_interval: 1s")],
    )
    .await;
    let tokens = recipe.tokens.clone();
    story.provider.respond("/metrics", move |request, _| {
        if tokens.admit(request) {
            Answer::text(200, "text/plain; version=0.0.4", "up_to_now 1\n")
        } else {
            Answer::status(401)
        }
    });
    let pod = Pod::prepare(story, &recipe.pod_spec(), "prometheus").await;
    let address = format!("127.0.0.1:{}", unique::port());
    let more = [format!("--web.listen-address={address}")];
    let program = pod.start(assets::prometheus(), &more, &[("SSL_CERT_FILE", &recipe.authority())]);
    recipe.lives_through_three_tokens(&pod, &program, async || ()).await;

    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
    // The lowest value of `up` in the last minute: 0 would be a scrape that failed.
    let query = "min_over_time(up{job=\"api\"}[1m])";
    let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("query", query).finish();
    let answer = http.get(format!("http://{address}/api/v1/query?{form}")).send().await.unwrap();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(answer["data"]["result"][0]["value"][1], "1", "{answer}");
}
