//! Everything that should be there for a ChatCluster, one file for each part. No I/O; snapshots in
//! `tests` show every object.
//!
//! **Pod templates are golden.** A change of what is rendered for an unchanged spec restarts the pods of
//! every ChatCluster when the operator is upgraded. If a snapshot of a template has to change, say so in
//! the changelog.

mod gateways;
mod manager;
mod messages;
mod pods;
mod policies;
#[cfg(test)]
mod tests;
mod trust;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
};

use chatcluster_config::MutualTls;
use k8s_openapi::{
    api::{
        apps::v1::StatefulSet,
        core::v1::{ConfigMap, Service},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use kube::api::ObjectMeta;
use serde::Serialize;
use sha2::{Digest, Sha256};

pub(crate) use gateways::{CLIENT_PORT, Revision, revision};
pub(crate) use messages::claim;

use super::{
    cluster::Cluster,
    names::{Labels, Names, Part},
};

/// The admin port of every program.
pub(crate) const ADMIN_PORT: u16 = 9090;

/// What should be there.
#[derive(Debug, Clone)]
pub(crate) struct Desired {
    pub(crate) config_maps: Vec<ConfigMap>,
    pub(crate) services: Vec<Service>,
    pub(crate) policies: Vec<NetworkPolicy>,
    pub(crate) budgets: Vec<PodDisruptionBudget>,
    pub(crate) stateful_sets: Vec<StatefulSet>,
    /// Of the wanted revision, without the number of replicas: that is the rollout's to say.
    pub(crate) gateways: Revision,
}

/// What the rest of a reconcile has found out and the objects depend on.
#[derive(Debug, Clone)]
pub(crate) struct Circumstances {
    /// What clients and peers trust, in PEM.
    pub(crate) trust_bundle: String,
    /// Whether a gateway may be evicted now.
    pub(crate) gateway_may_go: bool,
}

/// Everything that should be there.
pub(crate) fn desired(cluster: &Cluster, revision: Revision, now: &Circumstances) -> Desired {
    let mut desired = Desired {
        config_maps: vec![
            trust::config_map(cluster, &now.trust_bundle),
            manager::config_map(cluster),
            messages::config_map(cluster),
        ],
        services: vec![
            gateways::service(cluster),
            gateways::backend_service(cluster),
            manager::service(cluster),
            messages::service(cluster),
        ],
        policies: policies::all(cluster),
        budgets: vec![
            budget(&cluster.names, Part::Gateway, i32::from(now.gateway_may_go)),
            budget(&cluster.names, Part::Redis, 1),
        ],
        stateful_sets: manager::stateful_sets(cluster),
        gateways: revision,
    };
    desired.stateful_sets.push(messages::stateful_set(cluster));
    desired.own(cluster);
    desired
}

impl Desired {
    /// Makes the ChatCluster the owner of all: they go with it.
    fn own(&mut self, cluster: &Cluster) {
        let Revision { config_map, replica_set, .. } = &mut self.gateways;
        let metas = self
            .config_maps
            .iter_mut()
            .map(|object| &mut object.metadata)
            .chain(self.services.iter_mut().map(|object| &mut object.metadata))
            .chain(self.policies.iter_mut().map(|object| &mut object.metadata))
            .chain(self.budgets.iter_mut().map(|object| &mut object.metadata))
            .chain(self.stateful_sets.iter_mut().map(|object| &mut object.metadata))
            .chain([&mut config_map.metadata, &mut replica_set.metadata]);
        for meta in metas {
            meta.owner_references = Some(vec![cluster.owner.clone()]);
        }
    }
}

/// How many pods of a part may be evicted at a time.
fn budget(names: &Names, part: Part, at_most: i32) -> PodDisruptionBudget {
    let mut budget = PodDisruptionBudget {
        metadata: names.meta(part, names.part(part)),
        ..PodDisruptionBudget::default()
    };
    let spec = budget.spec.get_or_insert_default();
    spec.max_unavailable = Some(IntOrString::Int(at_most));
    spec.selector = Some(selector(names.selector(part)));
    // One that is not ready helps nobody: a node with such a pod can be drained.
    spec.unhealthy_pod_eviction_policy = Some("AlwaysAllow".into());
    budget
}

/// A ConfigMap of a part with one file.
fn config_map(meta: ObjectMeta, file: &str, text: String) -> ConfigMap {
    ConfigMap {
        metadata: meta,
        data: Some(BTreeMap::from([(file.to_owned(), text)])),
        ..ConfigMap::default()
    }
}

/// All addresses of a pod.
fn listen(port: u16) -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, port).into()
}

/// A role's certificate in a mounted Secret.
fn mutual_tls(cluster: &Cluster, folder: &str) -> MutualTls {
    let file = |name: &str| format!("{folder}/{name}").into();
    MutualTls {
        certificate: file("tls.crt"),
        key: file("tls.key"),
        ca: file("ca.crt"),
        identity: cluster.names.identity(),
    }
}

/// A program's configuration as text.
fn yaml(config: &impl Serialize) -> String {
    serde_yaml::to_string(config).expect("a configuration has no maps with odd keys")
}

fn selector(labels: Labels) -> LabelSelector {
    LabelSelector { match_labels: Some(labels), ..LabelSelector::default() }
}

/// Adds what a person wants; where both say something, `ours` wins.
fn merged(ours: Labels, theirs: &Labels) -> Labels {
    let mut all = theirs.clone();
    all.extend(ours);
    all
}

/// Ten hexadecimal digits that tell contents apart.
pub(crate) fn fingerprint(content: &impl Serialize) -> String {
    // Maps are sorted, so equal contents are equal bytes.
    let bytes = serde_json::to_vec(content).unwrap_or_default();
    Sha256::digest(bytes).iter().take(5).map(|byte| format!("{byte:02x}")).collect()
}
