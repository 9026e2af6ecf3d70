//! The WebSocket manager's Redis Cluster: looks at all nodes, does one step of the plan, and gives up pods
//! on dead nodes.

use k8s_openapi::jiff::Timestamp;
use operator_plan::Step;

use super::give_up_overdue;

use crate::{
    kubernetes::{
        cluster::Cluster,
        context::Context,
        error::ReconcileError,
        events::Happening,
        facts::Facts,
        manager::{Site, nodes},
        names::Part,
        observe::Observed,
        overdue::overdue,
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
    let picture = tended.picture;
    let answers = |name: &str| {
        let member = picture.members.iter().find(|member| member.name == name);
        member.is_some_and(|member| member.view().is_some())
    };
    give_up_overdue(cluster, context, overdue(pods(), answers, Timestamp::now())).await
}
