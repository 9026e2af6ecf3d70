//! What a device remembers from one run of the program to the next.

use chatcluster_protocol::{client, id::MessageId};
use serde::{Deserialize, Serialize};

/// What a device remembers. Keep it in a file or a database and hand it to the next
/// [`Config`](crate::Config): message ids then go on rising, the newer of two connections wins, and
/// a message that was taken just before the end is not shown again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The highest message id that the device has seen, sent or received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest: Option<MessageId>,
    /// The epoch of the last `welcome`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Messages that the application took last, the newest at the end: their acks may have been lost,
    /// so they may come again. At most [`Resume::RECENT`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<MessageId>,
}

impl Resume {
    /// Most messages in `recent`. A gateway keeps at most a window of unacknowledged pushes (256 ids
    /// fit in one `ack`), and only those can come again; this is twice that.
    pub const RECENT: usize = 512;

    /// What `hello` tells the gateway.
    pub(crate) fn for_hello(&self) -> Option<client::Resume> {
        let known = self.highest.is_some() || self.epoch.is_some();
        known.then_some(client::Resume { highest: self.highest, epoch: self.epoch })
    }
}
