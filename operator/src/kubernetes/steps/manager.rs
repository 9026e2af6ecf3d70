//! The WebSocket manager's Redis Cluster: looks at all nodes, does one step of the plan, and gives up pods
//! on dead nodes.

use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{Api, ResourceExt};
use operator_plan::Step;

use crate::{
    kubernetes::{
        cluster::Cluster,
        controller::Context,
        error::{Doing, ReconcileError},
        events::Happening,
        facts::Facts,
        manager::{Site, give_up, nodes, overdue},
        names::Part,
        observe::Observed,
        tell,
    },
    redis::{Summary, tend},
};

/// Takes the Redis Cluster a step further. What fails shows at the next look.
pub(crate) async fn tend_manager(
    cluster: &Cluster,
    observed: &Observed,
    context: &Context,
    facts: &mut Facts,
) -> Result<(), ReconcileError> {
    let names = &cluster.names;
    let site =
        Site { name: &names.name, namespace: &names.namespace, cluster_domain: &names.domain };
    let goal = cluster.goal();
    let pods = || observed.pods_of(Part::Redis).map(AsRef::as_ref);
    let tended = tend(&nodes(&site, &goal, pods()), &goal).await;
    let summary = Summary::of(&tended.picture);
    (facts.shards, facts.slots) = (summary.shards as u32, summary.slots as u32);
    facts.step = tended.step.as_ref().map(ToString::to_string);
    match (tended.step, tended.failed) {
        (None | Some(Step::Wait(_)), _) => {}
        (Some(_), Some(error)) => tracing::info!(%error, "a step failed"),
        (Some(step), None) => {
            context.metrics.manager_steps.inc();
            tell::event(context, &cluster.reference, Happening::Manager(step.to_string())).await;
        }
    }
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &names.namespace);
    for pod in overdue(pods(), &tended.picture, Timestamp::now()) {
        let name = pod.name_any();
        context.metrics.writes.inc();
        give_up(&api, pod).await.map_err(|error| {
            ReconcileError::api(Doing::Delete("Pod".into(), name.clone()), error)
        })?;
        tell::event(context, &cluster.reference, Happening::PodGivenUp(name)).await;
    }
    Ok(())
}
