//! How replicas that have missed something get it, while all serve.
//!
//! A [`Pass`] goes through the map, stretch by stretch. Replicas whose digests are the same are left alone; else the
//! rows of all are read and merged as every read merges them, and each is given what it lacks. What is on one and
//! absent on the others is a write that has not reached them, never a removal (rule 13). Several services may do
//! this at a time: what they do is the same.
//!
//! - A replica that joins is made a copy of what those that vote have together. What it alone has counts for
//!   nothing: nobody was told that it is there, and it may have lost its removal. Where it was there through a whole
//!   pass it votes from then on ([`attendance`]).
//! - A message comes with what decides about it ([`mend`]), and whatever points to a message after the message.
//! - What only some have of a device that is known no more is removed ([`leftovers`]).
//! - A tombstone that is old is forgotten where every replica votes, was heard, and has nothing in its place.

mod attendance;
mod leftovers;
mod mend;
mod pass;
mod step;

pub use attendance::Attendance;
pub use pass::{Pass, Progress};
