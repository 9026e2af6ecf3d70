//! The nodes as objects. They have a zone of their own, since the node lifecycle controller judges and
//! rations by zone.

use std::time::Duration;

use k8s_openapi::{
    api::core::v1::{Node, Pod},
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// Well within the silence after which the controller gives a node up (40 to 50 s).
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);

/// For the last requests of a test; a thousand pods are gone in a quarter of it.
const GOODBYE: Duration = Duration::from_secs(5);

/// Creates the nodes, ready.
pub(super) async fn create(client: &Client, names: &[String]) -> kube::Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    for name in names {
        let zone = names[0].as_str();
        let labels = json!({
            "kubernetes.io/hostname": name,
            "topology.kubernetes.io/region": "test",
            "topology.kubernetes.io/zone": zone,
        });
        let node = json!({ "metadata": { "name": name, "labels": labels } });
        let node = serde_json::from_value(node).expect("a node");
        nodes.create(&PostParams::default(), &node).await?;
        beat(client, name, true).await?;
    }
    Ok(())
}

/// Tells how a node is: alive, or silent, which is what the controller would write of it.
pub(super) async fn beat(client: &Client, name: &str, alive: bool) -> kube::Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let status = Patch::Merge(json!({ "status": status(alive, Timestamp::now()) }));
    nodes.patch_status(name, &PatchParams::default(), &status).await.map(drop)
}

fn status(alive: bool, now: Timestamp) -> Value {
    let (status, reason) =
        if alive { ("True", "KubeletReady") } else { ("Unknown", "NodeStatusUnknown") };
    json!({ "conditions": [{
        "type": "Ready",
        "status": status,
        "reason": reason,
        "message": "a node of a test",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }]})
}

/// Removes the nodes and their pods, if the server still listens. Nobody else would say that the pods have
/// ended, and their namespace would stay until the controllers have missed the nodes for long enough.
pub(super) async fn remove(client: &Client, names: &[String], pods: &Api<Pod>) {
    let nodes: Api<Node> = Api::all(client.clone());
    let remove = async {
        let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        pods.delete_collection(&at_once, &ListParams::default()).await?;
        for name in names {
            nodes.delete(name, &DeleteParams::default()).await?;
        }
        Ok::<_, kube::Error>(())
    };
    let _ = tokio::time::timeout(GOODBYE, remove).await;
}
