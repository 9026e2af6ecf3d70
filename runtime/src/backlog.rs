//! Bytes that wait for a socket, or for somebody else, to take them.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;

/// A queue of bytes that has memory only while it has bytes.
#[derive(Debug, Default)]
pub struct Backlog {
    bytes: Vec<u8>,
    taken: usize,
}

impl Backlog {
    /// Adds bytes at the end.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// What waits.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// What it holds in memory.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The first `n` bytes have been taken.
    pub fn advance(&mut self, n: usize) {
        self.taken += n;
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Writes what waits. `Ready` when the socket has taken all of it.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut S,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let written = ready!(poll_some(cx, socket, self.bytes()))?;
            self.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes `bytes`, and keeps what the socket does not take: then it is `Pending`. Only while nothing
    /// waits.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn poll_write_or_keep<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut S,
        mut bytes: &[u8],
    ) -> Poll<io::Result<()>> {
        while !bytes.is_empty() {
            match poll_some(cx, socket, bytes) {
                Poll::Ready(written) => bytes = &bytes[written?..],
                Poll::Pending => {
                    self.push(bytes);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn poll_some<S: AsyncWrite + Unpin>(
    cx: &mut Context<'_>,
    socket: &mut S,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    match ready!(Pin::new(socket).poll_write(cx, bytes))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        written => Poll::Ready(Ok(written)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_goes_with_the_last_byte() {
        let mut backlog = Backlog::default();
        backlog.push(b"ab");
        backlog.advance(1);
        backlog.push(b"c");
        assert_eq!(backlog.bytes(), b"bc");
        backlog.advance(2);
        assert!(backlog.is_empty());
        assert_eq!(backlog.capacity(), 0);
    }
}
