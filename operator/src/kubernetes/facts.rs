//! What a reconcile has found out and the status tells.

use super::{seen::Connections, status::Blocker};

/// What a reconcile has found out, as far as it came.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Clients of each gateway that answered.
    pub(crate) connections: Connections,
    /// Objects were changed, and the caches may not show it yet.
    pub(crate) applying: bool,
    /// Gateways are being replaced, or their number changes.
    pub(crate) rolling: bool,
    /// Shards of the Redis Cluster that have a master.
    pub(crate) shards: u32,
    /// Hash slots that somebody serves.
    pub(crate) slots: u32,
    /// What is being done or waited for at the Redis Cluster.
    pub(crate) step: Option<String>,
    /// What a person has to put right.
    pub(crate) blockers: Vec<Blocker>,
}
