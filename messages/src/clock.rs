//! The wall clock, as something that tests can set.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use chatcluster_protocol::Millis;

/// Tells the time: milliseconds UTC.
pub type Clock = Arc<dyn Fn() -> Millis + Send + Sync>;

/// The machine's clock.
pub fn wall_clock() -> Clock {
    Arc::new(|| {
        // A clock before 1970 reads as 1970: every append is then too far ahead, which is the truth.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
    })
}
