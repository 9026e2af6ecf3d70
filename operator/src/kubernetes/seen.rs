//! What the pods of each part add up to. Pure.

use std::{collections::HashMap, sync::Arc};

use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::ResourceExt;

use super::{
    cluster::Cluster,
    names::{Part, REVISION},
    observe::Observed,
    rollout::{Fleet, Gateway, Set},
    trouble::{self, Reason, Trouble},
};

/// The annotation by which a ReplicaSet chooses whom it ends.
pub(crate) const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// What a marked pod costs. Others cost 0.
pub(crate) const MARKED: &str = "-1";

/// A ReplicaSet's condition when the server refuses its pods.
const FAILED: (Option<&str>, Option<&str>) = (Some("ReplicaFailure"), Some("True"));

/// Clients of each gateway that answered, by pod.
pub(crate) type Connections = HashMap<String, u64>;

/// The gateways as the rollout sees them.
pub(crate) fn fleet(
    cluster: &Cluster,
    observed: &Observed,
    revision: &str,
    connections: &Connections,
) -> Fleet {
    let gateways = &cluster.spec.gateways;
    let drain = &gateways.drain;
    let revision_of = |labels: Option<&super::names::Labels>| {
        labels.and_then(|labels| labels.get(REVISION)).cloned().unwrap_or_default()
    };
    let mut sets: Vec<_> = observed
        .replica_sets
        .iter()
        .filter(|set| set.metadata.deletion_timestamp.is_none())
        .map(|set| Set {
            revision: revision_of(set.metadata.labels.as_ref()),
            wanted: set.spec.replicas.unwrap_or(1).max(0) as u32,
            pods: Vec::new(),
        })
        .collect();
    for pod in observed.pods_of(Part::Gateway).filter(|pod| !has_ended(pod)) {
        let of = revision_of(pod.metadata.labels.as_ref());
        if let Some(set) = sets.iter_mut().find(|set| set.revision == of) {
            set.pods.push(gateway(pod, connections));
        }
    }
    Fleet {
        revision: revision.to_owned(),
        replicas: gateways.replicas,
        budget: u64::from(drain.rate_per_second) * drain.timeout.as_secs().max(1),
        sets,
    }
}

fn gateway(pod: &Arc<Pod>, connections: &Connections) -> Gateway {
    let name = pod.name_any();
    Gateway {
        ready: is_ready(pod),
        stopping: pod.metadata.deletion_timestamp.is_some(),
        marked: pod.annotations().get(DELETION_COST).is_some_and(|cost| cost == MARKED),
        connections: connections.get(&name).copied(),
        name,
    }
}

/// Whether a pod's condition says that it is ready.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Whether all its containers have ended, and nothing will start them again.
fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Failed" | "Succeeded"))
}

/// The worst trouble of a part's pods and sets.
pub(crate) fn trouble(observed: &Observed, part: Part, now: Timestamp) -> Option<Trouble> {
    let refused = observed.replica_sets.iter().filter(|_| part == Part::Gateway).find_map(|set| {
        let conditions = set.status.as_ref()?.conditions.as_ref()?;
        let failed = conditions
            .iter()
            .find(|one| (one.type_.as_deref(), one.status.as_deref()) == FAILED)?;
        let words = failed.message.as_deref().unwrap_or_default();
        Some(Trouble {
            reason: Reason::PodsRefused,
            what: format!("ReplicaSet {}: {words}", set.name_any()),
        })
    });
    let pods = observed.pods_of(part).filter_map(|pod| trouble::of_pod(pod, now));
    refused.into_iter().chain(pods).min_by_key(|trouble| trouble.reason)
}
