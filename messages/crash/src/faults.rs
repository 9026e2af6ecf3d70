//! What goes wrong while services write.

use std::{fmt, time::Duration};

use clap::ValueEnum;
use rand::RngExt;
use tokio::time::{Instant, sleep};

use crate::{
    Chance,
    fleet::Fleet,
    island::{Island, Member},
    link::State,
};

/// What goes wrong once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// A node is killed, and started again.
    KillOne,
    /// All are killed at once, and started again one after the other.
    KillAll,
    /// One after the other is killed and started again, in any order, without waiting for the one before.
    KillInTurn,
    /// A node stands still, and its connections stay open.
    Pause,
    /// A node loses its disk, and is filled again.
    EmptyDisk,
    /// A disk is full.
    FullDisk,
    /// All are.
    FullDisks,
    /// Connections to nodes are broken, and none comes about for a while.
    CutLinks,
    /// Nothing passes on the way to nodes, and nobody is told.
    SilentLinks,
    /// A service is killed.
    KillService,
    /// The power of a node is cut.
    PowerCut,
    /// That of all, at once.
    PowerCuts,
}

impl Fault {
    /// The longest that it may last.
    const fn longest(self, short: bool) -> u64 {
        match self {
            _ if short => 1_500,
            Self::CutLinks | Self::SilentLinks | Self::Pause => 30_000,
            _ => 5_000,
        }
    }

    /// Has it happen, and waits until it is over. Services write on all the time.
    pub(crate) async fn strike(
        self,
        island: &mut Island,
        fleet: &mut Fleet,
        short: bool,
        chance: &mut Chance,
    ) -> anyhow::Result<()> {
        // Most are short, some are long.
        let longest = if chance.random_ratio(1, 3) { self.longest(short) } else { 1_000 };
        let lasts = Duration::from_millis(chance.random_range(50..=longest));
        let one = chance.random_range(0..island.members.len());
        let some = |chance: &mut Chance, island: &Island| {
            let mut some = island.shuffled(chance);
            some.truncate(chance.random_range(1..=some.len()));
            some
        };
        match self {
            Self::KillOne => {
                island.members[one].kill();
                sleep(lasts).await;
                island.members[one].start()?;
            }
            Self::KillAll => {
                island.members.iter_mut().for_each(Member::kill);
                start_in_turn(island, lasts, chance).await?;
            }
            Self::KillInTurn => {
                for at in island.shuffled(chance) {
                    island.members[at].kill();
                    island.members[at].start()?;
                    sleep(lasts / 3).await;
                }
            }
            Self::Pause => {
                island.members[one].pause();
                sleep(lasts).await;
                island.members[one].resume();
            }
            Self::EmptyDisk => {
                // Until it is filled, none of the others may lose what it has.
                island.all_vote().await?;
                island.members[one].kill();
                island.members[one].disk.empty()?;
                sleep(lasts).await;
                island.members[one].start()?;
                island.all_vote().await?;
            }
            Self::FullDisk => full(island, &[one], lasts).await?,
            Self::FullDisks => full(island, &[0, 1, 2], lasts).await?,
            Self::CutLinks => broken(island, &some(chance, island), State::Cut, lasts).await,
            Self::SilentLinks => broken(island, &some(chance, island), State::Silent, lasts).await,
            Self::KillService => {
                let at = chance.random_range(0..fleet.count());
                fleet.replace(at).await?;
            }
            Self::PowerCut => {
                island.members[one].kill();
                island.members[one].disk.cut_power(chance)?;
                sleep(lasts).await;
                island.members[one].start()?;
            }
            Self::PowerCuts => {
                cut_power(island, chance)?;
                start_in_turn(island, lasts, chance).await?;
                if chance.random_bool(0.5) {
                    // Once more, while they are starting or have just begun to serve.
                    sleep(Duration::from_millis(chance.random_range(0..=2_000))).await;
                    cut_power(island, chance)?;
                    start_in_turn(island, lasts, chance).await?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.to_possible_value();
        f.write_str(named.as_ref().map_or("", |value| value.get_name()))
    }
}

async fn start_in_turn(
    island: &mut Island,
    lasts: Duration,
    chance: &mut Chance,
) -> anyhow::Result<()> {
    for at in island.shuffled(chance) {
        sleep(lasts / 3).await;
        island.members[at].start()?;
    }
    Ok(())
}

fn cut_power(island: &mut Island, chance: &mut Chance) -> std::io::Result<()> {
    island.members.iter_mut().for_each(Member::kill);
    for member in &island.members {
        member.disk.cut_power(chance)?;
    }
    Ok(())
}

/// Nodes end where their disk is full, and are started again all the time.
async fn full(island: &mut Island, which: &[usize], lasts: Duration) -> anyhow::Result<()> {
    for at in which {
        island.members[*at].disk.set_full(true)?;
    }
    let end = Instant::now() + lasts;
    while Instant::now() < end {
        sleep(Duration::from_millis(300)).await;
        island.look_after()?;
    }
    for at in which {
        island.members[*at].disk.set_full(false)?;
    }
    Ok(())
}

async fn broken(island: &Island, which: &[usize], how: State, lasts: Duration) {
    for at in which {
        island.members[*at].link.set(how);
    }
    sleep(lasts).await;
    island.open();
}
