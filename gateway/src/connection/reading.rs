//! What a connection holds while its client is saying something: tungstenite's state, its buffer, and
//! what has been read ahead for it. Between two messages none of it is worth anything, so an idle
//! connection has none.

use std::{
    cell::RefCell,
    io::{self, Cursor, Read, Write},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::{
    self, Message,
    protocol::{
        CloseFrame, Role, WebSocketConfig, WebSocketContext,
        frame::{FrameHeader, coding::OpCode},
    },
};

use super::Outgoing;

/// Bytes of one read: dozens of frames of a client that pipelines, or one TLS record.
const READ: usize = 16 * 1024;

/// tungstenite's buffer. It grows to a frame's size.
const BUFFER: usize = 1024;

/// tungstenite writes nothing but control frames, and those at once.
const WRITE_BUFFER: usize = 4096;

/// The longest header of a frame (RFC 6455, section 5.2).
const HEAD: usize = 14;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

/// A message, or several, on the way in.
#[derive(Debug)]
pub(super) struct Reading {
    context: WebSocketContext,
    ahead: Ahead,
}

impl Reading {
    /// From what has come already; messages may have up to `limit` bytes.
    pub(super) fn new(ahead: Ahead, limit: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_BUFFER)
            .max_frame_size(Some(limit))
            .max_message_size(Some(limit));
        Self { context: WebSocketContext::new(Role::Server, Some(config)), ahead }
    }

    /// The next message. Pongs and the answer to a close go to `out`.
    pub(super) fn poll_next<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Outgoing<S>,
    ) -> Poll<tungstenite::Result<Message>> {
        let Self { context, ahead } = self;
        pending(context.read(&mut Blocking { out, ahead, cx }))
    }

    /// Writes a close frame, or what the client's close is to be answered with, and flushes.
    pub(super) fn poll_close<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Outgoing<S>,
        frame: Option<CloseFrame>,
    ) -> Poll<tungstenite::Result<()>> {
        let Self { context, ahead } = self;
        let mut stream = Blocking { out, ahead, cx };
        pending(match frame {
            Some(frame) => context.close(&mut stream, Some(frame)),
            None => context.flush(&mut stream),
        })
    }

    /// Nothing of it is needed any more: every message is whole and taken, and no close has come or
    /// gone. Asked after [`Self::poll_next`] was pending, so whatever it had to write is in the backlog.
    pub(super) fn is_over(&self) -> bool {
        self.context.can_write() && self.ahead.is_empty() && self.ahead.frames.is_between()
    }
}

fn pending<T>(result: tungstenite::Result<T>) -> Poll<tungstenite::Result<T>> {
    match result {
        Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
            Poll::Pending
        }
        result => Poll::Ready(result),
    }
}

/// Bytes that were read and that tungstenite has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    bytes: Vec<u8>,
    taken: usize,
    frames: Frames,
}

impl Ahead {
    /// These bytes.
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// Nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.taken == self.bytes.len()
    }

    /// Reads once. Still empty at the end of the socket.
    pub(super) fn poll_fill<S: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut S,
    ) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut read = ReadBuf::new(scratch);
            ready!(Pin::new(socket).poll_read(cx, &mut read))?;
            self.bytes.clear();
            self.bytes.extend_from_slice(read.filled());
            self.taken = 0;
            Poll::Ready(Ok(()))
        })
    }

    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let left = &self.bytes[self.taken..];
        let length = left.len().min(buffer.len());
        buffer[..length].copy_from_slice(&left[..length]);
        self.frames.pass(&left[..length]);
        self.taken += length;
        length
    }
}

/// Where one frame ends and the next begins, in what tungstenite has taken.
#[derive(Debug, Default)]
struct Frames {
    /// The beginning of a header.
    head: [u8; HEAD],
    headed: usize,
    /// Bytes of the payload that are still to come.
    payload: u64,
    /// A message goes on in the next frame.
    unfinished: bool,
    /// This is no frame, as tungstenite will find.
    broken: bool,
}

impl Frames {
    fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.broken {
            if self.payload > 0 {
                let passed = bytes.len().min(usize::try_from(self.payload).unwrap_or(usize::MAX));
                self.payload -= passed as u64;
                bytes = &bytes[passed..];
                continue;
            }
            let more = bytes.len().min(self.head.len() - self.headed);
            let length = self.headed + more;
            self.head[self.headed..length].copy_from_slice(&bytes[..more]);
            let mut cursor = Cursor::new(&self.head[..length]);
            match FrameHeader::parse(&mut cursor) {
                Ok(Some((header, payload))) => {
                    bytes = &bytes[cursor.position() as usize - self.headed..];
                    (self.headed, self.payload) = (0, payload);
                    if matches!(header.opcode, OpCode::Data(_)) {
                        self.unfinished = !header.is_final;
                    }
                }
                Ok(None) => {
                    self.headed = length;
                    bytes = &bytes[more..];
                }
                Err(_) => self.broken = true,
            }
        }
    }

    fn is_between(&self) -> bool {
        self.headed == 0 && self.payload == 0 && !self.unfinished && !self.broken
    }
}

/// A socket as tungstenite wants it: one that blocks, except that it says `WouldBlock`.
struct Blocking<'a, 'b, S> {
    out: &'a mut Outgoing<S>,
    ahead: &'a mut Ahead,
    cx: &'a mut Context<'b>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Read for Blocking<'_, '_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ahead.is_empty() {
            blocking(self.ahead.poll_fill(self.cx, self.out))?;
        }
        Ok(self.ahead.take(buffer))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Write for Blocking<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        blocking(Pin::new(&mut *self.out).poll_write(self.cx, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        blocking(Pin::new(&mut *self.out).poll_flush(self.cx))
    }
}

fn blocking<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_message_is_seen_wherever_it_is_cut() {
        let (ping, long) = ([0x89, 0x80, 1, 2, 3, 4], [0x81, 0xfe, 1, 0, 1, 2, 3, 4]);
        // A message in two frames with a ping between them, then one of 256 bytes.
        let mut wire = vec![0x01, 0x83, 1, 2, 3, 4, b'a', b'b', b'c'];
        wire.extend(ping);
        wire.extend([0x80, 0x81, 1, 2, 3, 4, b'd']);
        let first = wire.len();
        wire.extend(long);
        wire.extend([0; 256]);
        for step in 1..=wire.len() {
            let mut frames = Frames::default();
            let mut passed = 0;
            for piece in wire.chunks(step) {
                frames.pass(piece);
                passed += piece.len();
                let ends = [first, wire.len()].contains(&passed);
                assert_eq!(frames.is_between(), ends, "{step}: {passed}");
            }
        }
    }
}
