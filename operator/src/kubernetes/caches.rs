//! Caches of what the operator manages, filled by watches. Only what carries the operator's label is
//! ever asked for: what else is in the cluster costs nothing. Secrets are never listed.
//!
//! Whole objects, and not their metadata alone: what somebody changed by hand is seen by comparing, at
//! no request. Who changed what (`managedFields`) is most of an object, nobody asks for it here, and so
//! it is dropped.

use std::{
    future::pending,
    pin::pin,
    sync::{Arc, PoisonError, RwLock},
};

use chatcluster_crds::ChatCluster;
use futures_util::{Stream, StreamExt};
use k8s_openapi::api::{
    apps::v1::{ReplicaSet, StatefulSet},
    core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client,
    core::DeserializeGuard,
    runtime::{
        WatchStreamExt,
        reflector::ObjectRef,
        watcher::{self, Event, watcher},
    },
};
use tokio::sync::{
    mpsc::{self, Receiver, Sender},
    watch,
};
use tokio_util::sync::CancellationToken;

use super::{
    index::{Index, whose},
    names::MANAGED,
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
pub(crate) struct Cache<K> {
    index: Arc<RwLock<Index<K>>>,
    is_filled: watch::Receiver<bool>,
}

impl<K: Object> Cache<K> {
    async fn filled(&self) {
        if self.is_filled.clone().wait_for(|filled| *filled).await.is_err() {
            pending::<()>().await;
        }
    }

    /// Those of one ChatCluster, in the order of their names.
    pub(crate) fn of(&self, namespace: &str, name: &str) -> Vec<Arc<K>> {
        // Each event leaves the index whole.
        self.index.read().unwrap_or_else(PoisonError::into_inner).of(namespace, name)
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
        let events = watcher(api, watcher::Config::default().labels(MANAGED))
            .default_backoff()
            .modify(|object| object.meta_mut().managed_fields = None);
        let (filled, is_filled) = watch::channel(false);
        let index = Arc::<RwLock<Index<K>>>::default();
        let filling = fill(events, index.clone(), filled, self.changed.clone());
        let stop = self.stop.clone();
        tokio::spawn(async move {
            stop.run_until_cancelled(filling).await;
        });
        Cache { index, is_filled }
    }
}

/// Takes in what a watch tells, and tells in turn which ChatCluster each object that changes is of.
async fn fill<K: Object>(
    events: impl Stream<Item = watcher::Result<Event<K>>>,
    index: Arc<RwLock<Index<K>>>,
    filled: watch::Sender<bool>,
    changed: Sender<Changed>,
) {
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(kind = %K::kind(&()), %error, "a watch broke off; it is begun again");
                continue;
            }
        };
        let about = match &event {
            Event::Apply(object) | Event::InitApply(object) | Event::Delete(object) => {
                whose(object)
            }
            Event::Init | Event::InitDone => None,
        };
        if index.write().unwrap_or_else(PoisonError::into_inner).hear(event) {
            filled.send_replace(true);
        }
        // Before everything is known nobody listens, and then every ChatCluster is worked on anyway.
        if let Some((namespace, name)) = about.filter(|_| *filled.borrow())
            && changed.send(ObjectRef::new(&name).within(&namespace)).await.is_err()
        {
            return; // the controller has ended
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, stream};
    use serde_json::json;

    use super::*;

    fn map(number: usize) -> ConfigMap {
        let labels = json!({ "app.kubernetes.io/instance": "main" });
        let meta = json!({ "namespace": "chat", "name": number.to_string(), "labels": labels });
        serde_json::from_value(json!({ "metadata": meta })).unwrap()
    }

    /// The controller, which takes the changes, starts when the caches are filled.
    #[test]
    fn a_cache_fills_although_nobody_takes_the_changes_yet() {
        let listed = (0..3 * CHANGES).map(|number| Event::InitApply(map(number)));
        let events = std::iter::once(Event::Init).chain(listed).chain([Event::InitDone]);
        let later = [Event::Apply(map(0)), Event::Delete(map(1))];
        let (changed, mut changes) = mpsc::channel(CHANGES);
        let (filled, is_filled) = watch::channel(false);
        let index = Arc::<RwLock<Index<ConfigMap>>>::default();
        let filling =
            fill(stream::iter(events.chain(later).map(Ok)), index.clone(), filled, changed);
        assert!(filling.now_or_never().is_some(), "it waits for somebody");
        assert!(*is_filled.borrow());
        assert_eq!(index.read().unwrap().of("chat", "main").len(), 3 * CHANGES - 1);
        let told = std::iter::from_fn(|| changes.try_recv().ok()).collect::<Vec<_>>();
        assert_eq!(told.len(), 2, "what changes after that is told: {told:?}");
    }
}
