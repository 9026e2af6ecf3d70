//! Who votes: learning it, founding, and letting one in.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::future::join_all;

use crate::{
    apply::{Batch, Part},
    key, record,
    replica::{Answer, Identity, Replica, ReplicaError},
    repository::Quorum,
    roster::{Ballot, Roster},
    view::{Rows, Scan},
};

/// Who is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attendance {
    /// How many vote.
    pub voting: usize,
    /// Who is to be filled.
    pub joining: Vec<Identity>,
    /// How many do not answer.
    pub away: usize,
    /// All were new, and they have been founded just now.
    pub founded: bool,
}

impl<R: Replica> Quorum<R> {
    /// Learns from the replicas who of them votes. Until that has been done once, nobody does.
    ///
    /// Where all are there and none has ever voted, all do from now on. One that is away could have been there
    /// before, so nothing is founded then.
    ///
    /// # Errors
    /// When nobody answers, two are the same one, or they could not be founded.
    pub async fn attend(&self) -> Result<Attendance, ReplicaError> {
        if self.is_one() {
            return Ok(Attendance { voting: 1, ..Attendance::default() });
        }
        let scans: Arc<[Scan]> = vec![Scan::one(key::roster())].into();
        let asked = self.replicas.iter().map(|replica| replica.read(scans.clone()));
        let (mut there, mut known, mut error) = (Vec::new(), Roster::default(), None);
        for answer in join_all(asked).await {
            let answer = answer.and_then(|Answer { by, what }| Ok((by, recorded(&what)?)));
            match answer {
                Ok((by, roster)) => {
                    there.push(by);
                    known = known.joined(roster);
                }
                Err(why) => error = Some(why),
            }
        }
        if there.iter().collect::<BTreeSet<_>>().len() < there.len() {
            let text = format!("two addresses lead to one replica: {there:?}");
            return Err(ReplicaError::Unavailable(text));
        }
        if let (true, Some(error)) = (there.is_empty(), error) {
            return Err(error);
        }
        let away = self.replicas.len() - there.len();
        let founded = away == 0 && known.is_empty();
        if founded {
            known = Roster::of(there.iter().copied());
            self.found(&known).await?;
        }
        let (voting, joining): (Vec<_>, Vec<_>) =
            there.into_iter().partition(|one| known.votes(*one));
        self.voters.learn(known);
        Ok(Attendance { voting: voting.len(), joining, away, founded })
    }

    /// Whoever does this beside us has seen the same replicas; where it breaks off, any one of them says it.
    async fn found(&self, roster: &Roster) -> Result<(), ReplicaError> {
        let told = self.replicas.iter().map(|replica| tell(replica, roster));
        join_all(told).await.into_iter().collect()
    }

    /// Lets one in that has been filled. It is the first to hear of it: from then on nobody takes anything from it.
    pub(super) async fn admit(&self, at: usize, joined: Identity) -> Result<(), ReplicaError> {
        let Ballot::Of(known) = self.voters.ballot() else { return Ok(()) };
        let roster = Roster::clone(&known).joined(Roster::of([joined]));
        if let Some(replica) = self.replicas.get(at) {
            tell(replica, &roster).await?;
        }
        self.voters.learn(roster.clone());
        // The next pass would tell them, too.
        let others = self.replicas.iter().map(|replica| tell(replica, &roster));
        join_all(others).await;
        Ok(())
    }
}

fn recorded(pages: &[Rows]) -> Result<Roster, ReplicaError> {
    let row = pages.first().and_then(|page| page.rows.first());
    let roster = row.map(|(key, value)| record::decode(key, value)).transpose()?;
    Ok(roster.flatten().unwrap_or_default())
}

async fn tell<R: Replica>(replica: &R, roster: &Roster) -> Result<(), ReplicaError> {
    let batch = Batch::of(Part::Join(vec![roster.row()]));
    let Answer { what, .. } = replica.apply(vec![batch].into()).await?;
    match what.iter().flatten().find_map(|reply| reply.stop.as_ref()) {
        Some(stop) => Err(ReplicaError::Unavailable(format!("it takes no roster: {stop:?}"))),
        None => Ok(()),
    }
}
