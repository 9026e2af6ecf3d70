//! One walk through the map.

use chatcluster_protocol::{
    Millis,
    planted::{Bug, planted},
};

use super::step::Step;
use crate::{
    digest,
    key::{self, Key, Table},
    replica::{Identity, Replica, ReplicaError},
    repository::Quorum,
};

/// A walk through the map, and who takes part in it: whoever fails to answer is left out to its end.
#[derive(Debug)]
pub struct Pass {
    /// Where it goes on; `None` at the end.
    at: Option<Key>,
    pub(super) seats: Vec<Seat>,
    pub(super) progress: Progress,
}

/// What a pass has done so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// The part of the tables that is behind it, from 0 to 1.
    pub part: f64,
    /// Stretches that were compared.
    pub compared: u64,
    /// Of these, those in which replicas differed.
    pub differed: u64,
    /// Rows that were given to replicas.
    pub given: u64,
    /// Rows that were taken from replicas that join.
    pub taken: u64,
    /// Tombstones that were forgotten.
    pub forgotten: u64,
    /// Replicas that vote from now on.
    pub filled: Vec<Identity>,
    /// What went wrong last.
    pub trouble: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    /// It was not asked yet.
    New,
    /// This one has been there all the time.
    Taken(Identity),
    /// It was away, or became another one.
    Left,
}

impl Pass {
    /// From the beginning, with all of so many replicas.
    pub fn new(replicas: usize) -> Self {
        let at = Some(vec![Table::ALL[0] as u8]);
        Self { at, seats: vec![Seat::New; replicas], progress: Progress::default() }
    }

    /// What it has done so far.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Where it goes on; `None` at the end.
    pub fn next_key(&self) -> Option<&[u8]> {
        self.at.as_deref()
    }

    /// Compares the next stretch, and mends it. Says whether there is more.
    ///
    /// # Errors
    /// When fewer than a majority vote and answer. The pass is of no use then; another one begins anew.
    pub async fn step<R: Replica>(
        &mut self,
        quorum: &Quorum<R>,
        forgotten_before: Millis,
    ) -> Result<bool, ReplicaError> {
        let Some(from) = self.at.take() else { return Ok(false) };
        let young = planted(Bug::ForgottenYoung);
        let forgotten_before = if young { Millis::MAX } else { forgotten_before };
        let tag = from.first().copied().unwrap_or_default();
        let mut step = Step::new(quorum, forgotten_before, self);
        let end = step.stretch(digest::stretch(from, key::end_of(&[tag]))).await?;
        self.progress.compared += 1;
        let next_table = Table::ALL.into_iter().find(|table| *table as u8 > tag);
        self.at = match end {
            Some(end) => Some(key::behind(&end)),
            None => next_table.map(|table| vec![table as u8]),
        };
        let tables = Table::ALL.iter().filter(|table| **table as u8 <= tag).count();
        self.progress.part = tables as f64 / Table::ALL.len() as f64;
        if self.at.is_none() || planted(Bug::FilledAtOnce) {
            self.end(quorum).await;
        }
        Ok(self.at.is_some())
    }

    /// Whoever has been here all the time has all that was acknowledged.
    async fn end<R: Replica>(&mut self, quorum: &Quorum<R>) {
        let ballot = quorum.voters.ballot();
        for (at, seat) in self.seats.clone().into_iter().enumerate() {
            let Seat::Taken(identity) = seat else { continue };
            if ballot.votes(identity) {
                continue;
            }
            match quorum.admit(at, identity).await {
                Ok(()) => self.progress.filled.push(identity),
                Err(error) => self.progress.trouble = Some(error.to_string()),
            }
        }
    }

    /// The pass goes on without it.
    pub(super) fn leaves(&mut self, at: usize, why: impl ToString) {
        if let Some(seat) = self.seats.get_mut(at) {
            if !planted(Bug::FilledInPart) {
                *seat = Seat::Left;
            }
            self.progress.trouble = Some(why.to_string());
        }
    }
}
