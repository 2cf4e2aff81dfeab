//! A real OpenTelemetry Collector: deploy/examples/recipes/opentelemetry-collector.yaml, which sends with a token, and the
//! configuration in docs/logs.md, which prints the traces of the controller. Knows how a collector gets a span by HTTP.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use tokensource_kit::process::{Process, Program};
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::shipped::repository;
use tokensource_kit::{assets, canaries, eventually, unique};

use crate::pod::Pod;
use crate::recipe::Recipe;
use crate::story::{SOON, Story, TOKEN};

const TRACES: &str = "/v1/traces";
/// Otherwise each collector serves its own metrics at the same port.
const WITHOUT_METRICS: &str = "telemetry: {metrics: {level: none}}";

/// A span, in the JSON form of OTLP.
fn span() -> Value {
    let span = json!({
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "work", "kind": 1,
        "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000",
    });
    json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
}

pub(crate) async fn exports_with_each_token(story: &Story) {
    let (host, receiver) = (story.provider.host(), format!("127.0.0.1:{}", unique::port()));
    let by_http = format!("http: {{endpoint: \"{receiver}\"}}");
    let without_metrics = format!("{WITHOUT_METRICS}\n      extensions: [");
    let recipe = Recipe::apply(
        story,
        "opentelemetry-collector.yaml",
        &[
            ("telemetry.example.com", &host),
            ("grpc: {endpoint: \"0.0.0.0:4317\"}", &by_http),
            ("extensions: [", &without_metrics),
        ],
    )
    .await;
    let tokens = recipe.tokens.clone();
    story.provider.respond(TRACES, move |request, _| {
        if tokens.admit(request) { Answer::json(200, &json!({})) } else { Answer::status(401) }
    });
    // The image's entry point is the program.
    let mut spec = recipe.pod_spec();
    spec["containers"][0]["command"] = json!(["otelcol"]);
    let pod = Pod::prepare(story, &spec, "collector").await;
    let program = pod.start(assets::otelcol(), &[], &[("SSL_CERT_FILE", &recipe.authority())]);
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
    let send = async || {
        // The connection is refused until the collector listens.
        let _ = client
            .post(format!("http://{receiver}{TRACES}"))
            .header("Content-Type", "application/json")
            .body(span().to_string())
            .send()
            .await;
    };
    recipe.lives_through_three_tokens(&pod, &program, send).await;
}

/// The configuration that docs/logs.md shows.
fn documented_configuration() -> String {
    let page = fs::read_to_string(repository().join("docs/logs.md")).unwrap();
    let blocks = page.split("\n```yaml\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
    blocks.into_iter().find(|block| block.starts_with("receivers:")).unwrap().to_owned()
}

pub(crate) async fn prints_the_traces_of_a_renewal(story: &mut Story) {
    let receiver = format!("127.0.0.1:{}", unique::port());
    let documented = documented_configuration();
    let configuration = documented
        .replace("0.0.0.0:4318", &receiver)
        .replace("service:\n", &format!("service:\n  {WITHOUT_METRICS}\n"));
    assert!(configuration.contains(&receiver) && configuration.contains(WITHOUT_METRICS), "{documented}");
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("collector.yaml"), configuration).unwrap();
    let collector = Process::start(Program {
        name: "otelcol".to_owned(),
        binary: assets::otelcol().join("otelcol"),
        arguments: vec!["--config=collector.yaml".to_owned()],
        environment: Vec::new(),
        directory: directory.path().to_owned(),
        log: directory.path().join("collector.log"),
    });
    story.run_in(&[("TOKENSOURCE_OTLP_ENDPOINT", &format!("http://{receiver}"))]).await;
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("traced", &json!({})).await;
    story.ready("traced").await;
    eventually("the trace in the collector's output", SOON, async || {
        let log = collector.logs();
        let expected = [
            "service.name: Str(tokensource)",
            "Name           : renewal",
            "Name           : token request",
            "Name           : write target",
            "tokensource.name: Str(traced)",
            "tokensource.outcome: Str(Published)",
        ];
        let missing: Vec<_> = expected.into_iter().filter(|line| !log.contains(line)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("missing: {missing:?}")) }
    })
    .await;
    let found = canaries::search(&collector.logs());
    assert!(found.is_empty(), "secrets in the traces: {found:#?}");
}
