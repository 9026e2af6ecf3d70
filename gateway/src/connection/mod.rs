//! One connection of a client, from the accepted socket to its end: TLS has been spoken, the upgrade
//! comes first, then one task moves frames between the socket and the session.
//!
//! [`Socket`], [`Cause`] and [`Ending`] are the WebSocket and know no session. `examples/echo.rs` puts
//! an echo on them, which `make conformance` examines.

mod ending;
mod outgoing;
mod pump;
mod reading;
mod socket;

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use chatcluster_manager::Manager;
use chatcluster_protocol::limits::CLIENT_FRAME;
pub use ending::{Cause, Ending};
pub use outgoing::Outgoing;
pub use pump::Connection;
pub use socket::{Received, Socket};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{
    hub::{Hub, Place},
    metrics::count,
    page::Page,
    upgrade::{Admission, Policy, Rest, upgrade},
};

/// How long a client that got an HTTP answer may take to read it and hang up.
const GOODBYE: Duration = Duration::from_secs(2);

/// What all connections of a port share.
#[derive(Debug)]
pub struct Port {
    /// Which requests become WebSockets.
    pub policy: Policy,
    /// What the others get.
    pub page: Option<Page>,
}

/// Serves a socket whose TLS handshake, if it has one, is done. `place` is given back at its end.
pub async fn serve<S, M>(
    mut socket: S,
    from: IpAddr,
    hub: Arc<Hub<M>>,
    port: Arc<Port>,
    place: Place,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    M: Manager,
{
    let Some(rest) = open(&mut socket, from, &hub, &port).await else { return };
    hub.metrics().accepted.inc();
    let socket = Socket::new(socket, rest, CLIENT_FRAME);
    // A task keeps the size of the largest thing that it ever awaits, so the long part has its own.
    tokio::spawn(Connection::new(socket, hub, Some(place)));
}

/// Answers the request; `Some` if it is a WebSocket from now on.
async fn open<S, M>(socket: &mut S, from: IpAddr, hub: &Hub<M>, port: &Port) -> Option<Rest>
where
    S: AsyncRead + AsyncWrite + Unpin,
    M: Manager,
{
    let admission = hub.admission(from);
    match upgrade(socket, &port.policy, admission, port.page.as_ref()).await {
        Ok(Some(rest)) => return Some(rest),
        Ok(None) => {
            let why = match admission {
                Admission::Open => "http",
                Admission::Full => "full",
                Admission::Draining => "draining",
                Admission::TooOften => "address",
            };
            count(&hub.metrics().refused, why);
            // Closing while bytes of the client are unread would reset the connection, and the answer
            // might be lost on its way.
            let _ = tokio::time::timeout(GOODBYE, hang_up(socket)).await;
        }
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            count(&hub.metrics().refused, "slow_request");
        }
        Err(_) => count(&hub.metrics().refused, "lost"),
    }
    None
}

async fn hang_up<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut S) -> io::Result<()> {
    socket.shutdown().await?;
    let mut unread = [0; 1024];
    while socket.read(&mut unread).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests;
