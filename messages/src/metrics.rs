//! What the service counts. All names start with `chatcluster_messages_`.

use std::{sync::atomic::AtomicU64, time::Duration};

use chatcluster_runtime::backend::Call;
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

/// How an append ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AppendOutcome {
    /// `stored`, or why not.
    pub outcome: &'static str,
}

/// What a replica is: `voting`, `joining` or `away`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Standing {
    /// That.
    pub standing: &'static str,
}

/// What repair does.
#[derive(Debug, Default)]
pub struct Repair {
    /// Passes through all tables.
    pub passes: Counter,
    /// Passes that broke off, or from which somebody was missing.
    pub incomplete: Counter,
    /// The part of the tables that the current one has behind it.
    pub part: Gauge<f64, AtomicU64>,
    /// Stretches that were compared.
    pub compared: Counter,
    /// Those in which replicas differed.
    pub differed: Counter,
    /// Records that were given to replicas.
    pub given: Counter,
    /// Tombstones that were forgotten.
    pub forgotten: Counter,
    /// Replicas that were filled and vote.
    pub filled: Counter,
}

/// The service's metrics.
#[derive(Debug)]
pub struct Metrics {
    /// gRPC calls.
    pub grpc: Family<Call, Counter>,
    /// HTTP requests.
    pub http: Family<Call, Counter>,
    /// Appended messages.
    pub appends: Family<AppendOutcome, Counter>,
    /// Receipts that were stored.
    pub receipts: Counter,
    /// Messages whose inboxes were filled after a crash.
    pub finished: Counter,
    /// Devices removed because nobody used them.
    pub devices_expired: Counter,
    /// Writes refused because the queue was full.
    pub writes_refused: Counter,
    /// Transactions that failed.
    pub commits_failed: Counter,
    /// 1 while the database takes writes.
    pub writable: Gauge,
    /// Replicas by what they are.
    pub replicas: Family<Standing, Gauge>,
    /// What repair does.
    pub repair: Repair,
    commit_seconds: Histogram,
    commit_requests: Histogram,
}

impl Metrics {
    /// Registers all of them.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            grpc: Family::default(),
            http: Family::default(),
            appends: Family::default(),
            receipts: Counter::default(),
            finished: Counter::default(),
            devices_expired: Counter::default(),
            writes_refused: Counter::default(),
            commits_failed: Counter::default(),
            writable: Gauge::default(),
            replicas: Family::default(),
            repair: Repair::default(),
            // 0.25 ms to 4 s: from a commit in memory to a disk that is about to be given up.
            commit_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 15)),
            commit_requests: Histogram::new(exponential_buckets(1.0, 2.0, 9)),
        };
        metrics.writable.set(1);
        let registry = registry.sub_registry_with_prefix("chatcluster_messages");
        registry.register("grpc_calls", "gRPC calls by method and code", metrics.grpc.clone());
        registry.register(
            "http_requests",
            "HTTP requests by route and status",
            metrics.http.clone(),
        );
        registry.register("appends", "Appended messages by outcome", metrics.appends.clone());
        registry.register("receipts", "Receipts stored", metrics.receipts.clone());
        registry.register(
            "fan_outs_finished",
            "Messages whose inboxes were filled after a crash",
            metrics.finished.clone(),
        );
        registry.register(
            "devices_expired",
            "Devices removed because nobody used them",
            metrics.devices_expired.clone(),
        );
        registry.register(
            "writes_refused",
            "Writes refused because the queue was full",
            metrics.writes_refused.clone(),
        );
        registry.register(
            "commits_failed",
            "Transactions that failed",
            metrics.commits_failed.clone(),
        );
        registry.register(
            "writable",
            "1 while the database takes writes",
            metrics.writable.clone(),
        );
        registry.register("replicas", "Replicas by standing", metrics.replicas.clone());
        metrics.repair.register(registry.sub_registry_with_prefix("repair"));
        registry.register(
            "commit_seconds",
            "Time from the start of a transaction until it was synced",
            metrics.commit_seconds.clone(),
        );
        registry.register(
            "commit_requests",
            "Requests that shared a transaction",
            metrics.commit_requests.clone(),
        );
        metrics
    }

    pub(crate) fn commit(&self, took: Duration, requests: usize) {
        self.commit_seconds.observe(took.as_secs_f64());
        self.commit_requests.observe(requests as f64);
    }
}

impl Repair {
    fn register(&self, registry: &mut Registry) {
        for (name, help, counter) in [
            ("passes", "Comparisons of all replicas, from end to end", &self.passes),
            ("incomplete", "Comparisons from which a replica was missing", &self.incomplete),
            ("stretches", "Stretches that were compared", &self.compared),
            ("stretches_differed", "Stretches in which replicas differed", &self.differed),
            ("records_given", "Records given to replicas that lacked them", &self.given),
            ("tombstones_forgotten", "Tombstones forgotten by all replicas", &self.forgotten),
            ("replicas_filled", "Replicas that were filled and vote", &self.filled),
        ] {
            registry.register(name, help, counter.clone());
        }
        registry.register(
            "part",
            "The part of the tables that the current comparison has behind it",
            self.part.clone(),
        );
    }
}
