//! What is remembered of a ChatCluster between two reconciles: nothing that a decision needs. A new
//! operator asks again.

use std::time::Duration;

use tokio::time::Instant;

use super::keys::{Keys, WantedKeys};

/// Secrets are neither listed nor watched. So long nobody notices that one was changed by hand.
const LOOK_AT_KEYS: Duration = Duration::from_secs(300);

/// What is remembered of a ChatCluster.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Reconciles in a row that failed.
    pub(crate) failures: u32,
    /// What is wrong, as it was last told by an event.
    pub(crate) told: Option<String>,
    keys: Option<KnownKeys>,
    /// The step of the Redis Cluster, and since when it has been the same.
    step: Option<(String, Instant)>,
}

/// Keys that were good when they were last looked at.
#[derive(Debug, Clone)]
pub(crate) struct KnownKeys {
    pub(crate) trust_bundle: String,
    /// What a person has to put right.
    pub(crate) problems: Vec<String>,
    wanted: String,
    until: Instant,
}

impl KnownKeys {
    /// What a look has found.
    pub(crate) fn new(wanted: &WantedKeys, keys: &Keys) -> Self {
        let within = if keys.problems.is_empty() { LOOK_AT_KEYS } else { Duration::ZERO };
        Self {
            trust_bundle: keys.trust_bundle.clone(),
            problems: keys.problems.iter().map(ToString::to_string).collect(),
            wanted: format!("{wanted:?}"),
            until: Instant::now() + keys.next_look.min(within),
        }
    }
}

impl Memory {
    /// The keys, if the same are wanted and they need no new look.
    pub(crate) fn keys(&self, wanted: &WantedKeys) -> Option<&KnownKeys> {
        let keys = self.keys.as_ref()?;
        (Instant::now() < keys.until && keys.wanted == format!("{wanted:?}")).then_some(keys)
    }

    /// Takes note of the step of the Redis Cluster, and says for how long it has been the same.
    pub(crate) fn same_step_for(&mut self, step: Option<&str>, now: Instant) -> Duration {
        let since = match &self.step {
            Some((same, since)) if Some(same.as_str()) == step => *since,
            _ => now,
        };
        self.step = step.map(|step| (step.to_owned(), since));
        now - since
    }

    /// Remembers keys.
    pub(crate) fn set_keys(&mut self, keys: KnownKeys) {
        self.keys = Some(keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_the_same_until_another_comes_between() {
        let mut memory = Memory::default();
        let (now, minute) = (Instant::now(), Duration::from_secs(60));
        assert_eq!(memory.same_step_for(Some("wait for a"), now), Duration::ZERO);
        let later = now + minute;
        assert_eq!(memory.same_step_for(Some("wait for a"), later), minute);
        assert_eq!(memory.same_step_for(Some("wait for b"), later), Duration::ZERO);
        assert_eq!(memory.same_step_for(None, later), Duration::ZERO);
        assert_eq!(memory.same_step_for(Some("wait for b"), later + minute), Duration::ZERO);
    }
}
