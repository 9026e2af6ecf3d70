//! Accepting TLS connections: handshakes run side by side, in bounded number and time.

use std::{collections::VecDeque, fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{Stream, stream};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::ServerStream;

/// How long to wait after an accept failed. What fails is mostly the limit of open files, and only
/// connections that end help.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// Limits of handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshakes {
    /// A handshake that takes longer is given up.
    pub timeout: Duration,
    /// Most handshakes at a time. When full, those older than `patience` make room for new ones, oldest
    /// first; while all are younger, new connections wait in the kernel's backlog. So a thousand silent
    /// connections keep nobody out for longer than `patience`, and a storm of honest ones is not thrown
    /// away half done.
    pub concurrent: usize,
    /// An honest handshake is done after this, unless the machine is very busy.
    pub patience: Duration,
}

/// 1,024 at a time: about 30 MB, and at 10,000 handshakes per second and core a tenth of a second's work.
impl Default for Handshakes {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { timeout: seconds(10), concurrent: 1024, patience: seconds(1) }
    }
}

/// What a listener makes of a socket.
pub trait Handshake: Sized + Send + 'static {
    /// Shakes hands with the client.
    fn shake(
        socket: TcpStream,
        config: Arc<ServerConfig>,
    ) -> impl Future<Output = io::Result<Self>> + Send;
}

/// For ports with few connections, and for libraries that know the type.
impl Handshake for TlsStream<TcpStream> {
    async fn shake(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        TlsAcceptor::from(config).accept(socket).await
    }
}

/// For ports with many connections that are idle.
impl Handshake for ServerStream<TcpStream> {
    async fn shake(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        Self::accept(socket, config).await
    }
}

/// Which addresses are worth a handshake.
struct Only(Box<dyn Fn(SocketAddr) -> bool + Send + Sync>);

impl fmt::Debug for Only {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Only(_)")
    }
}

/// A listener whose connections have their handshake behind them.
///
/// [`TlsListener::accept`] for loops, [`TlsListener::into_stream`] for tonic's `serve_with_incoming`, and
/// it is a listener for `axum::serve`.
#[derive(Debug)]
pub struct TlsListener<T: 'static = TlsStream<TcpStream>> {
    listener: TcpListener,
    config: Arc<ServerConfig>,
    limits: Handshakes,
    only: Option<Only>,
    running: JoinSet<Option<(T, SocketAddr)>>,
    /// Oldest first. Finished ones may linger in the middle, but not when it counts as full.
    started: VecDeque<(Instant, AbortHandle)>,
}

impl TlsListener {
    /// Accepts on `listener`; the connections are tokio-rustls'.
    pub fn new(listener: TcpListener, config: Arc<ServerConfig>, limits: Handshakes) -> Self {
        Self::with(listener, config, limits)
    }
}

impl TlsListener<ServerStream<TcpStream>> {
    /// Accepts on `listener`; the connections are [`ServerStream`]s.
    pub fn lean(listener: TcpListener, config: Arc<ServerConfig>, limits: Handshakes) -> Self {
        Self::with(listener, config, limits)
    }
}

impl<T: Handshake> TlsListener<T> {
    fn with(listener: TcpListener, config: Arc<ServerConfig>, limits: Handshakes) -> Self {
        let (running, started) = (JoinSet::new(), VecDeque::new());
        Self { listener, config, limits, only: None, running, started }
    }

    /// Shakes hands only with those for whose addresses `only` says so when they are accepted. The sockets of
    /// others are closed at once, which costs next to nothing.
    pub fn only(mut self, only: impl Fn(SocketAddr) -> bool + Send + Sync + 'static) -> Self {
        self.only = Some(Only(Box::new(only)));
        self
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next connection, with TCP_NODELAY set. Failures of single connections are logged and passed
    /// over. Cancelling loses nothing.
    pub async fn accept(&mut self) -> (T, SocketAddr) {
        loop {
            self.forget_finished();
            let full = self.started.len() >= self.limits.concurrent;
            let impatient = self.started.front().map_or_else(Instant::now, |oldest| oldest.0)
                + self.limits.patience;
            tokio::select! {
                Some(done) = self.running.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
                accepted = self.listener.accept(), if !full => match accepted {
                    Ok((_, from)) if self.only.as_ref().is_some_and(|only| !only.0(from)) => {}
                    Ok((stream, from)) => self.begin(stream, from),
                    Err(error) => {
                        tracing::warn!(%error, "accepting a connection failed");
                        sleep(PAUSE_AFTER_ERROR).await;
                    }
                },
                () = sleep_until(impatient), if full => self.drop_oldest(),
            }
        }
    }

    /// The connections as a stream that does not end; drop it to stop listening.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<T>> + Send {
        stream::unfold(self, async |mut listener| {
            let (connection, _) = listener.accept().await;
            Some((Ok(connection), listener))
        })
    }

    fn begin(&mut self, stream: TcpStream, from: SocketAddr) {
        let (config, limit) = (self.config.clone(), self.limits.timeout);
        let task = self.running.spawn(async move {
            // Fails only on a connection that is already gone, which the handshake will find.
            let _ = stream.set_nodelay(true);
            match timeout(limit, T::shake(stream, config)).await {
                Ok(Ok(connection)) => Some((connection, from)),
                Ok(Err(error)) => {
                    tracing::debug!(%from, %error, "a TLS handshake failed");
                    None
                }
                Err(_) => {
                    tracing::debug!(%from, "a TLS handshake took too long");
                    None
                }
            }
        });
        self.started.push_back((Instant::now(), task));
    }

    fn forget_finished(&mut self) {
        while self.started.front().is_some_and(|(_, task)| task.is_finished()) {
            self.started.pop_front();
        }
        if self.started.len() >= self.limits.concurrent {
            self.started.retain(|(_, task)| !task.is_finished());
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, task)) = self.started.pop_front() {
            task.abort();
            tracing::debug!("too many TLS handshakes at a time: the oldest was dropped");
        }
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        Self::accept(self).await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}
