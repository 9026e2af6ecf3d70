//! The admin port: `/livez`, `/readyz` and `/metrics` over plain HTTP, never on a port that clients reach.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What has to be true before others may use the program. Everything that does starts as unmet.
///
/// Readiness means that the program can do its own job: its listener is up, its certificate is loaded.
/// It never depends on load, or on another program.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, Option<String>>>>);

impl Readiness {
    /// Unready until each of these conditions is met.
    pub fn waiting_for(conditions: &[&'static str]) -> Self {
        let waiting = conditions.iter().map(|name| (*name, Some("not yet".to_owned())));
        Self(Arc::new(Mutex::new(waiting.collect())))
    }

    /// The condition is true.
    pub fn met(&self, condition: &'static str) {
        self.set(condition, None);
    }

    /// The condition is not true, and why.
    pub fn unmet(&self, condition: &'static str, reason: impl Into<String>) {
        self.set(condition, Some(reason.into()));
    }

    /// Whether all conditions are met.
    pub fn is_ready(&self) -> bool {
        self.reasons().is_empty()
    }

    /// One line for each condition that is not met.
    pub fn reasons(&self) -> Vec<String> {
        let conditions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unmet = conditions
            .iter()
            .filter_map(|(name, reason)| reason.as_ref().map(|reason| format!("{name}: {reason}")));
        unmet.collect()
    }

    fn set(&self, condition: &'static str, reason: Option<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(condition, reason);
    }
}

/// Serves the admin port until the token is cancelled. Give it the token that is cancelled last: probes
/// and metrics are wanted while a program drains.
pub async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    metrics: Arc<Registry>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let router = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz).with_state(readiness))
        .route("/metrics", get(metrics_text).with_state(metrics));
    let server = axum::serve(listener, router).into_future();
    // Not axum's graceful shutdown: it would wait for idle keep-alive connections of scrapers.
    tokio::select! {
        ended = server => ended,
        () = shutdown.cancelled() => Ok(()),
    }
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    match readiness.reasons() {
        reasons if reasons.is_empty() => "ok\n".into_response(),
        reasons => (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n").into_response(),
    }
}

async fn metrics_text(State(registry): State<Arc<Registry>>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "encoding metrics failed\n").into_response(),
    }
}
