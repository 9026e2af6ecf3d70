//! Why a StatefulSet has no pods. Unlike a ReplicaSet, it says so only by events; they are read when pods
//! are missing, and not before. I/O.

use k8s_openapi::api::core::v1::Event;
use kube::{Api, ResourceExt, api::ListParams};

use super::{
    cluster::Cluster,
    context::Context,
    names::{COMPONENT, Part},
    observe::Observed,
    status::Facts,
    trouble::{Reason, Trouble},
};

/// The most events that are looked at.
const EVENTS: u32 = 20;

/// Adds what the server said where it refuses pods.
pub(crate) async fn of_missing_pods(
    cluster: &Cluster,
    observed: &Observed,
    context: &Context,
    facts: &mut Facts,
) {
    let short = observed.stateful_sets.iter().find(|set| {
        let wanted = set.spec.replicas.unwrap_or(1);
        set.status.as_ref().is_some_and(|status| status.replicas < wanted)
    });
    let Some(set) = short else { return };
    let api: Api<Event> = Api::namespaced(context.client.clone(), &cluster.names.namespace);
    let about = format!("involvedObject.name={},reason=FailedCreate", set.name_any());
    let Ok(events) = api.list(&ListParams::default().fields(&about).limit(EVENTS)).await else {
        return; // the condition says less, that is all
    };
    let Some(event) = events.items.into_iter().max_by_key(|event| event.last_timestamp.clone())
    else {
        return;
    };
    let trouble = Some(Trouble {
        reason: Reason::PodsRefused,
        what: format!("StatefulSet {}: {}", set.name_any(), event.message.unwrap_or_default()),
    });
    match set.labels().get(COMPONENT) {
        Some(part) if part == Part::Messages.as_str() => facts.messages.trouble = trouble,
        _ => facts.manager.trouble = trouble,
    }
}
