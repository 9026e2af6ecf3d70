//! SIGTERM and SIGINT.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that the first SIGTERM or SIGINT cancels. The second one ends the process at once, for
/// whoever does not want to wait for an orderly end.
pub fn shutdown_token() -> io::Result<CancellationToken> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        let name = next(&mut term, &mut int).await.0;
        tracing::info!(signal = name, "shutting down");
        shutdown.cancel();
        let (name, number) = next(&mut term, &mut int).await;
        tracing::warn!(signal = name, "second signal: ending at once");
        #[allow(clippy::disallowed_methods)]
        // an orderly return from main is what was not waited for
        std::process::exit(128 + number);
    });
    Ok(token)
}

async fn next(term: &mut Signal, int: &mut Signal) -> (&'static str, i32) {
    tokio::select! {
        _ = term.recv() => ("SIGTERM", 15),
        _ = int.recv() => ("SIGINT", 2),
    }
}
