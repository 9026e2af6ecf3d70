//! Applies what should be there, and prunes what should not. A dependency comes before what needs it.

use crate::kubernetes::{
    apply::Writer,
    cluster::Cluster,
    context::Context,
    desired::Desired,
    error::ReconcileError,
    names::Part,
    observe::Observed,
    rollout::{Decision, Fleet},
};
use kube::ResourceExt;

use super::gateways;

/// Makes what is live what is wanted.
pub(crate) async fn apply(
    writer: &Writer<'_>,
    cluster: &Cluster,
    observed: &Observed,
    wanted: Desired,
    fleet: &Fleet,
    rollout: &Decision,
    context: &Context,
) -> Result<(), ReconcileError> {
    let Desired { mut config_maps, services, policies, budgets, mut stateful_sets, gateways } =
        wanted;
    let names = |names: Vec<String>| move |name: &str| names.iter().any(|kept| kept == name);
    let keep_sets = names(stateful_sets.iter().map(ResourceExt::name_any).collect());
    let keep_services = names(services.iter().map(ResourceExt::name_any).collect());
    let keep_policies = names(policies.iter().map(ResourceExt::name_any).collect());
    let keep_budgets = names(budgets.iter().map(ResourceExt::name_any).collect());
    config_maps.push(gateways.config_map.clone());
    // An old revision's configuration stays as long as its pods may start again.
    let live = observed.replica_sets.iter().map(|set| set.name_any());
    let keep_config = names(config_maps.iter().map(ResourceExt::name_any).chain(live).collect());

    // A new image is tried on a gateway more than needed before the one message service takes it.
    let messages = cluster.names.part(Part::Messages);
    let runs = observed.stateful_sets.iter().any(|set| set.name_any() == messages);
    stateful_sets.retain(|set| set.name_any() != messages || !runs || !rollout.rolling);

    // Policies first: nobody is reachable before it is said by whom.
    writer.apply_all(policies, &observed.policies).await?;
    writer.apply_all(config_maps, &observed.config_maps).await?;
    writer.apply_all(services, &observed.services).await?;
    writer.apply_all(budgets, &observed.budgets).await?;
    writer.apply_all(stateful_sets, &observed.stateful_sets).await?;
    gateways::roll_out(writer, cluster, observed, gateways, fleet, rollout, context).await?;

    writer.prune(&observed.stateful_sets, keep_sets).await?;
    writer.prune(&observed.services, keep_services).await?;
    writer.prune(&observed.policies, keep_policies).await?;
    writer.prune(&observed.budgets, keep_budgets).await?;
    writer.prune(&observed.config_maps, keep_config).await
}
