//! A round: services write to three nodes, things go wrong, and then it is looked at what is left.

use std::{
    collections::BTreeSet,
    fmt,
    time::{Duration, Instant},
};

use anyhow::Context;
use chatcluster_messages::{mnesia::Mnesia, wall_clock};
use chatcluster_protocol::id::MessageId;
use messages_core::{
    key::Ids,
    repair::Pass,
    repository::{Quorum, Repository},
};
use rand::SeedableRng;
use tokio::time::sleep;

use crate::{
    Chance,
    faults::Fault,
    fleet::Fleet,
    island::{Island, Member},
    ledger::Told,
    service::{Pair, history, waiting},
};

/// Services beside each other.
const SERVICES: usize = 2;

/// What a round is like.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) faults: Vec<Fault>,
    /// Messages that are acknowledged at least.
    pub(crate) messages: u64,
    pub(crate) short: bool,
    /// Within this everything has to be well again.
    pub(crate) patience: Duration,
    /// Disks that do not sync, and say that they did.
    pub(crate) lies: bool,
    /// Services that count a write when one replica has it.
    pub(crate) one_replica: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) stored: u64,
    pub(crate) removed: u64,
    /// Messages that are there under one more id, since a call failed that had come to a node.
    pub(crate) copies: u64,
    pub(crate) repaired: u64,
    pub(crate) stall: Duration,
    /// What was acknowledged and is not there.
    pub(crate) lost: Vec<String>,
    /// What is there and should not be, or twice, or out of order.
    pub(crate) wrong: Vec<String>,
}

/// # Errors
/// When the round itself could not be played. What the nodes did wrong is in the outcome.
pub(crate) async fn play(plan: &Plan) -> anyhow::Result<Outcome> {
    let mut island = Island::start(plan.patience).await?;
    if plan.lies {
        island.members.iter().try_for_each(|member| member.disk.lie())?;
    }
    let nodes = island.members.iter().map(Member::address).collect();
    let mut fleet = Fleet::start(nodes, SERVICES, plan.one_replica)?;
    let serves = go_wrong(plan, &mut island, &mut fleet).await;
    fleet.end().await?;
    let mut outcome = {
        let ledger = fleet.ledger();
        let (stored, removed, stall) = (ledger.stored, ledger.removed, ledger.stall);
        Outcome { stored, removed, stall, ..Outcome::default() }
    };
    outcome.wrong.extend(island.damage());
    match serves {
        Ok(()) => outcome.repaired = repaired(&island.quorum, plan.patience).await?,
        Err(error) => outcome.wrong.push(format!("{error:#}")),
    }
    let told = std::mem::take(&mut fleet.ledger().told);
    for ((service, number), told) in &told {
        let pair = Pair::new(service, *number);
        if let Err(error) = look(&island.quorum, &pair, told, &mut outcome).await {
            outcome.wrong.push(format!("what {} has cannot be read: {error:#}", pair.reader));
        }
    }
    Ok(outcome)
}

/// One fault after the other; before and after each, messages are acknowledged. In the end all vote.
async fn go_wrong(plan: &Plan, island: &mut Island, fleet: &mut Fleet) -> anyhow::Result<()> {
    let mut chance = Chance::seed_from_u64(plan.seed);
    let step = plan.messages / (plan.faults.len() as u64 + 1) + 1;
    more(island, fleet, step).await.context("before anything went wrong")?;
    for fault in &plan.faults {
        let strike = fault.strike(island, fleet, plan.short, &mut chance);
        strike.await.with_context(|| fault.to_string())?;
        more(island, fleet, step).await.with_context(|| format!("after {fault}"))?;
    }
    island.all_vote().await
}

/// Waits until so many more messages are acknowledged.
async fn more(island: &mut Island, fleet: &mut Fleet, count: u64) -> anyhow::Result<()> {
    let enough = fleet.ledger().stored + count;
    let end = Instant::now() + island.patience;
    while fleet.ledger().stored < enough {
        if Instant::now() > end {
            let attendance = island.quorum.attend().await;
            anyhow::bail!("nothing is stored any more: {attendance:?}, {}", island.says());
        }
        island.look_after()?;
        fleet.look_after()?;
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Compares the nodes until all have the same. How many records were given to one that lacked them.
async fn repaired(quorum: &Quorum<Mnesia>, patience: Duration) -> anyhow::Result<u64> {
    let (end, mut given) = (Instant::now() + patience, 0);
    loop {
        let mut pass = Pass::new(3);
        while pass.step(quorum, 0).await? {}
        let progress = pass.progress();
        given += progress.given;
        if progress.differed == 0 && progress.trouble.is_none() {
            return Ok(given);
        }
        anyhow::ensure!(Instant::now() < end, "the nodes stay different: {progress:?}");
    }
}

/// Holds what is there against what was told.
async fn look(
    quorum: &Quorum<Mnesia>,
    pair: &Pair,
    told: &Told,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let Pair { writer, .. } = pair;
    let inbox = waiting(quorum, pair).await?;
    let archive = sent(quorum, pair).await?;
    // Copies that a failed call has left share an identity, by which sessions and clients know them.
    let identities: BTreeSet<_> = archive.iter().map(|id| id.identity()).collect();
    outcome.copies += (archive.len() - identities.len()) as u64;
    let [inbox, archive] = [inbox, archive].map(|ids| ids.into_iter().collect::<BTreeSet<_>>());
    for (number, id) in &told.stored {
        if !archive.contains(id) {
            outcome.lost.push(format!("message {number} of {writer}, {id}, is not in the history"));
        }
        let removed = told.removed.contains(id);
        if !removed && !told.removing.contains(id) && !inbox.contains(id) {
            outcome.lost.push(format!("message {number} of {writer}, {id}, does not wait"));
        }
        if removed && inbox.contains(id) {
            outcome.wrong.push(format!("message {number} of {writer}, {id}, is back"));
        }
    }
    if !told.stored.values().is_sorted_by(|one, next| one < next) {
        outcome.wrong.push(format!("messages of {writer} changed places"));
    }
    Ok(())
}

/// All that the writer has sent.
async fn sent(quorum: &Quorum<Mnesia>, pair: &Pair) -> anyhow::Result<Vec<MessageId>> {
    let (mut all, mut ids) = (Vec::new(), Ids::ALL);
    loop {
        let page = quorum.query(history(pair, ids), wall_clock()()).await?;
        all.extend(page.messages.iter().map(|message| message.message));
        match page.next.filter(|_| page.more) {
            Some(next) => ids = ids.below(next),
            None => return Ok(all),
        }
    }
}

impl Outcome {
    /// Of this round and another one.
    pub(crate) fn add(&mut self, other: Self) {
        self.stored += other.stored;
        self.removed += other.removed;
        self.copies += other.copies;
        self.repaired += other.repaired;
        self.stall = self.stall.max(other.stall);
        self.lost.extend(other.lost);
        self.wrong.extend(other.wrong);
    }

    pub(crate) fn is_good(&self) -> bool {
        self.lost.is_empty() && self.wrong.is_empty()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stored, removed, copies, repaired, stall, lost, wrong } = self;
        let (lost, wrong) = (lost.len(), wrong.len());
        write!(
            f,
            "{stored} acknowledged, {removed} removed, {lost} lost, {wrong} wrong, {copies} copies, \
             {repaired} records repaired, longest stall {:.1} s",
            stall.as_secs_f64()
        )
    }
}
