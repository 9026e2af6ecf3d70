//! What a kubelet writes of a pod. Pure.

use std::net::Ipv4Addr;

use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use serde_json::{Value, json};

/// How a pod is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Condition {
    pub(super) address: Ipv4Addr,
    pub(super) ready: bool,
    /// Its node has died, and the node lifecycle controller has said so.
    pub(super) lost: bool,
    /// How often its containers were started again.
    pub(super) restarts: u32,
    /// Since when they run.
    pub(super) since: Timestamp,
}

/// The status of a pod whose containers run, or did when its node was last heard.
pub(super) fn running(pod: &Pod, how: Condition, now: Timestamp) -> Value {
    let Condition { address, ready, lost, restarts, since } = how;
    let condition = |type_: &str, holds: bool, when: Timestamp| {
        json!({
            "type": type_,
            "status": if holds { "True" } else { "False" },
            "lastTransitionTime": when,
        })
    };
    let container = |container: &k8s_openapi::api::core::v1::Container| {
        json!({
            "name": container.name,
            "image": container.image,
            "imageID": "",
            "ready": ready,
            "started": true,
            "restartCount": restarts,
            "state": { "running": { "startedAt": since } },
        })
    };
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    json!({
        "phase": "Running",
        "startTime": since,
        "hostIP": "127.0.0.1",
        "hostIPs": [{ "ip": "127.0.0.1" }],
        "podIP": address,
        "podIPs": [{ "ip": address }],
        "conditions": [
            condition("PodReadyToStartContainers", true, since),
            condition("Initialized", true, since),
            condition("Ready", ready && !lost, now),
            condition("ContainersReady", ready, now),
            condition("PodScheduled", true, since),
        ],
        "containerStatuses": containers.map(container).collect::<Vec<_>>(),
    })
}
