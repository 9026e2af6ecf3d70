//! The message service's volume: it grows, where the spec says so and the StorageClass can.

use k8s_openapi::{
    api::core::v1::PersistentVolumeClaim, apimachinery::pkg::api::resource::Quantity,
};
use kube::ResourceExt;
use serde_json::json;

use crate::kubernetes::{
    apply::Writer, cluster::Cluster, context::Context, desired::claim, differs::larger,
    error::ReconcileError, events::Happening, facts::Facts, observe::Observed, status::Blocker,
    tell,
};

/// Asks for a larger volume. The StatefulSet's own words cannot change, so the claim itself is asked. That
/// a StorageClass cannot do it holds nothing else up.
pub(crate) async fn grow(
    writer: &Writer<'_>,
    cluster: &Cluster,
    observed: &Observed,
    context: &Context,
    facts: &mut Facts,
) -> Result<(), ReconcileError> {
    let (name, wanted) = (claim(cluster), &cluster.spec.messages.embedded.storage.size);
    // One without a volume yet cannot change.
    let bound = observed.claims.iter().find(|claim| claim.name_any() == name && is_bound(claim));
    let Some(size) = bound.and_then(|claim| size(claim)) else { return Ok(()) };
    if !larger(&wanted.0, &size.0) {
        return Ok(());
    }
    let change = json!({ "spec": { "resources": { "requests": { "storage": wanted } } } });
    if let Err(error) = writer.merge::<PersistentVolumeClaim>(&name, change).await {
        return match error {
            ReconcileError::Refused { .. } => {
                let message = error.to_string();
                facts.blockers.push(Blocker { reason: "VolumeCannotGrow", message });
                Ok(())
            }
            error => Err(error),
        };
    }
    let happening = Happening::VolumeGrows { claim: name, to: wanted.0.clone() };
    tell::event(context, &cluster.reference, happening).await;
    Ok(())
}

fn is_bound(claim: &PersistentVolumeClaim) -> bool {
    claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound")
}

fn size(claim: &PersistentVolumeClaim) -> Option<&Quantity> {
    claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage")
}
