//! How long Secrets have been as they are.
//!
//! A rotation waits until pods have taken what the Secrets say. It counts that by this process's monotonic
//! clock, from when it saw the Secrets at the versions that they still have: no clock that somebody sets,
//! and no clock of another machine, can shorten the wait. A new process begins to count again.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Entries that nobody has looked at for so long are of ChatClusters that were deleted during a rotation.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(86_400);

/// The versions of each ChatCluster's Secrets, and since when they have been these.
#[derive(Debug, Default)]
pub struct Settling(HashMap<String, Versions>);

#[derive(Debug)]
struct Versions {
    versions: Vec<String>,
    since: Instant,
    looked: Instant,
}

impl Settling {
    /// How long the Secrets of the ChatCluster with this uid have had these resource versions.
    pub fn look(&mut self, owner: &str, versions: Vec<String>, now: Instant) -> Duration {
        if let Some(seen) = self.0.get_mut(owner)
            && seen.versions == versions
        {
            seen.looked = now;
            return now.saturating_duration_since(seen.since);
        }
        self.0.retain(|_, seen| now.saturating_duration_since(seen.looked) < FORGOTTEN_AFTER);
        self.0.insert(owner.to_owned(), Versions { versions, since: now, looked: now });
        Duration::ZERO
    }

    /// Nothing waits for this ChatCluster's Secrets.
    pub fn forget(&mut self, owner: &str) {
        self.0.remove(owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_begins_again_with_every_change() {
        let (mut settling, begin) = (Settling::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        let versions = |version: &str| vec![version.to_owned()];
        let mut look =
            |owner, version, second| settling.look(owner, versions(version), at(second)).as_secs();
        assert_eq!(look("a", "1", 0), 0);
        assert_eq!(look("a", "1", 100), 100);
        assert_eq!(look("b", "1", 100), 0, "each ChatCluster for itself");
        assert_eq!(look("a", "2", 200), 0);
        assert_eq!(look("a", "2", 260), 60);
        assert_eq!(look("a", "1", 300), 0);
    }

    #[test]
    fn who_is_looked_at_no_more_is_forgotten() {
        let (mut settling, begin) = (Settling::default(), Instant::now());
        settling.look("deleted", vec![], begin);
        settling.look("b", vec![], begin + FORGOTTEN_AFTER);
        assert_eq!(settling.0.len(), 1);
        settling.forget("b");
        assert!(settling.0.is_empty());
    }
}
