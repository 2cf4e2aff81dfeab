//! A cluster that reaches its providers only through the operator's proxy. The proxy is a real program and requires a password.

use serde_json::json;
use tokensource::api::ConditionType;
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::tinyproxy::Tinyproxy;
use tokensource_kit::{canaries, unique};

use crate::check::check;
use crate::story::{Story, TOKEN, condition};

pub(crate) async fn tokens_arrive_through_a_real_proxy(story: &mut Story) {
    let passwords = [unique::word(16), unique::word(16), unique::word(16)];
    for password in &passwords {
        canaries::register("a password for the proxy", password);
    }
    let [first, second, wrong] = &passwords;
    let proxy = Tinyproxy::start("controller", first).await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("credentials");
    let write = |password: &str| {
        std::fs::write(&file, format!("controller:{password}\n")).expect("a file in our directory");
    };
    write(first);
    let (url, path) = (proxy.url(), file.display().to_string());
    let arguments = ["--allow-network", "127.0.0.0/8", "--https-proxy", &url];
    story.run_with(&[&arguments[..], &["--proxy-credentials-file", &path]].concat()).await;
    story.provider.always(TOKEN, Answer::token(3600));

    story.ask("before", &json!({})).await;
    story.ready("before").await;
    let tunnels = proxy.tunnels_to("localhost");
    assert!(tunnels > 0 && story.provider.connections() == tunnels, "{tunnels} tunnels");

    // The password is changed at the proxy and in the file.
    proxy.restart("controller", second).await;
    write(second);
    story.ask("after", &json!({})).await;
    story.ready("after").await;

    // `check` sends with the same flags.
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "client", "annotations": {"tokensource.dev/allowed-hosts": story.provider.host()}},
        "stringData": {"client_id": "the-client", "client_secret": "s3cr3t-of-the-client"},
    });
    let objects = [secret, story.source_for("checked", &json!({}))];
    let send = [&["--send"], &arguments[..], &["--proxy-credentials-file", &path]].concat();
    let tunnels = proxy.tunnels_to("localhost");
    check(story, &objects, &send).await.has(0, &["the provider issued a token"]);
    assert_eq!(proxy.tunnels_to("localhost"), tunnels + 1);

    // The API server is reached through the proxy only with a flag.
    assert_eq!(proxy.tunnels_to("127.0.0.1"), 0);
    let far = [&arguments[..], &["--proxy-credentials-file", &path, "--api-server-proxy"]].concat();
    story.run_with(&far).await;
    story.ask("far", &json!({})).await;
    story.ready("far").await;
    assert!(proxy.tunnels_to("127.0.0.1") > 0);

    // Tinyproxy answers 401 instead of 407, as if it were the provider.
    write(wrong);
    story.ask("refused", &json!({})).await;
    fails(
        story,
        "refused",
        &format!("the proxy {} refused: it may not accept the credentials", proxy.address()),
    )
    .await;
    let said = check(story, &objects, &send).await;
    said.has(1, &["ProxyError", "it may not accept the credentials"]);
    assert!(canaries::search(&said.all).is_empty(), "{}", said.all);
    story.run_with(&arguments).await;
    story.ask("without", &json!({})).await;
    fails(story, "without", &format!("the proxy {} asked for other credentials (407)", proxy.address()))
        .await;
    assert_eq!(story.provider.count(TOKEN), 4);
}

async fn fails(story: &Story, name: &str, why: &str) {
    let source = story.failing(name, "ProxyError").await;
    let (_, _, message) = condition(&source, ConditionType::Renewed).expect("a condition");
    assert!(message.contains(why), "{message}");
}
