//! A reconcile, step by step. Each step is a file of its own, and says whether it talks to anybody.

use std::time::Duration;

use kube::{ResourceExt, runtime::controller::Action};
use tokio::time::Instant;

use super::{
    apply::Writer,
    cluster::Cluster,
    context::{Context, Guarded},
    counts,
    desired::{Circumstances, desired},
    error::ReconcileError,
    facts::Facts,
    names::Part,
    observe::Observed,
    rollout::decide,
    seen, steps, tell,
};

/// While something is on its way that no watch tells of: clients leaving, a Redis Cluster healing.
const SOON: Duration = Duration::from_secs(1);

/// A Redis Cluster that has waited for the same thing for so long needs no look every second: healing by
/// itself takes a third of it. When a pod changes there is a look in any case.
const STUCK: Duration = Duration::from_secs(60);

/// While all is well: Redis nodes and gateways are asked how they are.
const AT_REST: Duration = Duration::from_secs(10);

/// Takes a ChatCluster a step further.
pub(crate) async fn reconcile(
    object: &Guarded,
    context: &Context,
) -> Result<Action, ReconcileError> {
    let object = match &object.0 {
        Ok(object) => object,
        Err(invalid) => return Err(ReconcileError::Unreadable(invalid.error.clone())),
    };
    if object.metadata.deletion_timestamp.is_some() {
        // What it owns goes with it.
        return Ok(Action::await_change());
    }
    let namespace = object.namespace().unwrap_or_default();
    let observed = Observed::of(&context.caches, &namespace, &object.name_any());
    let cluster = Cluster::resolve(object, &observed, &context.settings)?;
    let mut facts = Facts::default();
    let outcome = Box::pin(work(object, &cluster, &observed, context, &mut facts)).await;
    tell::status(object, &cluster, &observed, context, facts, outcome.as_ref().err()).await?;
    outcome.map(Action::requeue)
}

/// Everything but the status: changes what differs from what should be, and returns when to look again.
async fn work(
    object: &chatcluster_crds::ChatCluster,
    cluster: &Cluster,
    observed: &Observed,
    context: &Context,
    facts: &mut Facts,
) -> Result<Duration, ReconcileError> {
    let connections = counts::connections(observed.pods_of(Part::Gateway)).await;
    facts.connections = connections.clone();
    if cluster.spec.paused {
        return Ok(AT_REST);
    }
    // Talks: Secrets.
    let keys = steps::keys(object, cluster, context, facts).await?;

    // Decides.
    let revision = super::desired::revision(cluster);
    let fleet = seen::fleet(cluster, observed, &revision.revision, &connections);
    let rollout = decide(&fleet);
    let circumstances = Circumstances { trust_bundle: keys, gateway_may_go: rollout.may_stop };
    let wanted = desired(cluster, revision, &circumstances);
    facts.rolling = rollout.rolling;

    // Talks: everything that is to be there, then who is too many.
    let writer = Writer::new(cluster, &context.client, &context.metrics.writes);
    let apply = steps::apply(&writer, cluster, observed, wanted, &fleet, &rollout, context);
    Box::pin(apply).await?;

    steps::grow(&writer, cluster, observed, context, facts).await?;

    facts.applying = writer.has_written();
    steps::give_up_gateways(cluster, observed, context, facts).await?;

    // Talks: Redis nodes. One step at a time.
    steps::tend_manager(cluster, observed, context, facts).await?;
    let same_for = {
        let mut memories = context.memories();
        let memory = memories.entry(cluster.owner.uid.clone()).or_default();
        memory.same_step_for(facts.step.as_deref(), Instant::now())
    };
    let healing = facts.step.is_some() && same_for < STUCK;
    let busy = facts.applying || healing || rollout.rolling || fleet.is_draining();
    Ok(if busy { SOON } else { AT_REST })
}
