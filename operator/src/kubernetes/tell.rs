//! Tells people: the status, once for each reconcile and only where it changed, and events. I/O.

use chatcluster_crds::{ChatCluster, ServiceType, TlsType};
use k8s_openapi::{api::core::v1::ObjectReference, jiff::Timestamp};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    cluster::Cluster,
    context::Context,
    desired::CLIENT_PORT,
    error::{Doing, ReconcileError},
    events::Happening,
    facts::Facts,
    names::{MANAGER, Part, selector_text},
    observe::Observed,
    seen::{is_ready, trouble},
    status::{self, Blocker},
    why,
};

/// Publishes an event. That it cannot be published stops nothing.
pub(crate) async fn event(context: &Context, about: &ObjectReference, happening: Happening) {
    tracing::info!(namespace = about.namespace, name = about.name, "{happening}");
    if let Err(error) = context.recorder.publish(&happening.event(), about).await {
        tracing::info!(%error, "an event could not be published");
    }
}

/// Writes the status if it changed, and tells of what has gone wrong since the last time.
pub(crate) async fn status(
    object: &ChatCluster,
    cluster: &Cluster,
    observed: &Observed,
    context: &Context,
    found: Facts,
    failure: Option<&ReconcileError>,
) -> Result<(), ReconcileError> {
    let now = Timestamp::now();
    let mut facts = facts(cluster, observed, found, now);
    let failure =
        failure.map(|error| Blocker { reason: error.reason(), message: error.to_string() });
    facts.blockers.extend(failure);
    why::of_missing_pods(cluster, observed, context, &mut facts).await;
    let status = status::status(&facts, object.status.as_ref(), now);

    let wrong =
        status.conditions.iter().find(|one| one.type_ == "Degraded" && one.status == "True");
    let wrong = wrong
        .map(|one| Happening::Wrong { reason: one.reason.clone(), message: one.message.clone() });
    let said = wrong.as_ref().map(ToString::to_string);
    let is_news = {
        let mut memories = context.memories();
        let memory = memories.entry(cluster.owner.uid.clone()).or_default();
        let is_news = memory.told != said;
        memory.told = said;
        is_news
    };
    if let Some(wrong) = wrong.filter(|_| is_news) {
        event(context, &cluster.reference, wrong).await;
    }
    if object.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let api: Api<ChatCluster> = Api::namespaced(context.client.clone(), &cluster.names.namespace);
    let how = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({ "status": status }));
    context.metrics.writes.inc();
    match api.patch_status(&object.name_any(), &how, &patch).await {
        Ok(_) => Ok(()),
        // It has been deleted meanwhile.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(ReconcileError::api(Doing::Status, error)),
    }
}

fn facts(cluster: &Cluster, observed: &Observed, found: Facts, now: Timestamp) -> status::Facts {
    let (names, spec) = (&cluster.names, &cluster.spec);
    let pods: Vec<_> = observed.pods_of(Part::Gateway).collect();
    let active = || pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let newer = [&cluster.image.newer, &cluster.redis_image.newer];
    status::Facts {
        generation: cluster.generation,
        paused: spec.paused,
        applying: found.applying,
        endpoint: endpoint(cluster, observed),
        gateways: status::Gateways {
            wanted: spec.gateways.replicas,
            active: active().count() as u32,
            ready: active().filter(|pod| is_ready(pod)).count() as u32,
            draining: (pods.len() - active().count()) as u32,
            connections: found.connections.values().sum(),
            rolling: found.rolling,
            selector: selector_text(&names.selector(Part::Gateway)),
            trouble: trouble(observed, Part::Gateway, now),
        },
        messages: status::Messages {
            ready: observed.pods_of(Part::Messages).any(|pod| is_ready(pod)),
            updating: observed.stateful_sets_of(Part::Messages).any(|set| {
                let seen = set.status.as_ref().and_then(|status| status.observed_generation);
                let status = set.status.as_ref();
                seen < set.metadata.generation
                    || status
                        .is_some_and(|status| status.current_revision != status.update_revision)
            }),
            trouble: trouble(observed, Part::Messages, now),
        },
        manager: status::Manager {
            shards: found.shards,
            shards_wanted: spec.manager.managed.shards,
            slots_assigned: found.slots,
            step: found.step,
            trouble: trouble(observed, Part::Redis, now),
        },
        newer: newer.into_iter().flatten().cloned().collect(),
        blockers: found.blockers,
    }
}

/// Where clients connect: the load balancer's address if there is one, else the Service's name.
fn endpoint(cluster: &Cluster, observed: &Observed) -> String {
    let gateways = &cluster.spec.gateways;
    let name = cluster.names.part(Part::Gateway);
    let scheme = if gateways.tls.type_ == TlsType::Terminated { "ws" } else { "wss" };
    let service = observed.services.iter().find(|service| service.name_any() == name);
    let ingress = service.and_then(|service| {
        service.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref()?.first()
    });
    let outside = ingress
        .filter(|_| gateways.service.type_ == ServiceType::LoadBalancer)
        .and_then(|at| at.hostname.clone().or_else(|| at.ip.clone()))
        .map(|host| if host.contains(':') { format!("[{host}]") } else { host });
    let host = outside.unwrap_or_else(|| cluster.names.host(&name));
    format!("{scheme}://{host}:{CLIENT_PORT}")
}
