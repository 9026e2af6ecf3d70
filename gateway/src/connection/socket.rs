//! A connection's WebSocket: messages in, messages out, pings and pongs. What they are for is not its
//! business.

use std::{
    io,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, Utf8Bytes, protocol::frame::coding::Data},
};

use super::{Cause, Outgoing};

/// A WebSocket. tungstenite reads it, [`Outgoing`] writes it.
#[derive(Debug)]
pub struct Socket<S> {
    pub(super) stream: WebSocketStream<Outgoing<S>>,
}

/// What came from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A text message, whole.
    Text(Utf8Bytes),
    /// A binary message, whole.
    Binary(Bytes),
    /// A ping, which has its pong already, or a pong.
    Heartbeat,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// The next message, or why there is none any more.
    ///
    /// # Errors
    /// When the connection ends.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, Cause>> {
        Poll::Ready(match ready!(self.stream.poll_next_unpin(cx)) {
            Some(Ok(Message::Text(text))) => Ok(Received::Text(text)),
            Some(Ok(Message::Binary(bytes))) => Ok(Received::Binary(bytes)),
            Some(Ok(Message::Close(_))) => Err(Cause::Client),
            Some(Ok(_)) => Ok(Received::Heartbeat),
            Some(Err(error)) => Err(Cause::of(&error)),
            None => Err(Cause::Lost),
        })
    }

    /// Writes messages until none is left or the socket is full. `Ready` when all of them are with the
    /// socket, and flushed.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        messages: &mut impl Iterator<Item = (Data, Bytes)>,
    ) -> Poll<io::Result<()>> {
        self.stream.get_mut().poll_send(cx, messages)
    }

    /// Asks the client for a pong. It goes behind the messages; a full socket keeps it in the backlog.
    pub(super) fn ping(&mut self, cx: &mut Context<'_>) -> Result<(), tungstenite::Error> {
        self.stream.start_send_unpin(Message::Ping(Bytes::new()))?;
        match self.stream.poll_flush_unpin(cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }

    /// Bytes that the socket has not taken yet.
    pub(super) fn backlog(&self) -> usize {
        self.stream.get_ref().backlog()
    }
}
