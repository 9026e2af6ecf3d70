//! What there is of a ChatCluster, out of the caches that watches fill. No request is made.

use std::sync::Arc;

use chatcluster_crds::{Retention, Storage};
use k8s_openapi::api::{
    apps::v1::{ReplicaSet, StatefulSet},
    core::v1::{ConfigMap, PersistentVolumeClaim, Pod, PodTemplateSpec, Service},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::Resource;

use super::{
    caches::Caches,
    names::{COMPONENT, Part},
};

/// What there is, as of the caches' last word.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observed {
    pub(crate) config_maps: Vec<Arc<ConfigMap>>,
    pub(crate) services: Vec<Arc<Service>>,
    pub(crate) policies: Vec<Arc<NetworkPolicy>>,
    pub(crate) budgets: Vec<Arc<PodDisruptionBudget>>,
    pub(crate) stateful_sets: Vec<Arc<StatefulSet>>,
    pub(crate) replica_sets: Vec<Arc<ReplicaSet>>,
    pub(crate) pods: Vec<Arc<Pod>>,
    pub(crate) claims: Vec<Arc<PersistentVolumeClaim>>,
}

impl Observed {
    /// Looks for what belongs to a ChatCluster.
    pub(crate) fn of(caches: &Caches, namespace: &str, name: &str) -> Self {
        Self {
            config_maps: caches.config_maps.of(namespace, name),
            services: caches.services.of(namespace, name),
            policies: caches.policies.of(namespace, name),
            budgets: caches.budgets.of(namespace, name),
            stateful_sets: caches.stateful_sets.of(namespace, name),
            replica_sets: caches.replica_sets.of(namespace, name),
            pods: caches.pods.of(namespace, name),
            claims: caches.claims.of(namespace, name),
        }
    }

    /// The pods of a part.
    pub(crate) fn pods_of(&self, part: Part) -> impl Iterator<Item = &Arc<Pod>> + Clone {
        self.pods.iter().filter(move |pod| component(pod.as_ref()) == Some(part.as_str()))
    }

    /// The StatefulSets of a part.
    pub(crate) fn stateful_sets_of(&self, part: Part) -> impl Iterator<Item = &Arc<StatefulSet>> {
        self.stateful_sets.iter().filter(move |set| component(set.as_ref()) == Some(part.as_str()))
    }

    /// The live image of gateways and message service: the message service's, since there is always one
    /// of it.
    pub(super) fn image(&self) -> Option<String> {
        self.stateful_sets_of(Part::Messages).find_map(|set| image(&set.spec.template))
    }

    /// The live image of Redis.
    pub(super) fn redis_image(&self) -> Option<String> {
        self.stateful_sets_of(Part::Redis).find_map(|set| image(&set.spec.template))
    }

    /// What the message service's volume was made as.
    pub(super) fn volume(&self) -> Option<Storage> {
        let set = self.stateful_sets_of(Part::Messages).next()?;
        let claims = set.spec.volume_claim_templates.as_ref()?;
        let claim = claims.first()?.spec.as_ref()?;
        Some(Storage {
            size: claim.resources.as_ref()?.requests.as_ref()?.get("storage")?.clone(),
            storage_class_name: claim.storage_class_name.clone(),
            when_deleted: Retention::default(),
        })
    }
}

fn component(object: &impl Resource) -> Option<&str> {
    object.meta().labels.as_ref()?.get(COMPONENT).map(String::as_str)
}

fn image(template: &PodTemplateSpec) -> Option<String> {
    template.spec.as_ref()?.containers.first()?.image.clone()
}
