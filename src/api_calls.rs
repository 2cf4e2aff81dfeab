//! Calls to the API server, for every layer with a client: the proxy, the deadline, patches that need an unchanged object,
//! and errors as text. Must not know the purpose of a call.

use std::time::Duration;

use kube::api::{Patch, PatchParams, Request};
use kube::config::Kubeconfig;
use kube::{Client, Resource, ResourceExt};
use serde_json::{Value, json};

use crate::api::FIELD_MANAGER;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallFailed {
    /// The API server refused the call, could not be reached, or sent an answer that cannot be read.
    #[error("{}", chain(.0))]
    Kube(kube::Error),
    /// The API server did not answer within this time.
    #[error("no answer within {} s", .0.as_secs())]
    Deadline(Duration),
}

/// The proxy that a kubeconfig names for the cluster of this context, or else of the current context.
pub fn proxy_of_cluster(kubeconfig: &Kubeconfig, context: Option<&str>) -> Option<String> {
    let name = context.or(kubeconfig.current_context.as_deref())?;
    let context = kubeconfig.contexts.iter().find(|context| context.name == name)?;
    let cluster = &context.context.as_ref()?.cluster;
    let cluster = kubeconfig.clusters.iter().find(|found| found.name == *cluster)?;
    cluster.cluster.as_ref()?.proxy_url.clone().filter(|proxy| !proxy.is_empty())
}

/// Runs one call under a deadline. kube limits the time to connect and to write, but not the wait for the answer.
pub async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, CallFailed> {
    match tokio::time::timeout(deadline, call).await {
        Ok(answer) => answer.map_err(CallFailed::Kube),
        Err(_) => Err(CallFailed::Deadline(deadline)),
    }
}

/// Carries out one operation of a JSON Patch (RFC 6902) on an object, or on its `subresource`. Fails with a conflict if the
/// object has changed since it was read, or if another object now has its name: so an index in a path is still right, and a
/// process with an outdated cache overwrites nothing newer. Returns the object as text, since its spec may be undecodable.
pub async fn patch_unchanged<K: Resource<DynamicType = ()>>(
    client: &Client,
    object: &K,
    subresource: Option<&str>,
    operation: Value,
) -> kube::Result<String> {
    let version =
        json!({"op": "replace", "path": "/metadata/resourceVersion", "value": object.resource_version()});
    let patch: json_patch::Patch =
        serde_json::from_value(json!([version, operation])).map_err(kube::Error::SerdeError)?;
    let (name, patch) = (object.name_any(), Patch::Json::<()>(patch));
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let request = Request::new(K::url_path(&(), object.namespace().as_deref()));
    let request = match subresource {
        Some(subresource) => request.patch_subresource(subresource, &name, &params, &patch),
        None => request.patch(&name, &params, &patch),
    };
    client.request_text(request.map_err(kube::Error::BuildRequest)?).await
}

/// The API server's own message, without the status object that kube prints around it.
pub fn in_words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.message.is_empty() => {
            format!("the API server answered {}", status.code)
        }
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// The error and its causes in one line, without texts that kube repeats.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let refusal = cause.downcast_ref().filter(|error| matches!(error, kube::Error::Api(_)));
        let text = refusal.map_or_else(|| cause.to_string(), in_words);
        if texts.last().is_none_or(|last| !last.ends_with(&text)) {
            texts.push(text);
        }
        next = if refusal.is_some() { None } else { cause.source() };
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_of_the_api_server_is_shown_as_its_message_alone() {
        #[derive(Debug, thiserror::Error)]
        #[error("the list failed")]
        struct Outer(#[source] kube::Error);
        let refusal = |message: &str| {
            let status = kube::core::Status { message: message.to_owned(), code: 403, ..Default::default() };
            chain(&Outer(kube::Error::Api(Box::new(status))))
        };
        assert_eq!(refusal("secrets is forbidden"), "the list failed: secrets is forbidden");
        assert_eq!(refusal(""), "the list failed: the API server answered 403");
    }
}
