//! One connection of a client, from the accepted socket to its end: TLS has been spoken, the upgrade
//! comes first, then one task moves frames between the socket and the session.
//!
//! [`Socket`], [`Cause`] and [`Ending`] are the WebSocket and know no session. `examples/echo.rs` puts
//! an echo on them, which `make conformance` examines.

mod ending;
mod outgoing;
mod pump;
mod socket;

use std::{io, sync::Arc, time::Duration};

use chatcluster_manager::Manager;
use chatcluster_protocol::limits::CLIENT_FRAME;
pub use ending::{Cause, Ending};
use futures_util::FutureExt;
pub use outgoing::Outgoing;
pub use pump::Connection;
pub use socket::{Received, Socket};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::protocol::{Role, WebSocketConfig},
};

use crate::{
    hub::{Hub, Place},
    metrics::count,
    page::Page,
    upgrade::{Admission, Policy, Rest, upgrade},
};

/// tungstenite's read buffer, held by every connection. Measured idle memory over the floor: 1.70 at
/// 128 bytes, 1.89 at 256, 2.75 at 1 KiB. It grows to a frame's size for as long as the frame is read.
const READ_BUFFER: usize = 128;

/// tungstenite writes nothing but control frames, and those at once.
const WRITE_BUFFER: usize = 4096;

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
pub async fn serve<S, M>(mut socket: S, hub: Arc<Hub<M>>, port: Arc<Port>, place: Place)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    M: Manager,
{
    // Boxed, since the task keeps the size of the largest thing that it ever awaits.
    let Some(rest) = Box::pin(open(&mut socket, &hub, &port)).await else { return };
    drop(port);
    hub.metrics().accepted.inc();
    let Some(socket) = websocket(socket, rest, CLIENT_FRAME) else { return };
    Connection::new(socket, hub).await;
    drop(place);
}

/// Answers the request; `Some` if it is a WebSocket from now on.
async fn open<S, M>(socket: &mut S, hub: &Hub<M>, port: &Port) -> Option<Rest>
where
    S: AsyncRead + AsyncWrite + Unpin,
    M: Manager,
{
    let admission = hub.admission();
    match upgrade(socket, &port.policy, admission, port.page.as_ref()).await {
        Ok(Some(rest)) => return Some(rest),
        Ok(None) => {
            let why = match admission {
                Admission::Open => "http",
                Admission::Full => "full",
                Admission::Draining => "draining",
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

/// A socket that is a WebSocket from now on, behind whose request `rest` has come already. Messages may
/// have up to `limit` bytes, in one frame or several.
pub fn websocket<S>(socket: S, rest: Rest, limit: usize) -> Option<Socket<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER)
        .max_frame_size(Some(limit))
        .max_message_size(Some(limit));
    let (socket, role, config) = (Outgoing::new(socket), Role::Server, Some(config));
    // Neither waits for anything; they are async for their own reasons.
    let stream = if rest.is_empty() {
        WebSocketStream::from_raw_socket(socket, role, config).now_or_never()
    } else {
        WebSocketStream::from_partially_read(socket, rest, role, config).now_or_never()
    };
    stream.map(|stream| Socket { stream })
}

#[cfg(test)]
mod tests;
