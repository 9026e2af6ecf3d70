//! The gateway's lease, and when sessions must claim their routes again (rule 2). One per gateway.
//!
//! The manager may be away for as long as it likes: sessions and links go on, and nothing here makes
//! the gateway unready (P8). The present incarnation is kept meanwhile, so that peers which know its
//! routes still reach it.

mod shards;

use std::{collections::BTreeSet, time::Duration};

use chatcluster_protocol::planted::{Bug, planted};
use rand::Rng;
pub use shards::Shards;

use crate::{Away, ConnectionId, Device, Gateway, Incarnation, Locals, Now, sweep::Sweep};

/// How long a lease lives without renewal.
pub const TTL: Duration = Duration::from_secs(15);

/// How often it is renewed, and how soon after a failure.
const RENEW: Duration = Duration::from_secs(5);
const RENEW_AGAIN: Duration = Duration::from_secs(1);

/// How often the other leases and the shards are read.
const WATCH: Duration = Duration::from_secs(5);

/// Over how long the claims of all sessions are spread: 10,000 sessions make 1,000 claims a second.
const REASSERT_SPREAD: Duration = Duration::from_secs(10);
const REASSERT_BATCH: usize = 64;

/// Most walks at the same time; a further cause makes one walk over all of them.
const WALKS: usize = 4;

/// Incarnations of this gateway that are remembered. Routes of older ones have long expired.
pub(crate) const OWN: usize = 16;

/// What the shell does for the lease keeper, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Renew the lease of this incarnation for [`TTL`]. Answered by [`LeaseKeeper::renewed`].
    Renew(Incarnation),
    /// End the lease of an incarnation that is ours no more. Not answered.
    End(Incarnation),
    /// Read all leases that are alive. Answered by [`LeaseKeeper::leases`].
    ReadLeases,
    /// Read who is master of what. Answered by [`LeaseKeeper::shards`].
    ReadShards,
    /// From now on this is our incarnation: for claims, for peer hellos in both directions, and for
    /// [`crate::Machines::take_incarnation`].
    TakeIncarnation(Incarnation),
    /// These sessions claim their routes again: [`crate::session::Input::Reassert`].
    Reassert(Vec<ConnectionId>),
    /// Give these to [`crate::Machines::gateways`].
    Gateways {
        /// When the read began, in monotonic time.
        asked: Duration,
        /// Those whose leases live, this one included.
        alive: Vec<Gateway>,
    },
    /// The lease of another gateway is over, and it may not have been in good order:
    /// [`crate::Prober::probe_all`].
    GatewayLost(Incarnation),
    /// Our lease may have been lost and taken again by a renewal whose answer was lost. Whoever looked
    /// for our sessions in between found nobody: [`crate::Prober::probe_all`].
    ProbeAll,
}

/// What a renewal found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The lease was there and goes on.
    Kept,
    /// The lease was not there.
    Created,
}

/// Keeps the lease, watches the others' and the manager's shards.
#[derive(Debug)]
pub struct LeaseKeeper {
    own: Vec<Incarnation>,
    lease: Lease,
    /// The renewal without an answer: when it was sent.
    renewing: Option<Duration>,
    renew: Duration,
    /// The last renewal failed: nobody knows what it found.
    doubt: bool,
    /// The read of the leases without an answer: when it began.
    reading_leases: Option<Duration>,
    reading_shards: bool,
    watch: Duration,
    others: BTreeSet<Incarnation>,
    shards: Option<Shards>,
    /// Walks over the sessions that claim again, with their slots (all where `None`).
    walks: Vec<(Sweep, Option<Vec<bool>>)>,
}

/// What is known of the present incarnation's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lease {
    /// No renewal has been answered. What was claimed so far may have been read as dead.
    Unborn,
    /// It lives at least until then, counted from before the last good renewal was sent.
    Proven(Duration),
}

impl LeaseKeeper {
    /// A gateway starts; its first incarnation comes from `rng`. The shell hands it to
    /// [`crate::Router::take_incarnation`] and [`crate::Evictions::take_incarnation`].
    pub fn new(rng: &mut dyn Rng) -> Self {
        Self {
            own: vec![fresh(rng)],
            lease: Lease::Unborn,
            renewing: None,
            renew: Duration::ZERO,
            doubt: false,
            reading_leases: None,
            reading_shards: false,
            watch: Duration::ZERO,
            others: BTreeSet::new(),
            shards: None,
            walks: Vec::new(),
        }
    }

    /// The incarnations since the start, the last 16 of them; the last is the present one.
    pub fn own(&self) -> &[Incarnation] {
        &self.own
    }

    /// Answers [`Effect::Renew`].
    pub fn renewed(
        &mut self,
        now: Now,
        found: Result<Renewal, Away>,
        rng: &mut dyn Rng,
        effects: &mut Vec<Effect>,
    ) {
        let Some(sent) = self.renewing.take() else { return };
        let now = now.monotonic;
        let Ok(found) = found else {
            self.renew = now + RENEW_AGAIN;
            self.doubt = true;
            return;
        };
        self.renew = sent + RENEW;
        let doubt = std::mem::take(&mut self.doubt);
        match (self.lease, found) {
            (Lease::Unborn, _) => {
                self.lease = Lease::Proven(sent + TTL);
                self.walk(now, None);
            }
            // The manager saw the renewal before now, when the lease before it was still alive.
            (Lease::Proven(until), Renewal::Kept) if now <= until => {
                self.lease = Lease::Proven(sent + TTL);
                effects.extend(doubt.then_some(Effect::ProbeAll));
            }
            (Lease::Proven(_), _) if planted(Bug::IncarnationKept) => {
                self.lease = Lease::Proven(sent + TTL);
            }
            (Lease::Proven(_), _) => self.begin_anew(now, rng, effects),
        }
    }

    /// The lease lapsed, or may have: others may have taken its routes for dead.
    fn begin_anew(&mut self, now: Duration, rng: &mut dyn Rng, effects: &mut Vec<Effect>) {
        let incarnation = fresh(rng);
        effects.extend(self.own.last().map(|old| Effect::End(*old)));
        effects.push(Effect::TakeIncarnation(incarnation));
        self.own.push(incarnation);
        if self.own.len() > OWN {
            self.own.remove(0);
        }
        self.lease = Lease::Unborn;
        self.renew = now;
        self.renew(now, effects);
    }

    /// The present incarnation's lease lives.
    pub fn is_proven(&self, now: Now) -> bool {
        matches!(self.lease, Lease::Proven(until) if now.monotonic <= until)
    }

    /// Answers [`Effect::ReadLeases`].
    pub fn leases(&mut self, found: Result<Vec<Gateway>, Away>, effects: &mut Vec<Effect>) {
        let (Some(asked), Ok(alive)) = (self.reading_leases.take(), found) else { return };
        let others: BTreeSet<_> = alive.iter().map(|gateway| gateway.incarnation).collect();
        let lost = self.others.difference(&others).filter(|other| !self.own.contains(other));
        let lost = lost.filter(|_| !planted(Bug::LossUnprobed));
        effects.extend(lost.map(|other| Effect::GatewayLost(*other)));
        self.others = others;
        effects.push(Effect::Gateways { asked, alive });
    }

    /// Answers [`Effect::ReadShards`].
    pub fn shards(&mut self, now: Now, found: Result<Shards, Away>) {
        self.reading_shards = false;
        let Ok(shards) = found else { return };
        if let Some(old) = &self.shards
            && *old != shards
        {
            let changed = shards::changed(old, &shards);
            if changed.contains(&true) && !planted(Bug::ShardChangeIgnored) {
                self.walk(now.monotonic, Some(changed));
            }
        }
        self.shards = Some(shards);
    }

    /// Time has passed. Wanted every second.
    pub fn tick(&mut self, now: Now, locals: &Locals, effects: &mut Vec<Effect>) {
        let now = now.monotonic;
        self.renew(now, effects);
        if self.watch <= now {
            self.watch = now + WATCH;
            if self.reading_leases.is_none() {
                self.reading_leases = Some(now);
                effects.push(Effect::ReadLeases);
            }
            if !self.reading_shards {
                self.reading_shards = true;
                effects.push(Effect::ReadShards);
            }
        }
        for (sweep, slots) in &mut self.walks {
            let touched = |device: &Device| match &*slots {
                Some(slots) => slots[usize::from(shards::slot(&device.user))],
                None => true,
            };
            let due = sweep.due(now, locals).into_iter().filter(|(device, _)| touched(device));
            let connections: Vec<_> = due.map(|(_, local)| local.connection).collect();
            if !connections.is_empty() {
                effects.push(Effect::Reassert(connections));
            }
        }
        self.walks.retain(|(sweep, _)| !sweep.is_over());
    }

    fn renew(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if let (Some(own), None) = (self.own.last(), self.renewing)
            && self.renew <= now
        {
            self.renewing = Some(now);
            effects.push(Effect::Renew(*own));
        }
    }

    fn walk(&mut self, now: Duration, slots: Option<Vec<bool>>) {
        let slots = if self.walks.len() < WALKS { slots } else { None };
        if slots.is_none() {
            self.walks.clear();
        }
        self.walks.push((Sweep::new(now, REASSERT_SPREAD, REASSERT_BATCH), slots));
    }
}

fn fresh(rng: &mut dyn Rng) -> Incarnation {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    Incarnation(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

#[cfg(test)]
mod tests;
