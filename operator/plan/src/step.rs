//! What the plan asks for.

use std::fmt;

use crate::{
    Slots,
    picture::{NodeId, Picture},
};

/// One step towards the goal. Each may be repeated without harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Introduce two members that do not know each other; gossip tells the others.
    Meet {
        /// Who hears of the other.
        at: String,
        /// Who is introduced.
        other: String,
    },
    /// Drop a node in whose place another one runs now, or none, together with its claim on slots. At all
    /// members that know it: within a minute, or gossip brings it back.
    Forget {
        /// The node that is no more.
        node: NodeId,
        /// Who knows it.
        at: Vec<String>,
    },
    /// Give slots that no living node has to a master. They are empty: gateways claim their routes
    /// again.
    AddSlots {
        /// Who gets them.
        to: String,
        /// Which.
        slots: Slots,
    },
    /// Make a member without slots the replica of its shard's master.
    Replicate {
        /// Who follows.
        replica: String,
        /// Whom.
        master: NodeId,
    },
    /// Have a replica take the slots of its master, without a vote of the masters.
    TakeOver {
        /// Who takes over.
        replica: String,
        /// From whom.
        from: NodeId,
        /// Why there is no vote.
        because: NoVote,
    },
    /// Nothing can be done now; look again.
    Wait(Awaited),
}

/// Why a replica cannot be elected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoVote {
    /// The master is no more. The nodes hold one that a stranger has displaced neither for alive nor for
    /// failed, so no vote would begin.
    Gone,
    /// The master is silent, and so many others with it that those left are no majority. It may live
    /// where we cannot see it; then its slots have two owners until the two sides meet again, and the
    /// newer one wins.
    MajorityLost,
}

/// What a [`Step::Wait`] waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaited {
    /// There are fewer members than the goal needs.
    Members {
        /// How many there are.
        found: usize,
        /// How many there should be.
        needed: usize,
    },
    /// A member does not answer: it starts, is down or cut off. Where slots wait for it, it may own them.
    Answer {
        /// Which.
        member: String,
    },
    /// Slots belong to a node that is no member, so nobody may have them, and they are not healed either.
    Owner {
        /// Which slots.
        slots: Slots,
    },
    /// Gossip: not all members know the same yet.
    Agreement {
        /// Who is behind.
        member: String,
    },
    /// Two members that do not know each other own the same slots. Joining them would drop one side's;
    /// a person has to say which.
    OneCluster {
        /// The one.
        one: String,
        /// The other.
        other: String,
    },
    /// The step would have broken an invariant. A defect of the plan, met by doing nothing.
    Safety(crate::Invariant),
}

/// A command for one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The member that gets it.
    pub at: String,
    /// The command, word by word.
    pub words: Vec<String>,
}

impl Step {
    /// The commands that do it, in order. None for a wait.
    pub fn commands(&self, picture: &Picture) -> Vec<Command> {
        let command = |at: &String, words: &[&str]| Command {
            at: at.clone(),
            words: std::iter::once("CLUSTER")
                .chain(words.iter().copied())
                .map(String::from)
                .collect(),
        };
        match self {
            Self::Meet { at, other } => {
                let other = picture.members.iter().find(|member| member.name == *other);
                let Some(place) = other.map(|other| &other.place) else { return Vec::new() };
                let (port, bus) = (place.port.to_string(), place.bus.to_string());
                vec![command(at, &["MEET", &place.ip, &port, &bus])]
            }
            Self::Forget { node, at } => {
                at.iter().map(|at| command(at, &["FORGET", &node.0])).collect()
            }
            Self::AddSlots { to, slots } => {
                let ranges = slots.ranges().into_iter().flat_map(|(first, last)| [first, last]);
                let ranges: Vec<_> = ranges.map(|slot| slot.to_string()).collect();
                let mut add = command(to, &["ADDSLOTSRANGE"]);
                add.words.extend(ranges);
                vec![add]
            }
            Self::Replicate { replica, master } => {
                vec![command(replica, &["REPLICATE", &master.0])]
            }
            Self::TakeOver { replica, .. } => vec![command(replica, &["FAILOVER", "TAKEOVER"])],
            Self::Wait(_) => Vec::new(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Meet { at, other } => {
                write!(f, "introduce {other} to {at}: they do not know each other")
            }
            Self::Forget { node, at } => {
                write!(f, "have {} forget node {node}: it is no more", at.join(", "))
            }
            Self::AddSlots { to, slots } => {
                write!(f, "give slots {slots} to {to}: no living node has them")
            }
            Self::Replicate { replica, master } => {
                write!(f, "make {replica} a replica of node {master}, the master of its shard")
            }
            Self::TakeOver { replica, from, because } => {
                let why = match because {
                    NoVote::Gone => "it is no more",
                    NoVote::MajorityLost => "it is silent, and too few masters are left to vote",
                };
                write!(f, "have {replica} take over from node {from}: {why}")
            }
            Self::Wait(awaited) => write!(f, "wait {awaited}"),
        }
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Members { found, needed } => {
                write!(f, "for more nodes: there are {found} of {needed}")
            }
            Self::Answer { member } => write!(f, "for {member} to answer"),
            Self::Owner { slots } => {
                write!(f, "for the owner of slots {slots}, which is no member")
            }
            Self::Agreement { member } => {
                write!(f, "for {member} to hear what the others know")
            }
            Self::OneCluster { one, other } => write!(
                f,
                "for a person: {one} and {other} belong to different clusters and own the same slots"
            ),
            Self::Safety(invariant) => write!(f, "because the next step would break: {invariant}"),
        }
    }
}
