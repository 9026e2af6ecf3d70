//! Which branches were taken. A run of many seeds fails where one of them never was.

use std::{cell::RefCell, collections::BTreeMap};

use crate::faults::Kind;

thread_local! {
    static HITS: RefCell<BTreeMap<Place, (&'static str, u64)>> =
        const { RefCell::new(BTreeMap::new()) };
}

/// Where a name is in memory, which is compared faster than what it says. A name may be in several places.
type Place = (*const u8, usize);

/// Counts a branch.
pub(crate) fn hit(what: &'static str) {
    let place = (what.as_ptr(), what.len());
    HITS.with_borrow_mut(|hits| hits.entry(place).or_insert((what, 0)).1 += 1);
}

/// What was counted in this thread since the last time.
pub fn take() -> BTreeMap<&'static str, u64> {
    let mut all = BTreeMap::new();
    for (what, count) in HITS.take().into_values() {
        *all.entry(what).or_default() += count;
    }
    all
}

/// What a run of many seeds has not reached of what it has to.
pub fn untaken(taken: &BTreeMap<&'static str, u64>) -> Vec<&'static str> {
    let wanted = WANTED.iter().chain(Kind::NAMES).copied();
    wanted.filter(|what| !taken.contains_key(what)).collect()
}

/// What every run of many seeds has to reach.
pub const WANTED: &[&str] = &[
    "append: conflict",
    "append: failed call",
    "append: forbidden",
    "append: out of order",
    "append: queue full",
    "append: stored",
    "append: too new",
    "append: too old",
    "append: unavailable",
    "backend: gives up",
    "backend: repeats",
    "claim: displaced another",
    "claim: failed",
    "claim: none before",
    "claim: own before",
    "client: copy of a message",
    "client: held back send",
    "client: late reader",
    "client: lost for good",
    "client: new device",
    "client: pong missed",
    "client: reads once",
    "client: repeated send",
    "client: restart",
    "client: too many in flight",
    "close: 4000",
    "close: 4001",
    "close: 4102",
    "close: 4103",
    "close: 4201",
    "close: 4204",
    "close: 4206",
    "delivery: not here",
    "delivery: overloaded",
    "delivery: queued",
    "delivery: unknown",
    "drain: asked",
    "drain: deliveries left",
    "drain: finished",
    "drain: now",
    "drain: refused at the door",
    "eviction: local",
    "eviction: remote",
    "eviction: read again",
    "fan-out: finished by another",
    "group: added",
    "group: forbidden change",
    "group: message",
    "group: removed",
    "history: page",
    "lease: created",
    "lease: ended",
    "lease: failed",
    "lease: gateway lost",
    "lease: kept",
    "lease: new incarnation",
    "lease: probe all",
    "limit: request",
    "limit: send",
    "link: gone",
    "link: lost",
    "link: queue full",
    "lookup: failed",
    "lookup: found",
    "lookup: none",
    "mark: answered",
    "mark: of a group that was left",
    "mark: refused for now",
    "manager: call lost",
    "manager: late answer",
    "manager: late call",
    "manager: same call twice",
    "network: half-open",
    "network: held back",
    "nothing waits",
    "presence: answer",
    "presence: busy",
    "presence: change",
    "presence: check failed",
    "presence: checked",
    "presence: client behind",
    "presence: gateway dies with its user",
    "presence: looked up",
    "presence: lookup failed",
    "presence: not seen",
    "presence: refused for now",
    "presence: seen",
    "privacy: refused for now",
    "privacy: set",
    "probe: failed",
    "probe: found",
    "probe: nothing",
    "reassert",
    "receipt: at once",
    "receipt: read",
    "receipt: read by own",
    "receipts: counted",
    "receipts: of a group",
    "reclaim: failed",
    "reclaim: replaced",
    "reclaim: taken",
    "refresh: done",
    "refresh: forgotten",
    "refresh: refused",
    "refresh: revoked",
    "removal: came back",
    "removal: done",
    "removal: nothing there",
    "repair: broke off",
    "repair: filled",
    "repair: forgotten",
    "repair: given",
    "repair: let in",
    "repair: one left",
    "repair: taken from one that joins",
    "replica: busy",
    "replica: complete",
    "replica: out of order",
    "replica: pending",
    "replica: stale group",
    "replica: stale registry",
    "replica: too new",
    "replica: too old",
    "replica: emptied",
    "replica: lost unsynced writes",
    "revocation: at hello",
    "revocation: in an open session",
    "roster: founded",
    "roster: joining",
    "route: cached gateway",
    "route: nobody is there",
    "routes stay",
    "session: slow window",
    "touch: gone",
    "touch: held",
    "touch: replaced",
    "typing: busy",
    "typing: client behind",
    "typing: late",
    "typing: local",
    "typing: not here",
    "typing: queue full",
    "typing: remote",
    "typing: shown",
    "typing: stopped",
    "typing: too often",
];
