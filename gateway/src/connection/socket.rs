//! A connection's WebSocket: messages in, messages out, pings and pongs. What they are for is not its
//! business.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::{
    self, Message, Utf8Bytes,
    protocol::{CloseFrame, frame::coding::Data},
};

use super::{
    Cause, Outgoing,
    reading::{Ahead, Reading},
};

/// A WebSocket. tungstenite reads it, [`Outgoing`] writes it.
#[derive(Debug)]
pub struct Socket<S> {
    out: Outgoing<S>,
    /// Largest message.
    limit: usize,
    /// Only while something comes in, or the connection is being closed.
    reading: Option<Box<Reading>>,
}

/// What came from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A text message, whole.
    Text(Utf8Bytes),
    /// A binary message, whole.
    Binary(Bytes),
    /// A ping, which has its pong already.
    Ping,
    /// A pong.
    Pong,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// A socket that is a WebSocket from now on, behind whose request `rest` has come already. Messages
    /// may have up to `limit` bytes, in one frame or several.
    pub fn new(socket: S, rest: Vec<u8>, limit: usize) -> Self {
        let reading = (!rest.is_empty()).then(|| Box::new(Reading::new(Ahead::new(rest), limit)));
        Self { out: Outgoing::new(socket), limit, reading }
    }

    /// The next message, or why there is none any more.
    ///
    /// # Errors
    /// When the connection ends.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, Cause>> {
        let reading = match &mut self.reading {
            Some(reading) => reading,
            None => {
                let mut ahead = Ahead::default();
                let filled = ready!(ahead.poll_fill(cx, &mut self.out));
                if filled.is_err() || ahead.is_empty() {
                    return Poll::Ready(Err(Cause::Lost));
                }
                self.reading.insert(Box::new(Reading::new(ahead, self.limit)))
            }
        };
        let Poll::Ready(message) = reading.poll_next(cx, &mut self.out) else {
            if reading.is_over() {
                self.reading = None;
            }
            return Poll::Pending;
        };
        Poll::Ready(match message {
            Ok(Message::Text(text)) => Ok(Received::Text(text)),
            Ok(Message::Binary(bytes)) => Ok(Received::Binary(bytes)),
            Ok(Message::Close(_)) => Err(Cause::Client),
            Ok(Message::Pong(_)) => Ok(Received::Pong),
            Ok(_) => Ok(Received::Ping),
            Err(error) => Err(Cause::of(&error)),
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
        self.out.poll_send(cx, messages)
    }

    /// Asks the client for a pong. It goes behind the messages; a full socket keeps it in the backlog.
    pub(super) fn ping(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.out.ping();
        match Pin::new(&mut self.out).poll_flush(cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }

    /// Bytes that the socket has not taken yet.
    pub(super) fn backlog(&self) -> usize {
        self.out.backlog()
    }

    /// Queues a close frame behind the messages. Errors show when it is flushed.
    pub(super) fn close(&mut self, cx: &mut Context<'_>, frame: CloseFrame) {
        let limit = self.limit;
        let new = || Box::new(Reading::new(Ahead::default(), limit));
        let reading = self.reading.get_or_insert_with(new);
        let _ = reading.poll_close(cx, &mut self.out, Some(frame));
    }

    /// `Ready` when everything is with the socket, the answer to a client's close among it.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(reading) = &mut self.reading {
            match ready!(reading.poll_close(cx, &mut self.out, None)) {
                Ok(()) | Err(tungstenite::Error::ConnectionClosed) => {}
                Err(error) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        Pin::new(&mut self.out).poll_flush(cx)
    }

    /// Says that nothing more is written.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.out).poll_shutdown(cx)
    }

    /// Reads and forgets whatever comes. `Ready` at the end of the socket.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut unread = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut unread);
            let read = Pin::new(&mut self.out).poll_read(cx, &mut buffer);
            if ready!(read).is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A masked frame with a short payload; the mask is 0.
    fn frame(first: u8, payload: &str) -> Vec<u8> {
        let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(payload.as_bytes());
        frame
    }

    #[tokio::test]
    async fn messages_in_pieces_come_whole_and_leave_nothing_behind() {
        let frames = [
            frame(0x01, "one "),
            frame(0x89, "ping"),
            frame(0x80, "message"),
            frame(0x81, "another"),
        ];
        let wire = frames.concat();
        for step in 1..=wire.len() {
            let (mut client, near) = tokio::io::duplex(1000);
            let mut socket = Socket::new(near, Vec::new(), 1000);
            let mut received = Vec::new();
            for piece in wire.chunks(step) {
                client.write_all(piece).await.unwrap();
                while let Poll::Ready(message) = poll!(poll_fn(|cx| socket.poll_next(cx))) {
                    received.push(message.unwrap());
                }
            }
            let text = |text: &'static str| Received::Text(Utf8Bytes::from_static(text));
            assert_eq!(received, [Received::Ping, text("one message"), text("another")]);
            assert!(socket.reading.is_none(), "{step}");
            assert_eq!(socket.backlog(), 0);
            let mut pong = [0; 6];
            client.read_exact(&mut pong).await.unwrap();
            assert_eq!(&pong, b"\x8a\x04ping");
        }
    }

    #[tokio::test]
    async fn a_close_is_answered_also_by_a_socket_that_was_idle() {
        let (mut client, near) = tokio::io::duplex(1000);
        let mut socket = Socket::new(near, Vec::new(), 1000);
        client.write_all(&frame(0x88, "")).await.unwrap();
        assert_eq!(poll_fn(|cx| socket.poll_next(cx)).await, Err(Cause::Client));
        poll_fn(|cx| socket.poll_flush(cx)).await.unwrap();
        let mut answer = [0; 2];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, [0x88, 0]);
    }
}
