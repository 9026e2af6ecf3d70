//! Redis nodes as their pods show them. Pure.

use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::ResourceExt;
use operator_plan::{Goal, Place};

use crate::redis::Node;

/// Where clients of Redis connect.
pub const PORT: u16 = 6379;

/// Where Redis nodes talk to each other.
pub const BUS_PORT: u16 = 16_379;

/// The container that is a Redis node.
pub const CONTAINER: &str = "redis";

/// Whose pods they are, and how they are called.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The ChatCluster.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// The Kubernetes cluster's own domain: `cluster.local`.
    pub cluster_domain: &'a str,
}

impl Site<'_> {
    fn pod(&self, shard: usize, ordinal: usize) -> String {
        format!("{}-redis-{shard}-{ordinal}", self.name)
    }

    /// What a node announces.
    fn hostname(&self, pod: &str) -> String {
        let Self { name, namespace, cluster_domain } = self;
        format!("{pod}.{name}-redis.{namespace}.svc.{cluster_domain}")
    }
}

/// All nodes that there should be, out of the pods of the site's namespace. Pods that do not exist are
/// among them: that nothing runs in their place is what healing has to know.
pub fn nodes<'a>(
    site: &Site<'_>,
    goal: &Goal,
    pods: impl Iterator<Item = &'a Pod> + Clone,
) -> Vec<Node> {
    let of_shard = |shard| (0..=goal.replicas).map(move |ordinal| (shard, ordinal));
    let node = |(shard, ordinal)| {
        let name = site.pod(shard, ordinal);
        let pod = pods.clone().find(|pod| pod.name_any() == name);
        let ip = pod.and_then(|pod| pod.status.as_ref()?.pod_ip.clone());
        Node {
            place: Place {
                ip: ip.unwrap_or_default(),
                port: PORT,
                bus: BUS_PORT,
                hostname: Some(site.hostname(&name)),
            },
            may_run: pod.is_some_and(may_run),
            name,
            shard,
        }
    };
    (0..goal.shards).flat_map(of_shard).map(node).collect()
}

/// Whether a node may run in the pod that others know by now. Where the address is not known yet, or the
/// container has ended, none does: one that has just started is a stranger, whom nobody has met.
fn may_run(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return false };
    let ended = matches!(status.phase.as_deref(), Some("Failed" | "Succeeded"));
    let mut containers = status.container_statuses.iter().flatten();
    let container = containers.find(|container| container.name == CONTAINER);
    let stopped = |state: &ContainerState| state.waiting.is_some() || state.terminated.is_some();
    let stopped = container.and_then(|container| container.state.as_ref()).is_some_and(stopped);
    status.pod_ip.is_some() && !ended && !stopped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SITE: Site<'_> = Site { name: "main", namespace: "chat", cluster_domain: "k8s.test" };

    fn pod(name: &str, status: serde_json::Value) -> Pod {
        let pod = json!({ "metadata": { "name": name }, "status": status });
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn every_node_of_the_goal_has_its_place_whether_or_not_there_is_a_pod() {
        let pods = [
            pod("main-redis-1-0", json!({ "phase": "Running", "podIP": "10.0.0.7" })),
            pod("main-redis-7-0", json!({ "phase": "Running", "podIP": "10.0.0.8" })),
            pod("other", json!({})),
        ];
        let nodes = nodes(&SITE, &Goal { shards: 2, replicas: 1 }, pods.iter());
        let names: Vec<_> = nodes.iter().map(|node| (node.name.as_str(), node.shard)).collect();
        let expected = ["main-redis-0-0", "main-redis-0-1", "main-redis-1-0", "main-redis-1-1"];
        assert_eq!(names, expected.into_iter().zip([0, 0, 1, 1]).collect::<Vec<_>>());
        assert_eq!(
            nodes[2].place,
            Place {
                ip: "10.0.0.7".into(),
                port: 6379,
                bus: 16379,
                hostname: Some("main-redis-1-0.main-redis.chat.svc.k8s.test".into()),
            }
        );
        let may_run: Vec<_> = nodes.iter().map(|node| node.may_run).collect();
        assert_eq!(may_run, [false, false, true, false]);
        assert_eq!(nodes[0].place.ip, "");
    }

    #[test]
    fn a_pod_may_have_a_node_unless_it_certainly_has_none() {
        let may_run = |status| may_run(&pod("a", status));
        let state = |name: &str, state: serde_json::Value| {
            let container = json!({
                "name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": state,
            });
            json!({ "phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [container] })
        };
        assert!(!may_run(json!({ "phase": "Pending" })));
        assert!(may_run(json!({ "phase": "Pending", "podIP": "10.0.0.1" })));
        assert!(!may_run(json!({ "phase": "Failed", "podIP": "10.0.0.1" })));
        assert!(may_run(state("redis", json!({ "running": {} }))));
        assert!(may_run(state("redis", json!({}))));
        assert!(!may_run(state("redis", json!({ "terminated": { "exitCode": 137 } }))));
        assert!(!may_run(state("redis", json!({ "waiting": { "reason": "CrashLoopBackOff" } }))));
        assert!(may_run(state("other", json!({ "waiting": {} }))));
    }
}
