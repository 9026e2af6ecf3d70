//! Connections of backends: so many at a time, each request in bounded time and size. HTTP/1.1 alone:
//! an idle HTTP/2 connection would hold its place for ever.

use std::{sync::Arc, time::Duration};

use axum::{Router, serve::Listener};
use chatcluster_config::ServerTls;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::tls::{Handshakes, ServerCertificate, TlsError, TlsListener};

/// Connections at a time; further ones wait in the kernel's backlog.
const CONNECTIONS: usize = 1024;

/// Request line and headers, in bytes. Filters and a token fit many times over.
const HEAD: usize = 32 * 1024;

/// A client has this long for the head of a request, also when it has kept the connection open.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// Requests under way have this long after a stop.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves a port, under TLS where there is a certificate, until the token is cancelled and requests have ended.
///
/// # Errors
/// When the certificate cannot be used.
pub fn spawn(
    listener: TcpListener,
    tls: Option<&ServerTls>,
    router: Router,
    shutdown: CancellationToken,
) -> Result<JoinHandle<()>, TlsError> {
    let Some(tls) = tls else { return Ok(tokio::spawn(serve(listener, router, shutdown))) };
    let certificate = ServerCertificate::load(tls)?;
    let tls = certificate.server_config(&["http/1.1"])?;
    tokio::spawn(certificate.keep_current(shutdown.clone()));
    let listener = TlsListener::new(listener, tls, Handshakes::default());
    Ok(tokio::spawn(serve(listener, router, shutdown)))
}

/// Serves until the token is cancelled, then lets requests end.
pub async fn serve<L: Listener>(mut listener: L, router: Router, shutdown: CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HEAD);
    let accept = async {
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else { return };
            let (connection, _) = listener.accept().await;
            let service = TowerToHyperService::new(router.clone());
            let connection =
                server.serve_connection(TokioIo::new(connection), service).into_owned();
            let watched = graceful.watch(connection);
            tokio::spawn(async move {
                let _permit = permit;
                if let Err(error) = watched.await {
                    tracing::debug!(%error, "a connection of a backend broke off");
                }
            });
        }
    };
    shutdown.run_until_cancelled(accept).await;
    drop(listener);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests of backends did not end in time");
    }
}
