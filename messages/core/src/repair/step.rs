//! One stretch: what all replicas have there, and what is done about it.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use chatcluster_protocol::{
    Millis,
    planted::{Bug, planted},
};
use futures_util::future::join_all;

use super::{
    leftovers::Leftovers,
    mend::{self, Companions, Range},
    pass::{Pass, Seat},
};
use crate::{
    apply::{Batch, Part, Stop, Unit},
    digest::Digest,
    key::{self, Key},
    quorum::majority,
    record::{self, Corrupt},
    replica::{Answer, Identity, Replica, ReplicaError},
    repository::Quorum,
    roster::Ballot,
    view::Scan,
};

/// What a replica said, by its place.
type Heard<T> = Vec<(usize, Identity, T)>;

/// Why nothing is given in a stretch.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Replicas(#[from] ReplicaError),
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

/// One stretch of a pass.
pub(super) struct Step<'a, R> {
    quorum: &'a Quorum<R>,
    ballot: Ballot,
    forgotten_before: Millis,
    pass: &'a mut Pass,
}

impl<'a, R: Replica> Step<'a, R> {
    pub(super) fn new(quorum: &'a Quorum<R>, forgotten_before: Millis, pass: &'a mut Pass) -> Self {
        Self { quorum, ballot: quorum.voters.ballot(), forgotten_before, pass }
    }

    /// Compares it and mends it. Where it ended, if it is not the last of its table.
    pub(super) async fn stretch(&mut self, mut scan: Scan) -> Result<Option<Key>, ReplicaError> {
        let before = self.forgotten_before;
        let mut heard = self.hear(|replica| replica.digest(scan.clone(), before)).await?;
        let end = heard.iter().filter_map(|(_, _, digest)| digest.ended_at.as_ref()).min().cloned();
        if let Some(end) = &end
            && heard.iter().any(|(_, _, digest)| digest.ended_at.as_ref() != Some(end))
        {
            // They have come to different places: once more to where all have come.
            scan.to = key::behind(end);
            heard = self.hear(|replica| replica.digest(scan.clone(), before)).await?;
        }
        if let Some(end) = &end {
            scan.to = key::behind(end);
        }
        let mut hashes = heard.iter().map(|(_, _, digest)| digest.hash);
        let first = hashes.next();
        if hashes.any(|other| Some(other) != first) {
            self.pass.progress.differed += 1;
            return Ok(self.mend(&scan).await?.or(end));
        }
        if self.may_forget() && heard.iter().any(|(_, _, digest)| digest.forgotten > 0) {
            self.forget(&scan, &heard).await?;
        }
        Ok(end)
    }

    /// Asks all that are still here. Those that vote are a majority, or there is an error.
    async fn hear<T, F>(&mut self, ask: impl Fn(&'a R) -> F) -> Result<Heard<T>, ReplicaError>
    where
        F: Future<Output = Result<Answer<T>, ReplicaError>>,
    {
        let quorum = self.quorum;
        let here = quorum.replicas.iter().zip(&self.pass.seats).enumerate();
        let here: Vec<_> = here.filter(|(_, (_, seat))| **seat != Seat::Left).collect();
        let asked = here.iter().map(|(at, (replica, _))| {
            let (at, answer) = (*at, ask(replica));
            async move { (at, answer.await) }
        });
        let mut heard = Heard::new();
        for (at, answer) in join_all(asked).await {
            match (answer, self.pass.seats[at]) {
                (Ok(Answer { by, what }), Seat::New) => {
                    self.pass.seats[at] = Seat::Taken(by);
                    heard.push((at, by, what));
                }
                (Ok(Answer { by, what }), Seat::Taken(before)) if by == before => {
                    heard.push((at, by, what));
                }
                (Ok(Answer { by, .. }), _) => {
                    self.pass.leaves(at, format!("replica {by} took the place of another"));
                }
                (Err(error), _) => self.pass.leaves(at, error),
            }
        }
        let voting = heard.iter().filter(|(_, by, _)| self.ballot.votes(*by)).count();
        if voting < majority(quorum.replicas.len()) {
            let why = self.pass.progress.trouble.clone();
            let why = why.unwrap_or_else(|| "too few of them vote".into());
            return Err(ReplicaError::Unavailable(format!("replicas cannot be compared: {why}")));
        }
        Ok(heard)
    }

    /// Gives each what it lacks. Where it came to, if that was not the end of the stretch.
    async fn mend(&mut self, scan: &Scan) -> Result<Option<Key>, ReplicaError> {
        match self.give(scan).await {
            Ok(ended_at) => Ok(ended_at),
            Err(Trouble::Replicas(error)) => Err(error),
            Err(Trouble::Corrupt(corrupt)) => {
                // Nobody votes by a pass that has left something out.
                for at in 0..self.pass.seats.len() {
                    if matches!(self.pass.seats[at], Seat::Taken(by) if !self.ballot.votes(by)) {
                        self.pass.leaves(at, &corrupt);
                    }
                }
                self.pass.progress.trouble = Some(corrupt.to_string());
                Ok(None)
            }
        }
    }

    async fn give(&mut self, scan: &Scan) -> Result<Option<Key>, Trouble> {
        let scans: Vec<Scan> = [scan.clone()].into_iter().chain(mend::earlier(scan)).collect();
        let (seats, ranges) = self.compare(&scans).await?;
        let before = self.forgotten_before;
        let lacks = |place| ranges.iter().flat_map(move |range| range.lacks(place, before));
        let mut lacks: Vec<BTreeMap<Key, Vec<u8>>> =
            (0..seats.len()).map(|place| lacks(place).collect()).collect();
        let leftovers = self.leftovers(&lacks).await?;
        for lacks in &mut lacks {
            lacks.retain(|key, value| !leftovers.has(key, value));
        }
        let companions = Companions::of(lacks.iter().flatten());
        let found = self.companions(&companions).await?;
        for (place, ((at, by), lacks)) in seats.into_iter().zip(lacks).enumerate() {
            let joining = (!self.ballot.votes(by)).then_some(by);
            let alone = ranges.iter().flat_map(|range| range.alone(place));
            let alone: Vec<_> = joining.map_or(Vec::new(), |_| alone.collect());
            let (given, taken) = (lacks.len() as u64, alone.len() as u64);
            let mut units = Vec::new();
            if given > 0 {
                units.push(companions.given_with(&found, lacks));
            }
            units.extend(leftovers.clear());
            if taken > 0 {
                units.push(Unit(vec![Part::Erase { rows: alone, joining }]));
            }
            if self.write(at, by, units).await {
                self.pass.progress.given += given;
                self.pass.progress.taken += taken;
            }
        }
        Ok(ranges.first().and_then(|range| range.ended_at.clone()))
    }

    /// Who has answered, and what they have in each of these ranges.
    async fn compare(
        &mut self,
        scans: &[Scan],
    ) -> Result<(Vec<(usize, Identity)>, Vec<Range>), Trouble> {
        let asked: Arc<[Scan]> = scans.into();
        let heard = self.hear(|replica| replica.read(asked.clone())).await?;
        let seats = heard.iter().map(|(at, by, _)| (*at, *by)).collect();
        let votes: Vec<bool> = heard.iter().map(|(_, by, _)| self.ballot.votes(*by)).collect();
        let mut pages: Vec<_> = heard.into_iter().map(|(.., pages)| pages.into_iter()).collect();
        let ranges = scans.iter().map(|scan| {
            let pages = pages.iter_mut().map(|pages| pages.next().unwrap_or_default());
            Range::of(pages.collect(), &votes, scan.reverse)
        });
        Ok((seats, ranges.collect::<Result<_, _>>()?))
    }

    /// What is left of devices that are known no more.
    async fn leftovers(&mut self, lacks: &[BTreeMap<Key, Vec<u8>>]) -> Result<Leftovers, Trouble> {
        let mut leftovers = Leftovers::of(lacks.iter().flatten());
        if !leftovers.is_empty() {
            // Whoever is owed something was known before.
            let scans: Vec<Scan> = leftovers.registries().map(Scan::one).collect();
            let (_, registries) = self.compare(&scans).await?;
            leftovers.judge(&registries);
        }
        Ok(leftovers)
    }

    /// What there is of what comes along with messages.
    async fn companions(&mut self, of: &Companions) -> Result<Vec<Range>, Trouble> {
        if of.keys.is_empty() {
            return Ok(Vec::new());
        }
        let scans: Vec<Scan> = of.keys.iter().cloned().map(Scan::one).collect();
        let (_, found) = self.compare(&scans).await?;
        Ok(found)
    }

    /// Old tombstones go where all replicas have been heard: a lost removal would come back by one that was not.
    fn may_forget(&self) -> bool {
        let votes = |seat: &Seat| match seat {
            Seat::Taken(by) => self.ballot.votes(*by),
            Seat::New | Seat::Left => false,
        };
        self.pass.seats.iter().all(votes) || planted(Bug::ForgottenEarly)
    }

    async fn forget(&mut self, scan: &Scan, digests: &Heard<Digest>) -> Result<(), ReplicaError> {
        let scans: Arc<[Scan]> = vec![scan.clone()].into();
        for (at, by, digest) in digests {
            if digest.forgotten == 0 {
                continue;
            }
            let Some(replica) = self.quorum.replicas.get(*at) else { continue };
            let page = match replica.read(scans.clone()).await {
                Ok(Answer { by: now, what }) if now == *by => what.into_iter().next(),
                Ok(_) => None,
                Err(error) => {
                    self.pass.leaves(*at, error);
                    None
                }
            };
            let old = |value: &[u8]| {
                record::removed_at(value).is_some_and(|at| at < self.forgotten_before)
            };
            let rows = page.unwrap_or_default().rows;
            let rows: Vec<_> = rows.into_iter().filter(|(_, value)| old(value)).collect();
            let forgotten = rows.len() as u64;
            if forgotten > 0
                && self.write(*at, *by, vec![Unit(vec![Part::Erase { rows, joining: None }])]).await
            {
                self.pass.progress.forgotten += forgotten;
            }
        }
        Ok(())
    }

    /// Has one replica write. Says whether it did; else the pass goes on without it.
    async fn write(&mut self, at: usize, by: Identity, units: Vec<Unit>) -> bool {
        if units.is_empty() {
            return true;
        }
        let Some(replica) = self.quorum.replicas.get(at) else { return false };
        let why = match replica.apply(vec![Batch(units)].into()).await {
            Ok(answer) if answer.by != by => "another one took its place".to_owned(),
            Ok(answer) => {
                let stops = answer.what.iter().flatten().filter_map(|reply| reply.stop.as_ref());
                // A device that is back keeps what it has.
                match stops.into_iter().find(|stop| **stop != Stop::InUse) {
                    None => return true,
                    Some(stop) => format!("it was not mended: {stop:?}"),
                }
            }
            Err(error) => error.to_string(),
        };
        self.pass.leaves(at, why);
        false
    }
}
