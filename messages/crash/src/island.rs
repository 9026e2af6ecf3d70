//! Three database nodes, the ways to them, and their disks.

use std::{io, time::Duration};

use anyhow::Context;
use chatcluster_messages::mnesia::Mnesia;
use chatcluster_testkit::erlang::ErlangNode;
use messages_core::repository::Quorum;
use rand::seq::SliceRandom;
use tokio::time::{Instant, sleep};

use crate::{
    Chance,
    disk::Disk,
    link::{Link, State},
    service,
};

/// Logs are carried over after so many bytes: many times while a fault lasts.
const LOG_BYTES: u64 = 256 * 1024;

/// A node that is to run is started again so soon after it has ended.
const RESTARTS: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub(crate) struct Member {
    node: ErlangNode,
    pub(crate) link: Link,
    pub(crate) disk: Disk,
    /// It was killed, and is not to be started again yet.
    down: bool,
}

/// An island whose members may be missing.
#[derive(Debug)]
pub(crate) struct Island {
    pub(crate) members: Vec<Member>,
    /// Past the links, to ask who votes.
    pub(crate) quorum: Quorum<Mnesia>,
    /// Within this everything has to be well again.
    pub(crate) patience: Duration,
}

impl Island {
    /// Three new ones, which vote.
    pub(crate) async fn start(patience: Duration) -> anyhow::Result<Self> {
        let mut members = Vec::new();
        for _ in 0..3 {
            let mut disk = Disk::new()?;
            disk.begin()?;
            let mut environment = disk.environment();
            environment.push(("CHATCLUSTER_LOG_BYTES", LOG_BYTES.to_string().into()));
            let node = ErlangNode::start_database_with(disk.folder(), &environment);
            let link = Link::new(node.address()).await?;
            members.push(Member { node, link, disk, down: false });
        }
        let replica = |member: &Member| service::replica(&member.node.address());
        let quorum = Quorum::new(members.iter().map(replica).collect());
        let mut island = Self { members, quorum, patience };
        island.all_vote().await.context("three new nodes")?;
        Ok(island)
    }

    /// Starts nodes that have ended by themselves, as a kubelet would.
    pub(crate) fn look_after(&mut self) -> io::Result<()> {
        for member in &mut self.members {
            if !member.down && member.node.process().ended().is_some() {
                member.start()?;
            }
        }
        Ok(())
    }

    /// Waits until all are there and vote.
    pub(crate) async fn all_vote(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + self.patience;
        loop {
            self.look_after()?;
            let attendance = self.quorum.attend().await;
            if attendance.as_ref().is_ok_and(|attendance| attendance.voting == 3) {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < end, "not all vote: {attendance:?}, {}", self.says());
            sleep(RESTARTS).await;
        }
    }

    /// The end of what the nodes have written.
    pub(crate) fn says(&mut self) -> String {
        let words = self.members.iter_mut().map(|member| member.node.process().last_words());
        words.collect::<Vec<_>>().join("\n---\n")
    }

    /// What nodes have found damaged on their disks: what was acknowledged may have been there.
    pub(crate) fn damage(&mut self) -> Vec<String> {
        let words = self.members.iter_mut().map(|member| member.node.process().output());
        let words: Vec<String> = words.collect();
        let lines = words.iter().flat_map(|words| words.lines());
        lines.filter(|line| line.contains("is damaged")).map(str::to_owned).collect()
    }

    /// Members in an order of chance.
    pub(crate) fn shuffled(&self, chance: &mut Chance) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.members.len()).collect();
        order.shuffle(chance);
        order
    }

    /// All ways are open.
    pub(crate) fn open(&self) {
        for member in &self.members {
            member.link.set(State::Open);
        }
    }
}

impl Member {
    /// Ends it, whatever it does, until it is started.
    pub(crate) fn kill(&mut self) {
        self.down = true;
        self.node.process().kill();
    }

    /// Starts it on what is on its disk.
    pub(crate) fn start(&mut self) -> io::Result<()> {
        self.disk.begin()?;
        self.node.restart(true);
        self.down = false;
        Ok(())
    }

    pub(crate) fn pause(&mut self) {
        self.node.process().pause();
    }

    pub(crate) fn resume(&mut self) {
        self.node.process().resume();
    }

    pub(crate) fn address(&self) -> String {
        self.link.address()
    }
}
