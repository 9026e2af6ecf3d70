//! The controller: watches ChatClusters and what belongs to them, and reconciles those of which something
//! has changed. [`super::reconcile`] is what it does for each.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::StreamExt;
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        Controller, Predicate, PredicateConfig, WatchStreamExt,
        controller::{self, Action},
        events::{Recorder, Reporter},
        predicates, reflector, watcher,
    },
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::{
    Settings,
    caches::Caches,
    context::{Context, Guarded},
    error::ReconcileError,
    keys::Keeper,
    metrics::{self, Metrics},
    names::MANAGER,
    reconcile::reconcile,
};

/// Changes that come together are answered together: a pod's start alone is five of them.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// Reconciles the ChatClusters of a namespace, or of all, until `shutdown`; what is under way then is
/// finished.
pub(crate) async fn run(
    client: Client,
    settings: Arc<Settings>,
    metrics: Metrics,
    namespace: Option<String>,
    shutdown: CancellationToken,
) {
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let (caches, changes) = Caches::fill(&client, namespace.as_deref(), &stop);
    if shutdown.run_until_cancelled(caches.filled()).await.is_none() {
        return;
    }
    let api: Api<Guarded> = match &namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let (clusters, writer) = reflector::store();
    let changed = watcher(api, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .applied_objects()
        // Not when the status changes: that is we.
        .predicate_filter(
            predicates::generation.combine(predicates::annotations),
            PredicateConfig::default(),
        );
    let reporter = Reporter { controller: MANAGER.into(), instance: Some(settings.name.clone()) };
    let config = controller::Config::default().concurrency(settings.concurrency).debounce(DEBOUNCE);
    let context = Arc::new(Context {
        recorder: Recorder::new(client.clone(), reporter),
        keeper: Keeper::new(client.clone()),
        memories: Mutex::default(),
        client,
        settings,
        caches,
        metrics,
    });
    let (counted, known) = (context.clone(), clusters.clone());
    Controller::for_stream(changed, clusters)
        .with_config(config)
        .reconcile_on(ReceiverStream::new(changes))
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(work, again, context)
        .for_each(|_| async {
            counted.metrics.chatclusters.set(known.len() as i64);
            let mut memories = counted.memories();
            // Those that were deleted: their last reconcile never comes.
            if memories.len() > known.len() {
                let uids: Vec<_> = known.state().iter().filter_map(|object| object.uid()).collect();
                memories.retain(|uid, _| uids.contains(uid));
            }
        })
        .await;
}

async fn work(object: Arc<Guarded>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let (begun, uid) = (Instant::now(), object.uid().unwrap_or_default());
    let outcome = Box::pin(reconcile(&object, &context)).await;
    let result = outcome.as_ref().map_or_else(|error| error.kind(), |_| "ok");
    let metrics = &context.metrics;
    metrics.reconciles.get_or_create(&metrics::Result { result }).inc();
    metrics.seconds.observe(begun.elapsed().as_secs_f64());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    metrics.last_reconcile.set(now.as_secs_f64());
    let mut memories = context.memories();
    let memory = memories.entry(uid).or_default();
    memory.failures = if outcome.is_ok() { 0 } else { memory.failures.saturating_add(1) };
    outcome
}

fn again(object: Arc<Guarded>, error: &ReconcileError, context: Arc<Context>) -> Action {
    let uid = object.uid().unwrap_or_default();
    let failures = context.memories().get(&uid).map_or(0, |memory| memory.failures);
    let (name, namespace) = (object.name_any(), object.namespace());
    tracing::warn!(name, namespace, failures, %error, "a reconcile failed");
    error.again_in(failures).map_or_else(Action::await_change, Action::requeue)
}
