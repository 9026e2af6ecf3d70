//! The client port: sockets come in, each becomes a task.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use chatcluster_manager::Manager;
use chatcluster_runtime::tls::{Handshakes, TlsListener};
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::{
    connection::{Port, serve},
    hub::Hub,
    metrics::count,
};

/// Connections that the kernel holds until they are accepted. A whole fleet's clients come back within
/// seconds when a gateway dies.
const BACKLOG: i32 = 4096;

/// How long to wait after an accept failed: mostly for files, of which only ending connections free some.
const PAUSE: Duration = Duration::from_millis(100);

/// Opens a port to listen on.
///
/// # Errors
/// When the address is taken, or not ours.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A gateway that starts again takes its port also while old connections linger.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts clients until `stop`. Over the most connections, or while the gateway drains, they get an
/// answer that says so. So do those from an address that connects too often, until it has had too many answers.
pub async fn accept<M: Manager>(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    hub: Arc<Hub<M>>,
    port: Port,
    stop: CancellationToken,
) {
    let port = Arc::new(port);
    match tls {
        Some(config) => {
            // Handshakes are bounded in number and time there; until they are done, a socket has no
            // place here, so that a thousand silent ones keep nobody out.
            let door = hub.clone();
            let mut listener = TlsListener::lean(listener, config, Handshakes::default())
                .only(move |from| door.hears(from.ip()));
            while let Some((socket, from)) = stop.run_until_cancelled(listener.accept()).await {
                admit(socket, from.ip(), &hub, &port);
            }
        }
        None => {
            while let Some((socket, from)) = stop.run_until_cancelled(next(&listener)).await {
                if hub.hears(from) {
                    admit(socket, from, &hub, &port);
                }
            }
        }
    }
}

fn admit<S, M>(socket: S, from: IpAddr, hub: &Arc<Hub<M>>, port: &Arc<Port>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    M: Manager,
{
    if hub.is_flooded() {
        count(&hub.metrics().refused, "flooded");
        return;
    }
    tokio::spawn(serve(socket, from, hub.clone(), port.clone(), hub.place()));
}

async fn next(listener: &TcpListener) -> (TcpStream, IpAddr) {
    loop {
        match listener.accept().await {
            Ok((socket, from)) => {
                // Fails only on a connection that is already gone, which its reader will find.
                let _ = socket.set_nodelay(true);
                return (socket, from.ip());
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
