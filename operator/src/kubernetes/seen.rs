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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kubernetes::{cluster::testing::cluster_with, names::COMPONENT};

    fn set(revision: &str, replicas: u32, status: Value) -> Value {
        let labels = json!({ COMPONENT: "gateway", REVISION: revision });
        json!({
            "metadata": { "name": format!("main-gateway-{revision}"), "labels": labels },
            "spec": { "replicas": replicas, "selector": {} },
            "status": status,
        })
    }

    fn pod(name: &str, component: &str, revision: &str, status: Value) -> Value {
        let labels = json!({ COMPONENT: component, REVISION: revision });
        json!({ "metadata": { "name": name, "labels": labels }, "status": status })
    }

    fn observed(sets: &[Value], pods: &[Value]) -> Observed {
        let set = |set: &Value| Arc::new(serde_json::from_value(set.clone()).unwrap());
        let pod = |pod: &Value| Arc::new(serde_json::from_value(pod.clone()).unwrap());
        Observed {
            replica_sets: sets.iter().map(set).collect(),
            pods: pods.iter().map(pod).collect(),
            ..Observed::default()
        }
    }

    fn ready(is: &str) -> Value {
        json!({ "phase": "Running", "conditions": [
            { "type": "PodScheduled", "status": "True" }, { "type": "Ready", "status": is },
        ]})
    }

    #[test]
    fn each_revision_has_its_own_pods_that_have_not_ended() {
        let mut stopping = pod("b", "gateway", "new", ready("True"));
        stopping["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let mut marked = pod("c", "gateway", "old", ready("False"));
        marked["metadata"]["annotations"] = json!({ DELETION_COST: MARKED });
        let mut gone = set("gone", 3, json!({ "replicas": 3 }));
        gone["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let nothing = json!({ "replicas": 0 });
        let sets = [set("new", 2, nothing.clone()), set("old", 1, nothing), gone];
        let ended = pod("d", "gateway", "new", json!({ "phase": "Failed" }));
        let other = pod("main-redis-0-0", "redis", "new", ready("True"));
        let pods = [pod("a", "gateway", "new", ready("True")), stopping, marked, ended, other];

        let spec = json!({ "gateways": { "drain": { "ratePerSecond": 7, "timeout": "1m" } } });
        let connections = Connections::from([("a".to_owned(), 5)]);
        let observed = observed(&sets, &pods);
        let fleet = fleet(&cluster_with(spec, &[]), &observed, "new", &connections);
        let gateway = |name: &str| Gateway { name: name.into(), ..Gateway::default() };
        let new = vec![
            Gateway { ready: true, connections: Some(5), ..gateway("a") },
            Gateway { ready: true, stopping: true, ..gateway("b") },
        ];
        let old = vec![Gateway { marked: true, ..gateway("c") }];
        let sets: Vec<_> = fleet.sets.into_iter().map(|set| (set.wanted, set.pods)).collect();
        assert_eq!(sets, [(2, new), (1, old)]);
        assert_eq!((fleet.revision.as_str(), fleet.replicas, fleet.budget), ("new", 2, 7 * 60));
    }

    #[test]
    fn the_worst_trouble_of_a_part_is_told() {
        let refused = json!({ "replicas": 0, "conditions": [
            { "type": "ReplicaFailure", "status": "True", "message": "exceeded quota" },
        ]});
        let waiting = |reason: &str| {
            json!({ "containerStatuses": [{
                "name": "x", "image": "chat:9", "imageID": "", "ready": false, "restartCount": 0,
                "state": { "waiting": { "reason": reason } },
            }]})
        };
        let sets = [set("new", 2, refused)];
        let pods = [
            pod("a", "gateway", "new", waiting("CrashLoopBackOff")),
            pod("b", "gateway", "new", waiting("ImagePullBackOff")),
            pod("c", "messages", "new", waiting("CrashLoopBackOff")),
        ];
        let told = |sets: &[Value], part| {
            let told = trouble(&observed(sets, &pods), part, Timestamp::UNIX_EPOCH);
            told.map(|trouble| (trouble.reason, trouble.what))
        };
        let of_set = "ReplicaSet main-gateway-new: exceeded quota".to_owned();
        assert_eq!(told(&sets, Part::Gateway), Some((Reason::PodsRefused, of_set)));
        let reason = |sets: &[Value], part| told(sets, part).map(|(reason, _)| reason);
        assert_eq!(reason(&sets, Part::Messages), Some(Reason::Crashing));
        assert_eq!(reason(&sets, Part::Redis), None);
        assert_eq!(reason(&[], Part::Gateway), Some(Reason::ImageUnavailable));
    }
}
