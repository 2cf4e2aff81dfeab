//! A watch of a simulated API server. Knows answers that are no lists; must not know how an object is decoded.

use std::convert::Infallible;
use std::sync::Mutex;

use kube::ResourceExt;

use super::*;
use crate::api::TokenProvider;

const LIST: &str = r#"{"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "a", "namespace": "ns",
    "resourceVersion": "5"}, "spec": {"tokenEndpoint": "https://auth.example.com/token"}}]}"#;

/// An API server that gives these answers in turn, and then none.
fn client(answers: &'static [&'static str]) -> WatchClient {
    let mut answers = answers.iter();
    let next = std::sync::Arc::new(Mutex::new(move || answers.next()));
    let service = tower::service_fn(move |_: Request<Body>| {
        let answer = (next.lock().unwrap())();
        async move {
            match answer {
                Some(answer) => {
                    Ok::<_, Infallible>(http::Response::new(Body::from(answer.as_bytes().to_vec())))
                }
                None => std::future::pending().await,
            }
        }
    });
    WatchClient::on_this_thread(Client::new(service, "default"))
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_list_does_not_pass_for_an_empty_one() {
    for no_list in ["", "{}", "<html>Please log in</html>", r#"{"metadata": {}, "items": []}"#] {
        let answers: &'static [&'static str] = Box::leak(Box::new([no_list, LIST]));
        let metrics = WatchMetrics::default();
        let (events, _) = watch_objects::<TokenProvider>(&client(answers), Selection::default(), &metrics);
        let mut events = std::pin::pin!(events);
        let mut listed = Vec::new();
        loop {
            match events.next().await.unwrap() {
                Event::Init => listed.clear(),
                Event::InitApply(provider) => listed.push(provider.name_any()),
                Event::InitDone => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(listed, ["a"], "after {no_list:?}");
    }
}
