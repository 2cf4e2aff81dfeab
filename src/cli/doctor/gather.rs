//! Reads the facts that the checks need. If a call fails, its fact is unknown, and the others are still read. The command
//! fails only if the API server does not return its version, or if a flag cannot be used. No Secret is read. Must not check
//! anything.

mod controllers;
mod hosts;
mod leases;
mod rights;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use http::Request;
use http::header::DATE;
use http_body_util::BodyExt as _;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::api::ListParams;
use kube::client::Body;
use kube::core::Status;
use kube::{Api, ResourceExt};

use super::facts::{Facts, Policies, Read, Server, Sources};
use super::versions;
use crate::api::{GROUP, definitions};
use crate::api_calls::chain;
use crate::cli::arguments::DoctorArguments;
use crate::cli::cluster::Cluster;
use crate::cli::{Environment, Error};

/// How many calls or connections may be made at the same time.
const AT_ONCE: usize = 8;
/// How many TokenSources are read.
const SOURCES: u32 = 5000;

/// The version of the API server, and the versions of the controllers as far as they are known.
pub(in crate::cli) async fn installed(
    cluster: &Cluster,
    environment: &Environment,
) -> Result<(String, BTreeSet<String>), Error> {
    let server = server(cluster, environment).await?;
    let controllers = controllers::read(None, cluster, &environment.definition).await;
    let leases = leases::read(None, cluster, &controllers, environment).await;
    let versions = versions::of_controllers(&leases, &controllers);
    Ok((server.version, versions.into_iter().map(str::to_owned).collect()))
}

pub(super) async fn facts(
    arguments: &DoctorArguments,
    cluster: &Cluster,
    environment: &Environment,
) -> Result<Facts, Error> {
    let server = server(cluster, environment).await?;
    let place = arguments.controller_namespace.as_deref();
    let controllers = controllers::read(place, cluster, &environment.definition).await;
    let leases = leases::read(place, cluster, &controllers, environment).await;
    let sources = sources(arguments, cluster).await;
    let now = (environment.now)();
    let hosts = hosts::read(arguments, cluster, &sources).await?;
    Ok(Facts {
        now,
        server,
        definitions: cluster_definitions(cluster).await,
        rights: rights::read(arguments, cluster, &controllers).await,
        policies: policies(cluster).await,
        namespace: (!arguments.all_namespaces).then(|| cluster.namespace.clone()),
        controllers,
        leases,
        sources,
        hosts: hosts.0,
        hosts_left_out: hosts.1,
    })
}

/// The result of a call, or a text that says why the call failed.
async fn fact<T>(cluster: &Cluster, request: impl Future<Output = kube::Result<T>>) -> Read<T> {
    cluster.call("", request).await.map_err(|error| chain(&error).trim_start_matches(": ").to_owned())
}

async fn server(cluster: &Cluster, environment: &Environment) -> Result<Server, Error> {
    let before = (environment.now)();
    let call = async {
        let request = Request::get("/version").body(Body::empty()).map_err(kube::Error::HttpError)?;
        let response = cluster.client.send(request).await?;
        let date = response.headers().get(DATE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let code = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if !code.is_success() {
            let status: Status = serde_json::from_slice(&body).unwrap_or_default();
            return Err(kube::Error::Api(Box::new(Status { code: code.as_u16(), ..status })));
        }
        let info: Info = serde_json::from_slice(&body).map_err(kube::Error::SerdeError)?;
        Ok((info.git_version, date))
    };
    let (version, date) = cluster.call("the API server does not answer", call).await?;
    let after = (environment.now)();
    let date = date.and_then(|text| httpdate::parse_http_date(&text).ok());
    Ok(Server { version, date: date.map(DateTime::<Utc>::from), local: before + (after - before) / 2 })
}

async fn cluster_definitions(
    cluster: &Cluster,
) -> Vec<(CustomResourceDefinition, Read<Option<CustomResourceDefinition>>)> {
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let mut found = Vec::new();
    for ours in definitions() {
        let name = ours.name_any();
        let theirs = fact(cluster, api.get_opt(&name)).await;
        found.push((ours, theirs));
    }
    found
}

async fn policies(cluster: &Cluster) -> Read<Policies> {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(cluster.client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(cluster.client.clone());
    let params = ListParams::default();
    let mut policies = fact(cluster, policies.list(&params)).await?.items;
    policies.retain(judges_our_kinds);
    let bindings = fact(cluster, bindings.list(&params)).await?.items;
    Ok(Policies { policies, bindings })
}

fn judges_our_kinds(policy: &ValidatingAdmissionPolicy) -> bool {
    let constraints = policy.spec.as_ref().and_then(|spec| spec.match_constraints.as_ref());
    let rules = constraints.and_then(|constraints| constraints.resource_rules.as_ref());
    let groups = rules.into_iter().flatten().filter_map(|rule| rule.api_groups.as_ref());
    groups.flatten().any(|group| group == GROUP)
}

async fn sources(arguments: &DoctorArguments, cluster: &Cluster) -> Read<Sources> {
    let api = cluster.sources(arguments.all_namespaces);
    let params = ListParams {
        label_selector: arguments.selector.clone(),
        limit: Some(SOURCES),
        ..ListParams::default()
    };
    let list = fact(cluster, api.list(&params)).await?;
    let more = list.metadata.continue_.is_some_and(|more| !more.is_empty());
    Ok(Sources { items: list.items, more })
}
