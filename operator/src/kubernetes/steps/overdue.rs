//! Gives up pods on nodes that do not answer.

use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{Api, ResourceExt};

use crate::kubernetes::{
    cluster::Cluster,
    context::Context,
    error::{Doing, ReconcileError},
    events::Happening,
    facts::Facts,
    names::Part,
    observe::Observed,
    overdue::{give_up, overdue},
    tell,
};

/// Gives up gateways whose end is overdue: their clients are elsewhere long since.
pub(crate) async fn give_up_gateways(
    cluster: &Cluster,
    observed: &Observed,
    context: &Context,
    facts: &Facts,
) -> Result<(), ReconcileError> {
    let pods = observed.pods_of(Part::Gateway).map(AsRef::as_ref);
    let answers = |name: &str| facts.connections.contains_key(name);
    give_up_overdue(cluster, context, overdue(pods, answers, Timestamp::now())).await
}

/// Removes these pods at once, and tells of it.
pub(super) async fn give_up_overdue(
    cluster: &Cluster,
    context: &Context,
    pods: Vec<&Pod>,
) -> Result<(), ReconcileError> {
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &cluster.names.namespace);
    for pod in pods {
        let name = pod.name_any();
        context.metrics.writes.inc();
        give_up(&api, pod).await.map_err(|error| {
            ReconcileError::api(Doing::Delete("Pod".into(), name.clone()), error)
        })?;
        tell::event(context, &cluster.reference, Happening::PodGivenUp(name)).await;
    }
    Ok(())
}
