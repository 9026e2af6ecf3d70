//! Whose word counts (rule 15).
//!
//! A replica *votes* if it is in the roster, and else it is *joining*: it is written to, and nobody believes it. The
//! roster only grows, and is a record of each replica; whoever reads it of any one of them may believe it, since an
//! identity is never used again by a replica that has lost something. So nobody has to agree on it: an unknown
//! addition makes one ask two others, which is safe.
//!
//! - Replicas that are all there and all without a roster are new: they found it, all of them.
//! - One that joins is added when a whole pass of [`crate::repair`] has filled it, and hears of that first.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
};

use chatcluster_protocol::planted::{Bug, planted};
use serde::{Deserialize, Serialize};

use crate::{
    key::{self, Key},
    record,
    replica::{Answer, Identity, ReplicaError},
};

/// All replicas that have ever voted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster(BTreeSet<Identity>);

impl Roster {
    /// Of these.
    pub fn of(replicas: impl IntoIterator<Item = Identity>) -> Self {
        Self(replicas.into_iter().collect())
    }

    /// Whether this one votes.
    pub fn votes(&self, replica: Identity) -> bool {
        self.0.contains(&replica)
    }

    /// Nobody has ever voted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What both know.
    #[must_use]
    pub fn joined(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    pub(crate) fn row(&self) -> (Key, Vec<u8>) {
        (key::roster(), record::encode(self))
    }
}

/// What is known of the roster here.
#[derive(Debug)]
pub(crate) enum Voters {
    /// There is one replica, and it votes.
    Sole,
    Of(RwLock<Arc<Roster>>),
}

/// Whose word counts for one call. It is settled before the call is made: what one has done that joined then was not
/// done by one that votes, and may be undone.
#[derive(Debug, Clone)]
pub(crate) enum Ballot {
    Sole,
    Of(Arc<Roster>),
}

impl Voters {
    pub(crate) fn of_roster() -> Self {
        Self::Of(RwLock::default())
    }

    pub(crate) fn ballot(&self) -> Ballot {
        match self {
            Self::Sole => Ballot::Sole,
            Self::Of(roster) => {
                Ballot::Of(roster.read().unwrap_or_else(PoisonError::into_inner).clone())
            }
        }
    }

    pub(crate) fn learn(&self, more: Roster) {
        if let Self::Of(roster) = self {
            let mut roster = roster.write().unwrap_or_else(PoisonError::into_inner);
            let joined = Roster::clone(&roster).joined(more);
            if joined != **roster {
                *roster = Arc::new(joined);
            }
        }
    }
}

impl Ballot {
    pub(crate) fn votes(&self, replica: Identity) -> bool {
        match self {
            Self::Sole => true,
            Self::Of(roster) => roster.votes(replica),
        }
    }

    /// What is said, where it counts.
    pub(crate) fn count<T>(
        &self,
        answer: Result<Answer<T>, ReplicaError>,
    ) -> Result<T, ReplicaError> {
        let Answer { by, what } = answer?;
        let counts = self.votes(by) || planted(Bug::JoiningVotes);
        if counts { Ok(what) } else { Err(ReplicaError::Joining(by)) }
    }
}
