//! The floor: a program that lists what the operator manages and holds it, in the same types and with the
//! same left out.

use std::path::{Path, PathBuf};

use anyhow::Context;
use chatcluster_crds::ChatCluster;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{ReplicaSet, StatefulSet},
        core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
    },
};
use kube::{Api, Client, Resource, api::ListParams};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::usage;

/// What the operator's caches ask for.
const MANAGED: &str = "app.kubernetes.io/managed-by=chatcluster-operator";
/// Small, so that reading leaves little behind beside what is held.
const PAGE: u32 = 50;

/// Holds everything, prints how much it is as JSON, and ends.
#[allow(clippy::print_stdout, reason = "tells the figures to the process that started it")]
pub(crate) async fn hold(kubeconfig: PathBuf) -> anyhow::Result<()> {
    let client = client(&kubeconfig).await?;
    // The client's own memory, and that of a first page, is not what is asked for.
    list::<ConfigMap>(&client, 1).await?;
    let before = usage::memory(std::process::id())?;
    let pods: Vec<Pod> = list(&client, usize::MAX).await?;
    let maps: Vec<ConfigMap> = list(&client, usize::MAX).await?;
    let stateful_sets: Vec<StatefulSet> = list(&client, usize::MAX).await?;
    let replica_sets: Vec<ReplicaSet> = list(&client, usize::MAX).await?;
    let services: Vec<Service> = list(&client, usize::MAX).await?;
    let claims: Vec<PersistentVolumeClaim> = list(&client, usize::MAX).await?;
    let policies: Vec<NetworkPolicy> = list(&client, usize::MAX).await?;
    let budgets: Vec<PodDisruptionBudget> = list(&client, usize::MAX).await?;
    let clusters: Vec<ChatCluster> = list(&client, usize::MAX).await?;
    let after = usage::memory(std::process::id())?;
    let all = [
        size("Pods", &pods)?,
        size("ConfigMaps", &maps)?,
        size("StatefulSets", &stateful_sets)?,
        size("ReplicaSets", &replica_sets)?,
        size("Services", &services)?,
        size("PersistentVolumeClaims", &claims)?,
        size("NetworkPolicies", &policies)?,
        size("PodDisruptionBudgets", &budgets)?,
        size("ChatClusters", &clusters)?,
    ];
    println!("{}", json!({ "memory": after - before, "kinds": all }));
    Ok(())
}

async fn client(kubeconfig: &Path) -> anyhow::Result<Client> {
    let config = kube::config::Kubeconfig::read_from(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(config, &Default::default()).await?;
    Client::try_from(config).context("make a client")
}

/// At most so many objects of a kind that the operator manages; all ChatClusters.
async fn list<K>(client: &Client, most: usize) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let api: Api<K> = Api::all(client.clone());
    let mut params = ListParams::default().limit(PAGE);
    if K::kind(&()) != "ChatCluster" {
        params = params.labels(MANAGED);
    }
    let mut held = Vec::new();
    loop {
        let page = api.list(&params).await?;
        held.extend(page.items.into_iter().map(|mut object| {
            object.meta_mut().managed_fields = None;
            object
        }));
        let next = page.metadata.continue_.filter(|next| !next.is_empty());
        match next {
            Some(next) if held.len() < most => params = params.continue_token(&next),
            _ => break,
        }
    }
    held.shrink_to_fit();
    Ok(held)
}

/// How many they are, and their bytes as JSON.
fn size<K: Serialize>(kind: &str, objects: &[K]) -> anyhow::Result<super::report::Kind> {
    let sizes = objects.iter().map(|object| Ok(serde_json::to_string(object)?.len()));
    let bytes = sizes.sum::<serde_json::Result<usize>>()?;
    Ok(super::report::Kind { kind: kind.to_owned(), objects: objects.len(), bytes })
}
