//! A ChatCluster as the scenarios see it.

use std::time::Duration;

use chatcluster_crds::ChatCluster;
use chatcluster_testkit::{wait_for, wait_until};
use k8s_openapi::{
    api::{apps::v1::ReplicaSet, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::world::World;

/// Three times the goal of 90 s: images are there already, but the machine may be busy.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(270);

/// The name of the ChatCluster of a scenario.
pub(crate) const NAME: &str = "main";

/// A ChatCluster.
pub(crate) struct Chat<'a> {
    pub(crate) world: &'a World,
    clusters: Api<ChatCluster>,
}

impl<'a> Chat<'a> {
    /// Applies one.
    pub(crate) async fn create(world: &'a World, spec: Value) -> Self {
        crate::operator::install(world);
        let clusters: Api<ChatCluster> = world.namespace.api();
        let object = ChatCluster::new(NAME, serde_json::from_value(spec).unwrap());
        clusters.create(&PostParams::default(), &object).await.unwrap();
        Self { world, clusters }
    }

    /// Applies one, and waits until it is ready.
    pub(crate) async fn ready(world: &'a World, spec: Value) -> Self {
        let chat = Self::create(world, spec).await;
        chat.until_ready().await;
        chat
    }

    pub(crate) async fn get(&self) -> ChatCluster {
        self.clusters.get(NAME).await.unwrap()
    }

    /// Changes the spec.
    pub(crate) async fn change(&self, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.clusters.patch(NAME, &PatchParams::default(), &patch).await.unwrap();
    }

    pub(crate) async fn delete(&self) {
        self.clusters.delete(NAME, &DeleteParams::default()).await.unwrap();
    }

    /// A condition that is about the spec as it is now.
    pub(crate) async fn condition(&self, type_: &str) -> Option<Condition> {
        let object = self.get().await;
        let generation = object.metadata.generation;
        let conditions = object.status.into_iter().flat_map(|status| status.conditions);
        conditions.into_iter().find(|condition| {
            condition.type_ == type_ && condition.observed_generation == generation
        })
    }

    /// Waits until a condition has this status, and returns it.
    pub(crate) async fn until(&self, type_: &str, status: &str, within: Duration) -> Condition {
        wait_for(&format!("{type_} is {status}"), within, async || {
            self.condition(type_).await.filter(|condition| condition.status == status)
        })
        .await
    }

    /// Waits until a condition has this reason, and returns its message.
    pub(crate) async fn until_reason(&self, type_: &str, reason: &str, within: Duration) -> String {
        wait_for(&format!("{type_} says {reason}"), within, async || {
            self.condition(type_).await.filter(|condition| condition.reason == reason)
        })
        .await
        .message
    }

    /// Waits until everything is up and nothing is on its way.
    pub(crate) async fn until_ready(&self) {
        self.until("Ready", "True", READY_WITHIN).await;
        self.until("Progressing", "False", READY_WITHIN).await;
    }

    /// The pods of a part, by name.
    pub(crate) async fn pods(&self, part: &str) -> Vec<Pod> {
        let labels =
            format!("app.kubernetes.io/instance={NAME},app.kubernetes.io/component={part}");
        let pods = self.world.namespace.api::<Pod>();
        pods.list(&ListParams::default().labels(&labels)).await.unwrap().items
    }

    /// The names of the gateways that take connections.
    pub(crate) async fn gateways(&self) -> Vec<String> {
        let pods = self.pods("gateway").await;
        let active = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        active.map(|pod| pod.name_any()).collect()
    }

    /// The revisions of the gateways that are there.
    pub(crate) async fn revisions(&self) -> Vec<String> {
        let sets = self.world.namespace.api::<ReplicaSet>();
        let sets = sets.list(&ListParams::default()).await.unwrap();
        sets.iter().map(|set| set.name_any()).collect()
    }

    /// Ends a pod as `kill -9` would: no word before, no time to let go.
    pub(crate) async fn kill(&self, pod: &str) {
        let at_once = DeleteParams::default().grace_period(0);
        self.world.namespace.api::<Pod>().delete(pod, &at_once).await.unwrap();
    }

    /// Waits until there are no more pods of a part than these.
    pub(crate) async fn until_pods(&self, part: &str, count: usize, within: Duration) {
        wait_until(&format!("there are {count} pods of {part}"), within, async || {
            self.pods(part).await.len() == count
        })
        .await;
    }
}
