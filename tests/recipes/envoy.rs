//! deploy/examples/recipes/envoy.yaml with a real Envoy, in front of an API with TLS. Knows where the listener is.

use std::time::Duration;

use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::{assets, unique};

use crate::pod::Pod;
use crate::recipe::Recipe;
use crate::story::Story;

pub(crate) async fn adds_each_token_to_requests(story: &Story) {
    let host = story.provider.host();
    let (_, port) = host.split_once(':').unwrap();
    let listener = unique::port();
    let recipe = Recipe::apply(
        story,
        "envoy.yaml",
        &[
            ("port_value: 443", &format!("port_value: {port}")),
            ("api.example.com", "localhost"),
            ("port_value: 8001", &format!("port_value: {listener}")),
        ],
    )
    .await;
    let tokens = recipe.tokens.clone();
    story.provider.respond("/v1/books", move |request, _| {
        let status = if tokens.admit(request) { 200 } else { 401 };
        Answer::status(status)
    });
    let pod = Pod::prepare(story, &recipe.pod_spec(), "envoy").await;
    let envoy = pod.start(assets::envoy(), &["--concurrency".to_owned(), "1".to_owned()], &[]);
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
    let url = format!("http://127.0.0.1:{listener}/v1/books");
    // An error while Envoy starts is no error of the recipe: `lives_through_three_tokens` waits for the token.
    let ask =
        async || drop(http.get(&url).header("Authorization", "Bearer of the program's own").send().await);
    recipe.lives_through_three_tokens(&pod, &envoy, ask).await;
    let answer = http.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}
