//! A WebSocket client that costs little: thousands of them run beside the server that is measured.

use std::{ops::Range, sync::Arc};

use anyhow::{Context, bail, ensure};
use bytes::{Buf, BytesMut};
use chatcluster_protocol::SUBPROTOCOL;
use futures_util::{StreamExt, TryStreamExt, stream};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::TlsConnector;

/// Connections from one source address: beyond this the kernel searches long for a free port.
pub(crate) const PER_ADDRESS: usize = 2000;
/// Room for what a read brings: a few frames.
const READ: usize = 4096;
/// Connections being opened at the same time.
const OPENING: usize = 64;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// One connection, after the upgrade.
pub(crate) struct WebSocket {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
}

/// Opens connections, [`OPENING`] at the same time.
pub(crate) async fn open_all<C>(
    indexes: Range<usize>,
    connect: impl AsyncFn(usize) -> anyhow::Result<C>,
) -> anyhow::Result<Vec<C>> {
    let opening = stream::iter(indexes).map(async |index| connect(index).await);
    opening.buffer_unordered(OPENING).try_collect().await
}

/// Connects from one of the addresses of loopback, the `index`-th connection of a run.
pub(crate) async fn connect(port: u16, index: usize) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let source = u8::try_from(1 + index / PER_ADDRESS)?;
    socket.bind(([127, 0, 1, source], 0).into())?;
    let stream = socket.connect(([127, 0, 0, 1], port).into()).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// [`connect`], and over TLS if there is a configuration.
pub(crate) async fn secured(
    port: u16,
    index: usize,
    tls: Option<&Arc<ClientConfig>>,
) -> anyhow::Result<Box<dyn Stream>> {
    let stream = connect(port, index).await?;
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from("localhost")?;
    Ok(Box::new(TlsConnector::from(tls.clone()).connect(name, stream).await?))
}

impl WebSocket {
    /// Connects, over TLS if there is a configuration, and upgrades.
    pub(crate) async fn open(
        port: u16,
        index: usize,
        tls: Option<&Arc<ClientConfig>>,
    ) -> anyhow::Result<Self> {
        Self::upgrade(secured(port, index, tls).await?).await
    }

    /// Upgrades a connection.
    pub(crate) async fn upgrade(mut stream: Box<dyn Stream>) -> anyhow::Result<Self> {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut buffer = BytesMut::with_capacity(512);
        let end = loop {
            ensure!(stream.read_buf(&mut buffer).await? > 0, "closed during the upgrade");
            if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break end;
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        ensure!(head.starts_with("HTTP/1.1 101"), "no upgrade: {head}");
        buffer.advance(end + 4);
        Ok(Self { stream, buffer })
    }

    pub(crate) async fn write(&mut self, frames: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(frames).await?;
        self.stream.flush().await.context("flush")
    }

    /// The next text frame. Nothing is lost when this is dropped before it comes.
    pub(crate) async fn text(&mut self) -> anyhow::Result<String> {
        loop {
            if let Some(text) = self.take_text()? {
                return Ok(text);
            }
            // A buffer that is empty goes, so that the client's memory does not grow either.
            if self.buffer.is_empty() {
                self.buffer = BytesMut::new();
            }
            self.buffer.reserve(READ);
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "closed");
        }
    }

    /// The next text frame, if it has been read from the socket.
    pub(crate) fn take_text(&mut self) -> anyhow::Result<Option<String>> {
        while let Some((opcode, payload)) = take_frame(&mut self.buffer)? {
            match opcode {
                1 => return Ok(Some(String::from_utf8(payload.to_vec())?)),
                8 => bail!("closed: {}", String::from_utf8_lossy(&payload)),
                _ => {}
            }
        }
        Ok(None)
    }
}

/// A masked text frame. The mask is 0, which is a mask like any other.
pub(crate) fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        short @ 0..=125 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// Opcode and payload of the first whole frame in the buffer; servers do not mask.
fn take_frame(buffer: &mut BytesMut) -> anyhow::Result<Option<(u8, BytesMut)>> {
    if buffer.len() < 2 {
        return Ok(None);
    }
    let (head, length) = match buffer[1] {
        short @ 0..=125 => (2, usize::from(short)),
        126 if buffer.len() >= 4 => (4, usize::from(u16::from_be_bytes([buffer[2], buffer[3]]))),
        126 => return Ok(None),
        other => bail!("a frame of length {other:#x}"),
    };
    if buffer.len() < head + length {
        return Ok(None);
    }
    let opcode = buffer[0] & 0x0f;
    buffer.advance(head);
    Ok(Some((opcode, buffer.split_to(length))))
}
