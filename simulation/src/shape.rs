//! What a seed decides about its world before anything happens.

use gateway_core::{Rate, Rates};

use crate::{
    chance::Chance,
    clock::{S, Time},
    faults::{Fault, Kind, plan},
};

/// A world's size, and what goes wrong in it.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The seed.
    pub seed: u64,
    /// Gateways, 3 to 7.
    pub gateways: usize,
    /// Replicas of the message service, 1 or 3.
    pub replicas: usize,
    /// Pods of the message service: one beside a single replica.
    pub pods: usize,
    /// The number of devices of each user, 1 to 4.
    pub users: Vec<usize>,
    /// Sends before all is healed.
    pub sends: usize,
    /// Bursts of sends to one user, so that windows and buffers fill.
    pub bursts: usize,
    /// How long things go wrong.
    pub trouble: Time,
    /// How many sends and other requests of one user a gateway takes, where that is limited.
    pub limits: Option<(Rate, Rate)>,
    /// How little goes wrong.
    pub mood: Mood,
    /// The faults, by time.
    pub faults: Vec<Fault>,
}

/// How little goes wrong in a world. Where little does, nothing excuses a delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Anything may.
    Rough,
    /// Storage and what leads to it fail again and again, while much is written.
    Torn,
    /// Network and storage do their work: clients come and go, gateways are drained and die, and the
    /// manager fails.
    Fair,
    /// So do gateways and the manager, though it may be slow: clients come and go.
    Gentle,
}

impl Mood {
    fn of(seed: u64) -> Self {
        match Chance::new(seed, 5).between(0, 9) {
            0 => Self::Fair,
            1 | 2 => Self::Gentle,
            3 => Self::Torn,
            _ => Self::Rough,
        }
    }

    /// Gateways, storage, and the ways between them do their work.
    pub(crate) fn is_gentle(self) -> bool {
        self == Self::Gentle
    }

    /// How long a message may be on its way to a device that is connected, where that is bounded. A fresh
    /// route is looked at after 30 s, and a session whose client has left in silence ends after 35 s. The
    /// lease of a gateway that died has to end, and then the others probe for what it may have had. The
    /// backstop comes after five minutes.
    pub(crate) fn within(self) -> Option<Time> {
        match self {
            Self::Rough | Self::Torn => None,
            Self::Fair => Some(75 * S),
            Self::Gentle => Some(40 * S),
        }
    }
}

impl Shape {
    /// The world of a seed.
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed, 0);
        let gateways = chance.between(3, 7) as usize;
        let replicas = if chance.one_in(3) { 1 } else { 3 };
        let pods = if replicas == 1 { 1 } else { 2 };
        let users = (0..chance.between(10, 24)).map(|_| chance.between(1, 4) as usize).collect();
        let mood = Mood::of(seed);
        // Where little goes wrong, a full queue that is forgotten shows.
        let often = if mood.within().is_some() { 2 } else { 4 };
        let bursts = if chance.one_in(often) { chance.between(1, 2) as usize } else { 0 };
        let sends = chance.between(200, 300) as usize;
        let trouble = chance.between(60, 120) * S;
        // Routes are looked at every five minutes: some worlds have to last that long.
        let long = Chance::new(seed, 4).one_in(12);
        let trouble = if long { trouble + 280 * S } else { trouble };
        let mut shape = Self {
            seed,
            gateways,
            replicas,
            pods,
            users,
            sends,
            bursts,
            trouble,
            limits: limits(seed),
            mood,
            faults: Vec::new(),
        };
        shape.faults = plan(&shape, &mut Chance::new(seed, 1));
        shape
    }

    /// What nobody has used up of the limits.
    pub(crate) fn rates(&self) -> Rates {
        self.limits.map_or_else(Rates::default, |(sends, requests)| Rates::new(sends, requests))
    }

    /// How far the gateways' clocks may be apart, in milliseconds.
    pub(crate) fn clocks_apart(&self) -> i64 {
        let jumps = self.faults.iter().map(|fault| match fault.kind {
            Kind::Clock(_, ahead) | Kind::Boot(_, ahead) => ahead,
            _ => 0,
        });
        let (least, most) = jumps
            .fold((0, 0), |(least, most): (i64, i64), ahead| (least.min(ahead), most.max(ahead)));
        most - least
    }

    /// How many devices there are.
    pub fn devices(&self) -> usize {
        self.users.iter().sum()
    }
}

/// In a quarter of the worlds they are so low that whoever writes a lot, or looks back, meets them.
fn limits(seed: u64) -> Option<(Rate, Rate)> {
    let mut chance = Chance::new(seed, 8);
    let mut rate = |least, most| {
        let mut number = || chance.between(least, most) as u32;
        Rate { per_second: number(), burst: number() }
    };
    let limits = (rate(10, 20), rate(3, 8));
    chance.one_in(4).then_some(limits)
}
