//! Carries out what the rollout has decided.

use k8s_openapi::api::{apps::v1::ReplicaSet, core::v1::Pod};
use kube::{ResourceExt, api::DeleteParams};
use serde_json::json;

use crate::kubernetes::{
    apply::Writer,
    cluster::Cluster,
    context::Context,
    desired::Revision,
    error::ReconcileError,
    events::Happening,
    names::{Part, REVISION},
    observe::Observed,
    rollout::{Decision, Fleet},
    seen::{DELETION_COST, MARKED},
    tell,
};

/// Marks pods, gives each revision its number of pods, and removes old revisions that have none.
pub(super) async fn roll_out(
    writer: &Writer<'_>,
    cluster: &Cluster,
    observed: &Observed,
    wanted: Revision,
    fleet: &Fleet,
    rollout: &Decision,
    context: &Context,
) -> Result<(), ReconcileError> {
    let event = async |happening| tell::event(context, &cluster.reference, happening).await;
    let current = wanted.replica_set.name_any();
    let is_new = !observed.replica_sets.iter().any(|set| set.name_any() == current);
    let others = fleet.sets.iter().any(|set| set.revision != fleet.revision);
    if is_new && others {
        event(Happening::RolloutBegan(fleet.revision.clone())).await;
    }
    for pod in &rollout.marks {
        let mark = json!({ "metadata": { "annotations": { DELETION_COST: MARKED } } });
        writer.merge::<Pod>(pod, mark).await?;
    }
    for (revision, size) in &rollout.sizes {
        let set = cluster.names.revision(revision);
        let from = fleet.sets.iter().find(|set| set.revision == *revision).map(|set| set.wanted);
        if *revision == fleet.revision {
            let mut set = wanted.replica_set.clone();
            set.spec.replicas = Some(*size as i32);
            writer.apply(set, &observed.replica_sets).await?;
        } else if from != Some(*size) {
            let size = json!({ "spec": { "replicas": size } });
            writer.merge::<ReplicaSet>(&set, size).await?;
        }
        if let Some(from) = from.filter(|from| from != size) {
            event(Happening::Scaled { set, from, to: *size }).await;
        }
    }
    let empty = |set: &&std::sync::Arc<ReplicaSet>| {
        let revision = set.labels().get(REVISION);
        let is_old = revision.is_some_and(|revision| *revision != fleet.revision);
        let wanted = set.spec.replicas;
        let mut pods = observed.pods_of(Part::Gateway);
        is_old && wanted == Some(0) && !pods.any(|pod| pod.labels().get(REVISION) == revision)
    };
    let old = observed.replica_sets.iter().filter(|set| set.name_any() != current).count();
    let gone: Vec<_> = observed.replica_sets.iter().filter(empty).cloned().collect();
    for set in &gone {
        writer.delete(set.as_ref(), DeleteParams::background()).await?;
    }
    if !gone.is_empty() && gone.len() == old {
        event(Happening::RolloutEnded(fleet.revision.clone())).await;
    }
    Ok(())
}
