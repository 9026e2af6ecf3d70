//! The message service's volume: it grows, where the spec says so and the StorageClass can.

use k8s_openapi::{
    api::core::v1::PersistentVolumeClaim, apimachinery::pkg::api::resource::Quantity,
};
use kube::ResourceExt;
use serde_json::json;

use crate::kubernetes::{
    apply::Writer, cluster::Cluster, controller::Context, desired::claim, differs::larger,
    error::ReconcileError, events::Happening, observe::Observed, tell,
};

/// Asks for a larger volume. The StatefulSet's own words cannot change, so the claim itself is asked.
pub(super) async fn grow(
    writer: &Writer<'_>,
    cluster: &Cluster,
    observed: &Observed,
    context: &Context,
) -> Result<(), ReconcileError> {
    let (name, wanted) = (claim(cluster), &cluster.spec.messages.embedded.storage.size);
    let found = observed.claims.iter().find(|found| found.name_any() == name);
    let Some(size) = found.and_then(|claim| size(claim)) else { return Ok(()) };
    if !larger(&wanted.0, &size.0) {
        return Ok(());
    }
    let change = json!({ "spec": { "resources": { "requests": { "storage": wanted } } } });
    writer.merge::<PersistentVolumeClaim>(&name, change).await?;
    let happening = Happening::VolumeGrows { claim: name, to: wanted.0.clone() };
    tell::event(context, &cluster.reference, happening).await;
    Ok(())
}

fn size(claim: &PersistentVolumeClaim) -> Option<&Quantity> {
    claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage")
}
