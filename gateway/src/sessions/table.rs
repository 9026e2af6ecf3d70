//! Finding a session by its connection.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gateway_core::ConnectionId;

use super::Cell;

/// Parts of the table. Connections are counted up, so they spread evenly, and with 16 parts two of a
/// dozen threads hardly ever meet.
const SHARDS: usize = 16;

type Shard = HashMap<u64, Arc<Cell>>;

/// All sessions of this gateway whose sockets are there.
#[derive(Debug, Default)]
pub struct Sessions {
    shards: [Mutex<Shard>; SHARDS],
}

impl Sessions {
    /// Adds a session.
    pub fn insert(&self, cell: Arc<Cell>) {
        self.shard(cell.connection()).insert(cell.connection().0, cell);
    }

    /// Removes a session.
    pub fn remove(&self, connection: ConnectionId) {
        self.shard(connection).remove(&connection.0);
    }

    /// The session of a connection.
    pub fn get(&self, connection: ConnectionId) -> Option<Arc<Cell>> {
        self.shard(connection).get(&connection.0).cloned()
    }

    /// All of them, as of a moment ago.
    pub fn all(&self) -> Vec<Arc<Cell>> {
        self.shards
            .iter()
            .flat_map(|shard| lock(shard).values().cloned().collect::<Vec<_>>())
            .collect()
    }

    fn shard(&self, connection: ConnectionId) -> MutexGuard<'_, Shard> {
        lock(&self.shards[connection.0 as usize % SHARDS])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
