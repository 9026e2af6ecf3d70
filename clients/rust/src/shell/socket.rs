//! An open WebSocket connection that reads and writes at the same time.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{Sink, Stream, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error as WsError, Message, Utf8Bytes,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use crate::event::Cause;

/// Frames that wait for the network. At this many the core is asked for no more.
const QUEUE: usize = 64;

/// How long the last frames and the close handshake may take.
const GOODBYE_WITHIN: Duration = Duration::from_secs(3);

/// TCP, or TLS over it.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// An open connection. Dropping it ends the TCP connection.
pub(crate) struct Socket {
    stream: WebSocketStream<Box<dyn Io>>,
    queue: VecDeque<Message>,
    unflushed: bool,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Incoming {
    Text(Utf8Bytes),
    /// Something else, which only shows that the other side lives.
    Life,
    /// The connection has ended.
    Ended(Cause),
}

impl Socket {
    pub(crate) fn new(stream: WebSocketStream<Box<dyn Io>>) -> Self {
        Self { stream, queue: VecDeque::new(), unflushed: false }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.queue.len() < QUEUE
    }

    /// Queues a frame; [`Socket::next`] writes it.
    pub(crate) fn write(&mut self, text: String) {
        self.queue.push_back(Message::text(text));
    }

    /// Writes what is queued and waits for what comes; with `read` false it only writes. Dropping the
    /// future loses nothing.
    pub(crate) async fn next(&mut self, read: bool) -> Incoming {
        poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = self.poll_write(cx) {
                // The close frame that explains a failed write may still be unread.
                return match Pin::new(&mut self.stream).poll_next(cx) {
                    Poll::Ready(Some(Ok(Message::Close(frame)))) => Poll::Ready(closed(frame)),
                    _ => Poll::Ready(Incoming::Ended(broken(&error))),
                };
            }
            if !read {
                return Poll::Pending;
            }
            Poll::Ready(match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                Some(Ok(Message::Text(text))) => Incoming::Text(text),
                Some(Ok(Message::Close(frame))) => closed(frame),
                Some(Ok(_)) => Incoming::Life,
                Some(Err(error)) => Incoming::Ended(broken(&error)),
                None => Incoming::Ended(Cause::Unreachable("the connection ended".into())),
            })
        })
        .await
    }

    /// Feeds everything that is queued, then flushes once.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        let mut stream = Pin::new(&mut self.stream);
        while !self.queue.is_empty() {
            ready!(stream.as_mut().poll_ready(cx))?;
            if let Some(message) = self.queue.pop_front() {
                stream.as_mut().start_send(message)?;
                self.unflushed = true;
            }
        }
        if self.unflushed {
            ready!(stream.poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what is queued, then closes in good order. The other side processes frames in order, so
    /// its close frame says that it has seen them all.
    pub(crate) async fn goodbye(mut self) {
        let close = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
        self.queue.push_back(Message::Close(Some(close)));
        let orderly = async {
            poll_fn(|cx| self.poll_write(cx)).await?;
            while let Some(Ok(_)) = self.stream.next().await {}
            Ok::<_, WsError>(())
        };
        if let Ok(Err(error)) = timeout(GOODBYE_WITHIN, orderly).await {
            tracing::debug!(%error, "the connection did not end in good order");
        }
    }
}

fn closed(frame: Option<CloseFrame>) -> Incoming {
    // 1005 stands for a close frame without a code (RFC 6455, 7.4.1).
    let (code, reason) = frame.map_or((1005, String::new()), |frame| {
        (frame.code.into(), frame.reason.as_str().to_owned())
    });
    Incoming::Ended(Cause::Closed { code, reason })
}

fn broken(error: &WsError) -> Cause {
    Cause::Unreachable(error.to_string())
}
