//! A connection's socket below tungstenite: frames collect here and leave in one write, and what the
//! client has sent is read at once.
//!
//! tungstenite writes its own control frames through it (pongs, the close), so every frame is whole and
//! in order. An idle connection holds no buffer: frames are put together in
//! a buffer of the thread, and only what the socket does not take at once is kept. tungstenite's own
//! write buffer would instead keep the size of the largest burst for the connection's life.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Data, OpCode},
};

/// The thread's buffer keeps its memory up to this size; what exceeds it is given back.
const SCRATCH_MAX: usize = 256 * 1024;

/// What a socket has is read in pieces of this size. tungstenite alone asks for 128 bytes at a time.
const READ: usize = 4096;

/// Put together about this much before writing: a TLS record is 16 KiB, and more per write gains
/// nothing measurable on a socket either.
const WRITE: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static INCOMING: RefCell<[u8; READ]> = const { RefCell::new([0; READ]) };
}

/// A socket whose writes collect until they are flushed, and which is read ahead of tungstenite.
#[derive(Debug)]
pub struct Outgoing<S> {
    socket: S,
    /// What the socket has not taken yet, from `sent` on. Without capacity when there is nothing.
    left: Vec<u8>,
    sent: usize,
    /// What was read and tungstenite has not taken yet. It takes all before it waits, so an idle
    /// connection has none.
    ahead: Option<Box<Ahead>>,
}

#[derive(Debug)]
struct Ahead {
    bytes: Box<[u8]>,
    taken: usize,
}

impl<S> Outgoing<S> {
    /// The socket.
    pub fn socket(&mut self) -> &mut S {
        &mut self.socket
    }

    /// Around a socket.
    pub fn new(socket: S) -> Self {
        Self { socket, left: Vec::new(), sent: 0, ahead: None }
    }

    /// Bytes that the socket has not taken yet.
    pub fn backlog(&self) -> usize {
        self.left.len() - self.sent
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Outgoing<S> {
    /// Writes text frames until none is left or the socket is full. `Ready` when all of them are
    /// with the socket, and flushed.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        frames: &mut impl Iterator<Item = Bytes>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_rest(cx))?;
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                scratch.clear();
                while scratch.len() < WRITE
                    && let Some(frame) = frames.next()
                {
                    put(&frame, scratch);
                }
                if scratch.is_empty() {
                    return Pin::new(&mut self.socket).poll_flush(cx);
                }
                let written = self.poll_bytes(cx, scratch);
                if scratch.capacity() > SCRATCH_MAX {
                    *scratch = Vec::new();
                }
                ready!(written)?;
            }
        })
    }

    /// Writes `bytes`, keeping what the socket does not take.
    fn poll_bytes(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<()>> {
        let mut done = 0;
        while done < bytes.len() {
            match Pin::new(&mut self.socket).poll_write(cx, &bytes[done..]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => done += n,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.left.extend_from_slice(&bytes[done..]);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.left.len() {
            match ready!(Pin::new(&mut self.socket).poll_write(cx, &self.left[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.sent += n,
            }
        }
        self.left = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }
}

/// A whole text frame. Servers do not mask theirs, so the payload is copied once and as it is.
fn put(frame: &Bytes, buffer: &mut Vec<u8>) {
    let header = FrameHeader { opcode: OpCode::Data(Data::Text), ..FrameHeader::default() };
    // Writing to a Vec cannot fail.
    let _ = header.format(frame.len() as u64, buffer);
    buffer.extend_from_slice(frame);
}

impl<S: AsyncRead + Unpin> Outgoing<S> {
    /// Reads what the socket has, up to [`READ`], and keeps what does not fit.
    fn poll_ahead(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        INCOMING.with_borrow_mut(|incoming| {
            let mut read = ReadBuf::new(incoming);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))?;
            let bytes = read.filled();
            let (now, later) = bytes.split_at(bytes.len().min(buffer.remaining()));
            buffer.put_slice(now);
            if !later.is_empty() {
                self.ahead = Some(Box::new(Ahead { bytes: later.into(), taken: 0 }));
            }
            Poll::Ready(Ok(()))
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Outgoing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(ahead) = &mut self.ahead else { return self.poll_ahead(cx, buffer) };
        let rest = &ahead.bytes[ahead.taken..];
        let now = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..now]);
        ahead.taken += now;
        if ahead.taken == ahead.bytes.len() {
            self.ahead = None;
        }
        Poll::Ready(Ok(()))
    }
}

/// What tungstenite writes: control frames. They queue behind the text frames.
impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Outgoing<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.left.extend_from_slice(bytes);
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
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use futures_util::{SinkExt, StreamExt, future::poll_fn};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio_tungstenite::{
        WebSocketStream,
        tungstenite::{
            Message,
            protocol::{Role, WebSocketConfig},
        },
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
            let mut frames = sent.clone().into_iter();
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
    async fn what_is_read_ahead_is_taken_in_order_and_nothing_is_kept() {
        let sent: Vec<u8> = (0..100_000u32).flat_map(u32::to_be_bytes).collect();
        for piece in [1, 128, READ - 1, 3 * READ] {
            let (mut far, near) = tokio::io::duplex(64 * 1024);
            let mut out = Outgoing::new(near);
            let sending = async {
                far.write_all(&sent).await.unwrap();
                drop(far);
            };
            let taking = async {
                let (mut buffer, mut taken) = (vec![0; piece], Vec::new());
                loop {
                    let read = out.read(&mut buffer).await.unwrap();
                    taken.extend_from_slice(&buffer[..read]);
                    if read == 0 {
                        return taken;
                    }
                }
            };
            let ((), taken) = tokio::join!(sending, taking);
            assert!(taken == sent, "in pieces of {piece}");
            assert!(out.ahead.is_none());
        }
    }

    #[tokio::test]
    async fn frames_that_arrive_together_are_read_together() {
        let (far, near) = tokio::io::duplex(64 * 1024);
        let (near, reads) = Counting::around(near);
        let mut server = WebSocketStream::from_raw_socket(
            Outgoing::new(near),
            Role::Server,
            Some(WebSocketConfig::default().read_buffer_size(128)),
        )
        .await;
        let mut client = client(far).await;
        for i in 0..50 {
            client.feed(Message::text(format!("{i:020}"))).await.unwrap();
        }
        client.flush().await.unwrap();
        for i in 0..50 {
            let text = Message::text(format!("{i:020}"));
            assert_eq!(server.next().await.unwrap().unwrap(), text);
        }
        assert!(futures_util::poll!(server.next()).is_pending());
        assert_eq!(reads.load(Ordering::Relaxed), 2, "all of them, and then nothing");
        assert!(server.get_ref().ahead.is_none());
    }

    /// Counts how often it is read.
    struct Counting(DuplexStream, Arc<AtomicUsize>);

    impl Counting {
        fn around(stream: DuplexStream) -> (Self, Arc<AtomicUsize>) {
            let reads = Arc::<AtomicUsize>::default();
            (Self(stream, reads.clone()), reads)
        }
    }

    impl AsyncRead for Counting {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.0).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for Counting {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, bytes)
        }
        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }
        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    #[tokio::test]
    async fn a_full_socket_takes_no_more_frames_from_the_queue() {
        let (mut far, near) = tokio::io::duplex(1024);
        let mut out = Outgoing::new(near);
        let mut frames = texts(1000, 1000).into_iter();
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
