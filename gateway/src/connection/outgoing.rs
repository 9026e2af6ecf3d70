//! The writing half of a connection's socket: frames collect here and leave in one write.
//!
//! It lies below tungstenite, which writes its own control frames through it (pongs, the close), so
//! every frame is whole and in order. An idle connection holds no buffer: frames are put together in
//! a buffer of the thread, and only what the socket does not take at once is kept. tungstenite's own
//! write buffer would instead keep the size of the largest burst for the connection's life.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use chatcluster_runtime::Backlog;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// The thread's buffer keeps its memory up to this size; what exceeds it is given back.
const SCRATCH_MAX: usize = 256 * 1024;

/// Put together about this much before writing: a TLS record is 16 KiB, and more per write gains
/// nothing measurable on a socket either.
const WRITE: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A socket whose writes collect until they are flushed.
#[derive(Debug)]
pub struct Outgoing<S> {
    socket: S,
    /// What the socket has not taken yet.
    left: Backlog,
}

impl<S> Outgoing<S> {
    /// Around a socket.
    pub fn new(socket: S) -> Self {
        Self { socket, left: Backlog::default() }
    }

    /// Queues a ping, behind what is here already.
    pub(super) fn ping(&mut self) {
        let mut frame = Vec::new();
        put(OpCode::Control(Control::Ping), &Bytes::new(), &mut frame);
        self.left.push(&frame);
    }

    /// Bytes that the socket has not taken yet.
    pub fn backlog(&self) -> usize {
        self.left.bytes().len()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Outgoing<S> {
    /// Writes messages, each as one frame, until none is left or the socket is full. `Ready` when all
    /// of them are with the socket, and flushed.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        frames: &mut impl Iterator<Item = (Data, Bytes)>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_rest(cx))?;
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                scratch.clear();
                while scratch.len() < WRITE
                    && let Some((kind, payload)) = frames.next()
                {
                    put(OpCode::Data(kind), &payload, scratch);
                }
                if scratch.is_empty() {
                    return Pin::new(&mut self.socket).poll_flush(cx);
                }
                let written = self.left.poll_write_or_keep(cx, &mut self.socket, scratch);
                if scratch.capacity() > SCRATCH_MAX {
                    *scratch = Vec::new();
                }
                ready!(written)?;
            }
        })
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.left.poll_write(cx, &mut self.socket)
    }
}

/// A whole frame. Servers do not mask theirs, so the payload is copied once and as it is.
fn put(opcode: OpCode, payload: &Bytes, buffer: &mut Vec<u8>) {
    let header = FrameHeader { opcode, ..FrameHeader::default() };
    // Writing to a Vec cannot fail.
    let _ = header.format(payload.len() as u64, buffer);
    buffer.extend_from_slice(payload);
}

impl<S: AsyncRead + Unpin> AsyncRead for Outgoing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

/// What tungstenite writes: control frames. They queue behind the messages.
impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Outgoing<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.left.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_rest(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_rest(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, future::poll_fn};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio_tungstenite::{
        WebSocketStream,
        tungstenite::{Message, protocol::Role},
    };

    use super::*;

    fn texts(n: usize, size: usize) -> Vec<Bytes> {
        (0..n).map(|i| format!("{i:06}{}", "x".repeat(size)).into()).collect()
    }

    async fn client(end: DuplexStream) -> WebSocketStream<DuplexStream> {
        WebSocketStream::from_raw_socket(end, Role::Client, None).await
    }

    #[tokio::test]
    async fn frames_arrive_whole_and_in_order_however_little_the_socket_takes() {
        for pipe in [64, 1000, 1 << 20] {
            let (far, near) = tokio::io::duplex(pipe);
            let sent = texts(300, 700);
            let mut frames = sent.clone().into_iter().map(|text| (Data::Text, text));
            let mut out = Outgoing::new(near);
            let writing = async {
                poll_fn(|cx| out.poll_send(cx, &mut frames)).await.unwrap();
                // A control frame of tungstenite, behind them.
                out.write_all(&[0x89, 0]).await.unwrap();
                out.flush().await.unwrap();
                assert_eq!((out.backlog(), out.left.capacity()), (0, 0));
            };
            let reading = async {
                let mut client = client(far).await;
                for text in &sent {
                    let text = Message::Text(text.clone().try_into().unwrap());
                    assert_eq!(client.next().await.unwrap().unwrap(), text);
                }
                assert!(client.next().await.unwrap().unwrap().is_ping());
            };
            tokio::join!(writing, reading);
        }
    }

    #[tokio::test]
    async fn a_full_socket_takes_no_more_frames_from_the_queue() {
        let (mut far, near) = tokio::io::duplex(1024);
        let mut out = Outgoing::new(near);
        let mut frames = texts(1000, 1000).into_iter().map(|text| (Data::Text, text));
        for _ in 0..10 {
            assert!(futures_util::poll!(poll_fn(|cx| out.poll_send(cx, &mut frames))).is_pending());
        }
        // One write's worth was taken; everything else waits where its bound is.
        assert!(out.backlog() < WRITE + 2000, "{}", out.backlog());
        assert!(frames.len() > 900);
        let mut byte = [0; 512];
        far.read_exact(&mut byte).await.unwrap();
    }
}
