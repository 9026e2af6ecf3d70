//! Volumes: a folder of the cluster for each claim, on the node that its pod was scheduled to.

use std::{fs, os::unix::fs::PermissionsExt};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::json;

use super::layout::Layout;

/// The provisioner's name in the StorageClass.
pub(crate) const PROVISIONER: &str = "chatcluster.io/e2e";
/// Set by the scheduler when it has chosen a node for the first pod.
const NODE: &str = "volume.kubernetes.io/selected-node";

/// Makes what claims wait for, and removes what nobody has any more.
pub(crate) async fn provide(client: &Client, layout: &Layout) -> Result<()> {
    let volumes = Api::<PersistentVolume>::all(client.clone());
    let claims = Api::<PersistentVolumeClaim>::all(client.clone());
    for claim in claims.list(&ListParams::default()).await.context("list the claims")? {
        let wants = claim.spec.as_ref().is_some_and(|spec| {
            spec.volume_name.is_none() && spec.storage_class_name.as_deref() == Some("local")
        });
        let node = claim.metadata.annotations.as_ref().and_then(|all| all.get(NODE));
        if let (true, Some(node)) = (wants, node) {
            make(&volumes, layout, &claim, node).await?;
        }
    }
    for volume in volumes.list(&ListParams::default()).await.context("list the volumes")? {
        let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
        let spec = volume.spec.unwrap_or_default();
        let ours = spec.storage_class_name.as_deref() == Some("local");
        let policy = spec.persistent_volume_reclaim_policy.as_deref();
        if let (Some("Released"), true, Some("Delete")) = (phase, ours, policy) {
            let name = volume.metadata.name.context("a volume has a name")?;
            let _ = fs::remove_dir_all(layout.file("volumes").join(&name));
            volumes.delete(&name, &DeleteParams::default()).await.context("delete a volume")?;
        }
    }
    Ok(())
}

async fn make(
    volumes: &Api<PersistentVolume>,
    layout: &Layout,
    claim: &PersistentVolumeClaim,
    node: &str,
) -> Result<()> {
    let name = format!("pvc-{}", claim.metadata.uid.as_deref().unwrap_or_default());
    let folder = layout.file("volumes").join(&name);
    fs::create_dir_all(&folder).context("make the folder of a volume")?;
    // A kubelet gives hostPath volumes to no group, so everybody may write.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
    let spec = claim.spec.clone().unwrap_or_default();
    let capacity = spec.resources.and_then(|resources| resources.requests);
    let volume = serde_json::from_value(json!({
        "metadata": {
            "name": name,
            "annotations": { "pv.kubernetes.io/provisioned-by": PROVISIONER },
        },
        "spec": {
            "capacity": capacity,
            "accessModes": spec.access_modes,
            "storageClassName": "local",
            "persistentVolumeReclaimPolicy": "Delete",
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "name": claim.metadata.name, "namespace": claim.metadata.namespace,
                "uid": claim.metadata.uid,
            },
            "hostPath": { "path": folder, "type": "Directory" },
            "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [
                { "key": "kubernetes.io/hostname", "operator": "In", "values": [node] },
            ]}]}},
        },
    }))
    .context("describe a volume")?;
    match volumes.create(&PostParams::default(), &volume).await {
        Ok(_) => Ok(()),
        // It was made, and the controller manager has not bound it yet.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        Err(e) => Err(e).context("create a volume"),
    }
}
