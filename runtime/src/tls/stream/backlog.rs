//! Bytes that wait for somebody to take them.

/// A queue of bytes that has memory only while it has bytes.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    bytes: Vec<u8>,
    taken: usize,
}

impl Backlog {
    /// Adds bytes at the end.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// What waits.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// Nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// What it holds in memory.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The first `n` bytes have been taken.
    pub(super) fn advance(&mut self, n: usize) {
        self.taken += n;
        if self.is_empty() {
            *self = Self::default();
        }
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
