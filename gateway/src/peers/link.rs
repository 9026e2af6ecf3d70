//! One link to a peer: opened when there is something to send, opened again after it broke, ended when
//! it is idle or its peer is another incarnation by now.

use std::{
    io,
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::BytesMut;
use chatcluster_protocol::peer::{PeerFrame, PeerHello, PeerKind, VERSION, decode, encode};
use chatcluster_runtime::tls::RoleConnector;
use gateway_core::Gateway;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{PeerEvents, outgoing::Links, queue::Queue};
use crate::metrics::{Counted, Metrics};

/// How long connecting may take, until the peer's welcome.
const OPEN_WITHIN: Duration = Duration::from_secs(3);

/// A link without traffic ends after this; keeping it saves a handshake, and costs some 40 KB.
const IDLE: Duration = Duration::from_secs(60);

/// First and longest wait before a link that broke is opened again; the real one is a random part of
/// it, so that a fleet does not fall upon a gateway that comes back.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A buffer that grew beyond this in a burst is given back; small batches reuse theirs.
const KEPT: usize = 256 * 1024;

/// A link and its queue.
pub(super) struct Link {
    pub(super) to: Gateway,
    pub(super) events: Weak<dyn PeerEvents>,
    pub(super) connector: RoleConnector,
    pub(super) metrics: Metrics,
    pub(super) queue: Arc<Queue>,
    pub(super) links: Arc<Links>,
    /// Cancelled when the core has given the link up.
    pub(super) dropped: CancellationToken,
}

/// How a link that was open ended.
enum End {
    /// Nothing was sent for a while. Outcomes come within seconds, or the core drops the link.
    Idle,
    /// The peer is another incarnation.
    Gone,
    /// Anything else.
    Lost(io::Error),
}

impl Link {
    /// Keeps the link until it is idle, given up, or of no more use.
    pub(super) async fn run(self) {
        let dropped = self.dropped.clone();
        dropped.run_until_cancelled_owned(self.keep()).await;
    }

    async fn keep(mut self) {
        let mut backoff = BACKOFF.0;
        loop {
            let mut frames = BytesMut::new();
            if timeout(IDLE, self.queue.take(&mut frames)).await.is_err() {
                if self.links.end(self.to.incarnation, &self.queue) {
                    return;
                }
                continue;
            }
            let end = self.open_and_use(frames, &mut backoff).await;
            let Some(events) = self.events.upgrade() else { return };
            match end {
                End::Idle => {
                    if self.links.end(self.to.incarnation, &self.queue) {
                        return;
                    }
                }
                End::Gone => {
                    self.links.forget(self.to.incarnation, &self.queue);
                    events.gateway_gone(self.to.incarnation);
                    return;
                }
                End::Lost(error) => {
                    let Gateway { host, port, .. } = &self.to;
                    tracing::info!(%host, port, %error, "the link to a peer is lost");
                    self.queue.clear();
                    events.link_lost(self.to.incarnation);
                    drop(events);
                    let wait = rand::random_range(backoff / 2..=backoff);
                    tokio::time::sleep(wait).await;
                    backoff = (backoff * 2).min(BACKOFF.1);
                }
            }
        }
    }

    async fn open_and_use(&mut self, frames: BytesMut, backoff: &mut Duration) -> End {
        let mut stream = match timeout(OPEN_WITHIN, self.open()).await {
            Ok(Ok(Some(stream))) => stream,
            Ok(Ok(None)) => return End::Gone,
            Ok(Err(error)) => return End::Lost(error),
            Err(_) => return End::Lost(io::ErrorKind::TimedOut.into()),
        };
        *backoff = BACKOFF.0;
        let open = Counted::new(&self.metrics.peer_links);
        let end = self.exchange(&mut stream, frames).await;
        drop(open);
        // It may be broken already; then there is nobody to say goodbye to.
        let _ = timeout(Duration::from_secs(1), stream.shutdown()).await;
        end
    }

    /// Connects and says hello. `None` when the peer is another incarnation.
    async fn open(&self) -> io::Result<Option<tokio_rustls::client::TlsStream<TcpStream>>> {
        let stream = TcpStream::connect((&*self.to.host, self.to.port)).await?;
        let mut stream = self.connector.connect(stream).await?;
        let from = self.events.upgrade().ok_or(io::ErrorKind::Interrupted)?.incarnation();
        let wanted = self.to.incarnation;
        let hello =
            PeerHello { version: VERSION, from: from.to_string(), wanted: wanted.to_string() };
        let mut buffer = BytesMut::new();
        put(PeerFrame { kind: Some(PeerKind::Hello(hello)) }, &mut buffer)?;
        stream.write_all(&buffer).await?;
        stream.flush().await?;
        buffer.clear();
        loop {
            match read_frame(&mut stream, &mut buffer).await?.kind {
                Some(PeerKind::Welcome(welcome)) => {
                    return Ok((welcome.incarnation == wanted.to_string()).then_some(stream));
                }
                Some(_) => return Err(io::Error::other("the peer did not welcome")),
                None => {}
            }
        }
    }

    /// Sends what queues and takes outcomes, side by side: were one to wait for the other, two full
    /// sockets could wait for each other.
    async fn exchange<S: AsyncRead + AsyncWrite>(&mut self, stream: S, frames: BytesMut) -> End {
        let (mut reader, mut writer) = tokio::io::split(stream);
        tokio::select! {
            end = send(&self.queue, frames, &mut writer) => end.unwrap_or_else(End::Lost),
            error = receive(&mut reader, &self.events) => End::Lost(error),
        }
    }
}

async fn send<W: AsyncWrite + Unpin>(
    queue: &Queue,
    mut frames: BytesMut,
    writer: &mut W,
) -> io::Result<End> {
    loop {
        writer.write_all(&frames).await?;
        writer.flush().await?;
        if frames.capacity() > KEPT {
            frames = BytesMut::new();
        } else {
            frames.clear();
        }
        if timeout(IDLE, queue.take(&mut frames)).await.is_err() {
            return Ok(End::Idle);
        }
    }
}

async fn receive<R: AsyncRead + Unpin>(reader: &mut R, events: &Weak<dyn PeerEvents>) -> io::Error {
    let mut buffer = BytesMut::with_capacity(4096);
    loop {
        match reader.read_buf(&mut buffer).await {
            Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => {}
            Err(error) => return error,
        }
        let Some(events) = events.upgrade() else { return io::ErrorKind::Interrupted.into() };
        loop {
            match decode(&mut buffer) {
                Ok(Some(PeerFrame { kind: Some(PeerKind::Outcomes(outcomes)) })) => {
                    events.outcomes(&outcomes.outcomes);
                }
                Ok(Some(PeerFrame { kind: Some(PeerKind::Evicted(evicted)) })) => {
                    events.evicted(evicted.sequence);
                }
                Ok(Some(_)) => {} // of a newer gateway
                Ok(None) => break,
                Err(error) => return io::Error::other(error),
            }
        }
    }
}

/// Appends a frame to what will be written.
pub(super) fn put(frame: PeerFrame, buffer: &mut BytesMut) -> io::Result<()> {
    encode(&frame, buffer).map_err(io::Error::other)
}

/// Reads one frame.
pub(super) async fn read_frame<R: AsyncRead + Unpin>(
    reader: &mut R,
    buffer: &mut BytesMut,
) -> io::Result<PeerFrame> {
    loop {
        if let Some(frame) = decode(buffer).map_err(io::Error::other)? {
            return Ok(frame);
        }
        if reader.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
