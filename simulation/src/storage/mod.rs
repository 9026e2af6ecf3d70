//! The message service: pods that run the product's repository, over replicas in memory.

mod pod;
mod recording;
mod replica;
mod tending;
mod wires;

use messages_core::repository::Quorum;
pub(crate) use pod::Pod;
pub(crate) use recording::Change;
pub(crate) use replica::Replica;
pub(crate) use wires::{RemoteReplica, Wires};

/// What a pod serves.
pub(crate) type Repo = Quorum<RemoteReplica>;
