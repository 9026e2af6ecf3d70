//! What every reconcile is given.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chatcluster_crds::ChatCluster;
use kube::{Client, core::DeserializeGuard, runtime::events::Recorder};

use super::{Settings, caches::Caches, keys::Keeper, memory::Memory, metrics::Metrics};

/// A ChatCluster as the server has it, readable or not: one that is not stops nobody else's watch.
pub(crate) type Guarded = DeserializeGuard<ChatCluster>;

/// What every reconcile is given.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) settings: Arc<Settings>,
    pub(crate) caches: Caches,
    pub(crate) keeper: Keeper,
    pub(crate) recorder: Recorder,
    pub(crate) metrics: Metrics,
    /// What is remembered of each ChatCluster, by uid. Held for a look-up, never over an await.
    pub(super) memories: Mutex<HashMap<String, Memory>>,
}

impl Context {
    /// What is remembered of a ChatCluster.
    pub(crate) fn memories(&self) -> MutexGuard<'_, HashMap<String, Memory>> {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
