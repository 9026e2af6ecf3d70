//! Caches of what the operator manages, filled by watches. Only what carries the operator's label is
//! ever asked for: what else is in the cluster costs nothing. Secrets are never listed.
//!
//! Whole objects, and not their metadata alone: what somebody changed by hand is seen by comparing, at
//! no request. Who changed what (`managedFields`) is most of an object, nobody asks for it here, and so
//! it is dropped.

use std::{future::pending, pin::pin, sync::Arc};

use chatcluster_crds::ChatCluster;
use futures_util::{Stream, StreamExt};
use k8s_openapi::api::{
    apps::v1::{ReplicaSet, StatefulSet},
    core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, Resource,
    core::DeserializeGuard,
    runtime::{
        WatchStreamExt,
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::sync::CancellationToken;

use super::{
    names::{INSTANCE, MANAGED},
    object::Object,
};

/// One cache for each kind, of all namespaces or of one.
pub(crate) struct Caches {
    pub(crate) config_maps: Cache<ConfigMap>,
    pub(crate) services: Cache<Service>,
    pub(crate) policies: Cache<NetworkPolicy>,
    pub(crate) budgets: Cache<PodDisruptionBudget>,
    pub(crate) stateful_sets: Cache<StatefulSet>,
    pub(crate) replica_sets: Cache<ReplicaSet>,
    pub(crate) pods: Cache<Pod>,
    pub(crate) claims: Cache<PersistentVolumeClaim>,
}

/// A ChatCluster that something has changed of.
pub(crate) type Changed = ObjectRef<DeserializeGuard<ChatCluster>>;

/// Changes that the controller has not taken yet. It takes them at once; full, the watches wait.
const CHANGES: usize = 1024;

impl Caches {
    /// Fills caches from now on, until `stop`. What comes out are the ChatClusters whose objects change.
    pub(crate) fn fill(
        client: &Client,
        namespace: Option<&str>,
        stop: &CancellationToken,
    ) -> (Self, Receiver<Changed>) {
        let (changed, changes) = mpsc::channel(CHANGES);
        let from = Source { client, namespace, changed, stop };
        let caches = Self {
            config_maps: from.cache(),
            services: from.cache(),
            policies: from.cache(),
            budgets: from.cache(),
            stateful_sets: from.cache(),
            replica_sets: from.cache(),
            pods: from.cache(),
            claims: from.cache(),
        };
        (caches, changes)
    }

    /// Returns when each has heard of all that there is; never, if it has been stopped.
    pub(crate) async fn filled(&self) {
        self.config_maps.filled().await;
        self.services.filled().await;
        self.policies.filled().await;
        self.budgets.filled().await;
        self.stateful_sets.filled().await;
        self.replica_sets.filled().await;
        self.pods.filled().await;
        self.claims.filled().await;
    }
}

/// All objects of one kind that the operator manages.
pub(crate) struct Cache<K: Object>(Store<K>);

impl<K: Object> Cache<K> {
    async fn filled(&self) {
        if self.0.wait_until_ready().await.is_err() {
            pending::<()>().await;
        }
    }

    /// Those of one ChatCluster, in the order of their names.
    pub(crate) fn of(&self, namespace: &str, name: &str) -> Vec<Arc<K>> {
        let mut found = self.0.state_filter(|object| {
            object.meta().namespace.as_deref() == Some(namespace) && instance(object) == Some(name)
        });
        found.sort_by(|one, other| one.meta().name.cmp(&other.meta().name));
        found
    }
}

struct Source<'a> {
    client: &'a Client,
    namespace: Option<&'a str>,
    changed: Sender<Changed>,
    stop: &'a CancellationToken,
}

impl Source<'_> {
    /// A cache, and the task that fills it.
    fn cache<K: Object>(&self) -> Cache<K> {
        let api: Api<K> = match self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let (store, writer) = reflector::store();
        let objects = watcher(api, watcher::Config::default().labels(MANAGED))
            .default_backoff()
            .modify(|object| object.meta_mut().managed_fields = None)
            .reflect(writer)
            .touched_objects();
        let (changed, stop) = (self.changed.clone(), self.stop.clone());
        tokio::spawn(async move {
            stop.run_until_cancelled(tell(objects, changed)).await;
        });
        Cache(store)
    }
}

/// Tells which ChatCluster each object that changes is of.
async fn tell<K: Object>(
    objects: impl Stream<Item = watcher::Result<K>>,
    changed: Sender<Changed>,
) {
    let mut objects = pin!(objects);
    while let Some(object) = objects.next().await {
        match object {
            Ok(object) => {
                let Some((name, namespace)) =
                    instance(&object).zip(object.meta().namespace.as_deref())
                else {
                    continue;
                };
                if changed.send(ObjectRef::new(name).within(namespace)).await.is_err() {
                    return; // the controller has ended
                }
            }
            Err(error) => {
                tracing::warn!(kind = %K::kind(&()), %error, "a watch broke off; it is begun again")
            }
        }
    }
}

fn instance<K: Resource>(object: &K) -> Option<&str> {
    object.meta().labels.as_ref()?.get(INSTANCE).map(String::as_str)
}
