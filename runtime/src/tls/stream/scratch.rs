//! A buffer of the thread, lent to whichever connection is being worked on.

use std::cell::Cell;

/// It keeps its memory up to this size: one read, or one write with its overhead.
const KEPT: usize = 72 * 1024;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the buffer, with whatever is in it. Who asks while it is lent gets one of its own.
pub(super) fn with<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut buffer = SCRATCH.take();
    let result = work(&mut buffer);
    if buffer.capacity() <= KEPT {
        SCRATCH.set(buffer);
    }
    result
}

/// The first `length` bytes of a buffer, which grows if it has fewer.
pub(super) fn first(buffer: &mut Vec<u8>, length: usize) -> &mut [u8] {
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    &mut buffer[..length]
}
