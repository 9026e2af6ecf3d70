//! The server's end of a TLS connection that holds next to nothing while it is idle.
//!
//! tokio-rustls keeps rustls' buffers for as long as the connection lives. This stream drives rustls'
//! unbuffered connection instead: it reads and encrypts in a buffer of the thread, and keeps only what
//! cannot go on: ciphertext of a record that is not whole yet, plaintext that the reader has not taken,
//! ciphertext that the socket has not taken. Each of them goes when it is empty.

mod records;
mod scratch;

use std::{
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use records::Records;
use rustls::{Error, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Backlog;

/// Ciphertext of one read: a record of the largest size.
const READ: usize = 18 * 1024;

/// Plaintext that one write takes: four full records, which leave in one piece.
const WRITE: usize = 64 * 1024;

/// A TLS connection whose handshake is done. The reader sees the end of the stream only where the client
/// has said so; a socket that ends without is [`io::ErrorKind::UnexpectedEof`].
pub struct ServerStream<S> {
    socket: S,
    // Boxed, since tasks keep a stream in more than one place while they are set up.
    tls: Box<Tls>,
}

struct Tls {
    records: Records,
    /// Decrypted, and not taken by the reader yet: at most one read's worth. Nothing is read meanwhile.
    plain: Backlog,
    /// Encrypted, and not taken by the socket yet: at most one write's worth, and what rustls says on
    /// its own account, which is a few hundred bytes. Nothing is written meanwhile.
    unsent: Backlog,
    /// All of `unsent` is rustls' own, from while nobody wrote: the reader sends it. Otherwise whoever
    /// writes does, for the socket wakes only one of two tasks.
    answering: bool,
    /// What the client has done wrong: nothing more is received or sent.
    failed: Option<Error>,
    /// We have said that nothing follows.
    closed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ServerStream<S> {
    /// Shakes hands with a client. No timeout: the caller's covers it.
    ///
    /// # Errors
    /// When the client breaks the protocol, which it is told by an alert, or the socket fails or ends.
    pub async fn accept(socket: S, config: Arc<ServerConfig>) -> io::Result<Self> {
        let records = Records::new(config).map_err(invalid)?;
        let (plain, unsent) = (Backlog::default(), Backlog::default());
        let (answering, failed, closed) = (false, None, false);
        let tls = Box::new(Tls { records, plain, unsent, answering, failed, closed });
        let mut stream = Self { socket, tls };
        poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            // Also at the end: a client of TLS 1.2 waits for the last of it.
            ready!(self.poll_send(cx))?;
            if !self.tls.records.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_receive(cx, &mut ReadBuf::new(&mut [])))?;
            if let Err(error) = self.check() {
                // The alert. If the socket does not take it now, the client has to do without.
                let _ = self.poll_send(cx);
                return Poll::Ready(Err(error));
            }
            if self.tls.records.is_handshaking() && self.tls.records.peer_closed() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Reads once, and decrypts into `buffer`; what does not fit waits in `plain`.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Tls { records, plain, unsent, answering, failed, .. } = &mut *self.tls;
        let idle = unsent.is_empty();
        let received = scratch::with(|scratch| {
            let held = records.partial().len();
            let wire = scratch::first(scratch, held + READ);
            let mut read = ReadBuf::new(&mut wire[held..]);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))?;
            let length = held + read.filled().len();
            if length == held {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof)));
            }
            wire[..held].copy_from_slice(records.partial());
            let sink = |bytes: &[u8]| {
                let (now, later) = bytes.split_at(bytes.len().min(buffer.remaining()));
                buffer.put_slice(now);
                plain.push(later);
            };
            Poll::Ready(Ok(records.receive(&mut wire[..length], sink, unsent)))
        });
        *failed = ready!(received)?.err();
        *answering |= idle && !unsent.is_empty();
        Poll::Ready(Ok(()))
    }

    /// Writes what the socket has not taken yet.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.tls.unsent.poll_write(cx, &mut self.socket))?;
        self.tls.answering = false;
        Poll::Ready(Ok(()))
    }

    /// As [`Self::poll_send`], for whoever writes.
    fn poll_write_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tls.answering = false;
        self.poll_send(cx)
    }

    /// Encrypts, and keeps what the socket does not take. Only when nothing is kept from before.
    fn seal(
        &mut self,
        cx: &mut Context<'_>,
        seal: impl FnOnce(&mut Records, &mut Vec<u8>) -> Result<usize, Error>,
    ) -> io::Result<()> {
        scratch::with(|scratch| {
            let length = seal(&mut self.tls.records, scratch).map_err(invalid)?;
            let unsent = &mut self.tls.unsent;
            match unsent.poll_write_or_keep(cx, &mut self.socket, &scratch[..length]) {
                Poll::Ready(written) => written,
                Poll::Pending => Ok(()),
            }
        })
    }

    fn check(&self) -> io::Result<()> {
        self.tls.failed.clone().map_or(Ok(()), |error| Err(invalid(error)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ServerStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            let plain = &mut self.tls.plain;
            let length = plain.bytes().len().min(buffer.remaining());
            buffer.put_slice(&plain.bytes()[..length]);
            plain.advance(length);
            if buffer.filled().len() > before || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if self.tls.answering {
                // Reading does not wait for it, and shows by itself if the socket fails.
                let _ = self.poll_send(cx);
            }
            self.check()?;
            if self.tls.records.peer_closed() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_receive(cx, buffer))?;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ServerStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.tls.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.check()?;
        ready!(self.poll_write_on(cx))?;
        let bytes = &bytes[..bytes.len().min(WRITE)];
        self.seal(cx, |records, wire| records.encrypt(bytes, wire))?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_on(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_on(cx))?;
        // A client that has broken the protocol has got an alert already.
        if !self.tls.closed && self.tls.failed.is_none() {
            self.tls.closed = true;
            self.seal(cx, Records::close_notify)?;
            ready!(self.poll_write_on(cx))?;
        }
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl<S: fmt::Debug> fmt::Debug for ServerStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerStream").field("socket", &self.socket).finish_non_exhaustive()
    }
}

fn invalid(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests;
