//! What goes wrong: planned by the seed before anything happens, so that a plan can be shortened.

mod apply;
mod plan;

use std::fmt;

pub(crate) use plan::plan;

use crate::{
    clock::{S, Time},
    network::Node,
};

/// Something that goes wrong at some time, for a while.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Names it, also after others were left out.
    pub number: u64,
    /// When it begins.
    pub at: Time,
    /// How long it lasts, where it does.
    pub lasts: Time,
    /// What it is.
    pub kind: Kind,
}

/// What can go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A process dies and starts again; `machine`: nobody tells its peers.
    Crash {
        /// Which.
        node: Node,
        /// With its machine.
        machine: bool,
    },
    /// A power cut of all replicas and pods.
    PowerCut,
    /// A process does nothing.
    Pause(Node),
    /// These and all others do not reach each other; `one_way`: only from them to the others.
    Partition {
        /// Those on one side.
        side: Vec<Node>,
        /// The others still reach them.
        one_way: bool,
    },
    /// Everything from and to a node takes longer.
    Slow(Node, u64),
    /// One connection of a device breaks.
    Cut(usize),
    /// What is sent over a connection of a device is lost, towards it or both ways.
    HalfOpen(usize, bool),
    /// The links between gateways go deaf.
    DeafLinks,
    /// A gateway's wall clock is set off by so many milliseconds, then mended.
    Clock(usize, i64),
    /// A gateway's machine starts anew with its clock off by so many milliseconds; it is mended later.
    Boot(usize, i64),
    /// A device is switched off, or its app starts twice in a moment; just when it comes back, another
    /// one writes to its user.
    Awaited {
        /// The device.
        device: usize,
        /// The one that writes.
        by: usize,
        /// It is not off.
        restarts: bool,
    },
    /// A gateway is told to stop.
    Drain(usize),
    /// The manager's masters fail over to copies that missed the last while.
    FailOver(Time),
    /// The manager loses everything.
    LoseManager,
    /// The manager does not answer.
    ManagerAway,
    /// Calls of the manager take up to this long.
    ManagerLate(Time),
    /// A replica's syncs take up to this long.
    SlowDisk(usize, Time),
    /// A replica's disk takes nothing.
    FullDisk(usize),
    /// A replica dies, and comes back without anything on its disk.
    EmptyDisk(usize),
    /// A replica has too much to do.
    Busy(usize),
    /// The queues of a gateway are full every other time.
    FullQueues(usize),
    /// A device goes offline, politely or not, and comes back.
    Offline(usize, bool),
    /// An app starts anew.
    Restart(usize),
    /// A device reads nothing, but writes.
    ReadsLate(usize),
    /// A backend removes a device, maybe one that is lost for good.
    Remove {
        /// The device.
        device: usize,
        /// Nobody has it any more.
        lost: bool,
    },
    /// A backend revokes the tokens of a device, or of all devices of its user.
    Revoke {
        /// The device.
        device: usize,
        /// Those of the others, too.
        all: bool,
        /// Its app starts anew just then.
        restarts: bool,
    },
}

impl Kind {
    /// The message service or its storage does not do its work.
    fn is_of_storage(&self) -> bool {
        match self {
            Self::Crash { node, .. } | Self::Pause(node) | Self::Slow(node, _) => {
                matches!(node, Node::Pod(_) | Node::Replica(_))
            }
            Self::PowerCut
            | Self::SlowDisk(..)
            | Self::FullDisk(_)
            | Self::EmptyDisk(_)
            | Self::Busy(_) => true,
            _ => false,
        }
    }

    /// The name that coverage counts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Crash { node: Node::Gateway(_), machine: false } => "fault: gateway dies",
            Self::Crash { node: Node::Gateway(_), machine: true } => "fault: machine dies",
            Self::Crash { node: Node::Pod(_), .. } => "fault: pod dies",
            Self::Crash { .. } => "fault: replica dies",
            Self::PowerCut => "fault: power cut",
            Self::Pause(Node::Gateway(_)) => "fault: gateway pauses",
            Self::Pause(Node::Device(_)) => "fault: device sleeps",
            Self::Pause(_) => "fault: service pauses",
            Self::Partition { one_way: false, .. } => "fault: partition",
            Self::Partition { one_way: true, .. } => "fault: partition one way",
            Self::Slow(..) => "fault: slow way",
            Self::Cut(_) => "fault: connection breaks",
            Self::HalfOpen(..) => "fault: half-open connection",
            Self::DeafLinks => "fault: half-open links",
            Self::Clock(..) => "fault: clock jumps",
            Self::Boot(..) => "fault: boot with a wrong clock",
            Self::Drain(_) => "fault: drain",
            Self::FailOver(_) => "fault: manager fails over",
            Self::LoseManager => "fault: manager loses everything",
            Self::ManagerAway => "fault: manager away",
            Self::ManagerLate(_) => "fault: manager late",
            Self::SlowDisk(..) => "fault: slow disk",
            Self::FullDisk(_) => "fault: full disk",
            Self::EmptyDisk(_) => "fault: empty disk",
            Self::Busy(_) => "fault: busy replica",
            Self::FullQueues(_) => "fault: full queues",
            Self::Offline(..) => "fault: device offline",
            Self::Awaited { .. } => "fault: device awaited",
            Self::Restart(_) => "fault: app restarts",
            Self::ReadsLate(_) => "fault: late reader",
            Self::Remove { .. } => "fault: device removed",
            Self::Revoke { .. } => "fault: tokens revoked",
        }
    }

    /// The names of all.
    pub const NAMES: &[&str] = &[
        "fault: gateway dies",
        "fault: machine dies",
        "fault: pod dies",
        "fault: replica dies",
        "fault: power cut",
        "fault: boot with a wrong clock",
        "fault: gateway pauses",
        "fault: device sleeps",
        "fault: service pauses",
        "fault: partition",
        "fault: partition one way",
        "fault: slow way",
        "fault: connection breaks",
        "fault: half-open connection",
        "fault: half-open links",
        "fault: clock jumps",
        "fault: drain",
        "fault: manager fails over",
        "fault: manager loses everything",
        "fault: manager away",
        "fault: manager late",
        "fault: slow disk",
        "fault: full disk",
        "fault: empty disk",
        "fault: busy replica",
        "fault: full queues",
        "fault: device awaited",
        "fault: device offline",
        "fault: app restarts",
        "fault: late reader",
        "fault: device removed",
        "fault: tokens revoked",
    ];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: Time| time as f64 / S as f64;
        write!(
            f,
            "#{} at {:.3} s for {:.3} s: {:?}",
            self.number,
            seconds(self.at),
            seconds(self.lasts),
            self.kind
        )
    }
}
