//! What comes from Erlang nodes.

use bytes::{Bytes, BytesMut};
use chatcluster_erlang::{Term, passing};

/// A message of a node, and a term by itself: what is read means the same when it is written again.
///
/// # Panics
/// When that does not hold.
pub fn erlang_message(data: &[u8]) {
    let mut bytes = Bytes::copy_from_slice(data);
    // Whatever it says, it says so without a panic.
    let _ = passing::read(bytes.clone());
    let Ok(term) = Term::decode(&mut bytes) else { return };
    let mut written = BytesMut::new();
    term.encode(&mut written);
    assert_eq!(Term::decode(&mut written.freeze()), Ok(term), "another term when it is read again");
}
