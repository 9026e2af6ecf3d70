//! What the operator counts: `chatcluster_operator_*`.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// How a reconcile ended: `ok`, or the kind of its error.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Result {
    pub(crate) result: &'static str,
}

/// All figures of an operator. Cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// Reconciles, by how they ended.
    pub(crate) reconciles: Family<Result, Counter>,
    /// How long each took.
    pub(crate) seconds: Histogram,
    /// Requests that changed something; none while nothing changes.
    pub(crate) writes: Counter,
    /// Steps of the WebSocket managers' Redis Clusters that were carried out.
    pub(crate) manager_steps: Counter,
    /// ChatClusters that are looked after.
    pub(crate) chatclusters: Gauge<i64>,
    /// Whether this operator is the one that works.
    pub(crate) leader: Gauge<i64>,
    /// When a reconcile last ended, in seconds since 1970.
    pub(crate) last_reconcile: Gauge<f64, AtomicU64>,
}

impl Metrics {
    /// All at zero, in the registry.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            reconciles: Family::default(),
            // From 1 ms, with everything in memory, to 16 s.
            seconds: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            writes: Counter::default(),
            manager_steps: Counter::default(),
            chatclusters: Gauge::default(),
            leader: Gauge::default(),
            last_reconcile: Gauge::default(),
        };
        let m = metrics.clone();
        let to = registry.sub_registry_with_prefix("chatcluster_operator");
        to.register("reconciles", "Reconciles by result", m.reconciles);
        to.register("reconcile_seconds", "Duration of reconciles", m.seconds);
        to.register("writes", "Requests that changed something", m.writes);
        to.register("manager_steps", "Steps of Redis Clusters carried out", m.manager_steps);
        to.register("chatclusters", "ChatClusters looked after", m.chatclusters);
        to.register("leader", "1 if this operator works, 0 if it stands by", m.leader);
        to.register("last_reconcile_seconds", "End of the last reconcile", m.last_reconcile);
        metrics
    }
}
