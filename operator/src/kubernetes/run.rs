//! `chatcluster-operator run`: waits for its turn, then works until it is told to stop or loses its turn.

use std::{io, sync::Arc};

use chatcluster_runtime::admin::{self, Readiness};
use futures_util::future::try_join_all;
use kube::Client;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    Settings, controller,
    leader::{Lead, LeaderError},
    metrics::Metrics,
};

/// What `/readyz` waits for: the API has answered. One that stands by is ready, too.
const API: &str = "kubernetes";

/// Why an operator cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The admin port cannot be opened.
    #[error("listening on {address} failed: {error}")]
    Admin {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The lease cannot be kept.
    #[error(transparent)]
    Leader(#[from] LeaderError),
    /// A task panicked; the log says where.
    #[error("a controller broke off: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

/// Runs the operator until `shutdown`.
///
/// # Errors
/// When it cannot start, and when it loses its turn: another one works from then on, and what this one
/// remembers is worth nothing any more.
pub async fn run(
    client: Client,
    settings: Settings,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let address = settings.admin;
    let admin = TcpListener::bind(address).await;
    let admin = admin.map_err(|error| RunError::Admin { address, error })?;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let readiness = Readiness::waiting_for(&[API]);
    let admin = admin::serve(admin, readiness.clone(), Arc::new(registry), stop.clone());
    tokio::spawn(async move {
        if let Err(error) = admin.await {
            tracing::error!(%error, "the admin port broke off");
        }
    });

    let mut lead = Lead::stand_by(&client, &settings).await?;
    readiness.met(API);
    tracing::info!(name = settings.name, "standing by");
    if shutdown.run_until_cancelled(lead.won()).await.is_none() {
        return Ok(lead.give_back().await?);
    }
    metrics.leader.set(1);
    tracing::info!(name = settings.name, "working");
    let ended = tokio::select! {
        ended = work(&client, &settings, &metrics, &shutdown) => ended,
        error = lead.lost() => Err(error.into()),
    };
    metrics.leader.set(0);
    ended?;
    lead.give_back().await?;
    tracing::info!("stopped");
    Ok(())
}

/// Works on all ChatClusters of the settings' namespaces until `shutdown`.
///
/// # Errors
/// When a controller panics.
pub(crate) async fn work(
    client: &Client,
    settings: &Settings,
    metrics: &Metrics,
    shutdown: &CancellationToken,
) -> Result<(), RunError> {
    let settings = Arc::new(settings.clone());
    let scopes: Vec<_> = match settings.watch_namespaces.as_slice() {
        [] => vec![None],
        namespaces => namespaces.iter().cloned().map(Some).collect(),
    };
    let controllers = scopes.into_iter().map(|scope| {
        let (client, settings) = (client.clone(), settings.clone());
        tokio::spawn(controller::run(client, settings, metrics.clone(), scope, shutdown.clone()))
    });
    try_join_all(controllers).await?;
    Ok(())
}
