//! Asks the API server which of the needed rights the user and the controllers' ServiceAccounts have. Must not check the
//! answers.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
    SubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;

use super::super::facts::{Controller, Read, Right, RightFact, Subject};
use super::super::shipped::{cluster_rights, lease_rights, namespaced_rights};
use super::{AT_ONCE, fact};
use crate::api::GROUP;
use crate::cli::arguments::DoctorArguments;
use crate::cli::cluster::Cluster;

/// How many namespaces of a controller are checked.
const NAMESPACES: usize = 20;

/// Whether this subject has this right in this namespace, or in the whole cluster.
type Question = (Subject, Right, Option<String>);

pub(super) async fn read(
    arguments: &DoctorArguments,
    cluster: &Cluster,
    controllers: &Read<Vec<Controller>>,
) -> Vec<RightFact> {
    let place = (!arguments.all_namespaces).then(|| cluster.namespace.clone());
    let mut questions: Vec<Question> =
        own_rights().map(|right| (Subject::User, right, place.clone())).collect();
    // Several Deployments may share an account and a namespace.
    let mut accounts = BTreeSet::new();
    for controller in controllers.as_deref().unwrap_or_default() {
        if accounts.insert((&controller.namespace, &controller.service_account, &controller.serves)) {
            questions.extend(of_controller(controller));
        }
    }
    let asked = questions.into_iter().map(|(subject, right, namespace)| async move {
        let attributes = attributes(&right, namespace.as_deref());
        let allowed = match &subject {
            Subject::User => own(cluster, attributes).await,
            Subject::Controller(account) => of_account(cluster, account, attributes).await,
        };
        RightFact { subject, right, namespace, allowed }
    });
    futures::stream::iter(asked).buffered(AT_ONCE).collect().await
}

/// The rights of the Role in docs/cli.md, which the commands need.
fn own_rights() -> impl Iterator<Item = Right> {
    let right = |verb: &str, group: &str, resource: &str| Right {
        verb: verb.to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        name: None,
    };
    let sources = ["get", "list", "watch", "patch"].map(|verb| right(verb, GROUP, "tokensources"));
    sources.into_iter().chain([right("list", "events.k8s.io", "events")])
}

fn of_controller(controller: &Controller) -> Vec<Question> {
    let subject = Subject::Controller(format!("{}/{}", controller.namespace, controller.service_account));
    let at = |rights: Vec<Right>, namespace: Option<&String>| -> Vec<Question> {
        rights.into_iter().map(|right| (subject.clone(), right, namespace.cloned())).collect()
    };
    let mut questions = if controller.serves.is_empty() {
        at(cluster_rights(), None)
    } else {
        let served = controller.serves.iter().take(NAMESPACES);
        served.flat_map(|namespace| at(namespaced_rights(), Some(namespace))).collect()
    };
    if let Some((namespace, name)) = &controller.lease {
        questions.extend(at(lease_rights(name), Some(namespace)));
    }
    questions
}

fn attributes(right: &Right, namespace: Option<&str>) -> ResourceAttributes {
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (right.resource.as_str(), None),
    };
    ResourceAttributes {
        verb: Some(right.verb.clone()),
        group: Some(right.group.clone()),
        resource: Some(resource.to_owned()),
        subresource,
        name: right.name.clone(),
        namespace: namespace.map(str::to_owned),
        ..ResourceAttributes::default()
    }
}

async fn own(cluster: &Cluster, attributes: ResourceAttributes) -> Read<bool> {
    let spec = SelfSubjectAccessReviewSpec {
        resource_attributes: Some(attributes),
        ..SelfSubjectAccessReviewSpec::default()
    };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let api: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let answer = fact(cluster, api.create(&PostParams::default(), &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// Asks about a ServiceAccount, `NAMESPACE/NAME`, with the groups that the API server gives it.
async fn of_account(cluster: &Cluster, account: &str, attributes: ResourceAttributes) -> Read<bool> {
    let (namespace, name) = account.split_once('/').unwrap_or_default();
    let groups = [
        "system:authenticated".to_owned(),
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{namespace}"),
    ];
    let spec = SubjectAccessReviewSpec {
        user: Some(format!("system:serviceaccount:{namespace}:{name}")),
        groups: Some(groups.to_vec()),
        resource_attributes: Some(attributes),
        ..SubjectAccessReviewSpec::default()
    };
    let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let api: Api<SubjectAccessReview> = Api::all(cluster.client.clone());
    let answer = fact(cluster, api.create(&PostParams::default(), &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
