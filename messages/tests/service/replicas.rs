//! One suite for all kinds of replicas: each does as a map in memory does, also when it was opened again.

use std::{future::Future, sync::Arc};

use chatcluster_protocol::id::{DeviceId, Stamp};
use messages_core::{
    apply::{self, Batch, Claim, Inboxes, Part, Unit},
    digest::Digest,
    record,
    replica::Replica,
    repository::Acknowledge,
    view::{MemoryView, Scan, View},
};
use proptest::prelude::*;

use crate::harness::*;

/// A kind of replica.
pub trait Engine {
    type Replica: Replica;

    fn replica(&self) -> &Self::Replica;

    /// What its clock says, until it is asked again.
    fn now(&self) -> u64;

    /// Closes it, in order or not, and opens it again.
    fn reopen(&mut self) -> impl Future<Output = ()>;
}

#[derive(Debug, Clone)]
pub enum Step {
    Append {
        to: usize,
        reference: u8,
        millis: u8,
    },
    Acknowledge {
        user: usize,
        picked: Vec<u8>,
    },
    Register {
        user: usize,
        device: u8,
    },
    /// A row of these is given or taken, as repair does it; the value is the right one, or another.
    Repair {
        row: usize,
        gives: bool,
        other: bool,
    },
    Reopen,
}

/// A step; `reopens` says how many of 11 or so open the replica again.
pub fn step(reopens: u32) -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0usize..3, 0u8..30, 0u8..60)
            .prop_map(|(to, reference, millis)| Step::Append { to, reference, millis }),
        2 => (0usize..3, prop::collection::vec(0u8..30, 0..5))
            .prop_map(|(user, picked)| Step::Acknowledge { user, picked }),
        2 => (0usize..3, 0u8..2).prop_map(|(user, device)| Step::Register { user, device }),
        2 => (0usize..200, any::<bool>(), any::<bool>())
            .prop_map(|(row, gives, other)| Step::Repair { row, gives, other }),
        reopens => Just(Step::Reopen),
    ]
}

const NAMES: [&str; 3] = ["alice", "bob", "carol"];

fn batch(step: &Step, model: &MemoryView, now: u64) -> Option<Batch> {
    let device = |n: u8| DeviceId::new(["phone", "laptop"][usize::from(n)]).unwrap();
    let parts = match step {
        Step::Append { to, reference, millis } => {
            let message = said("alice", NAMES[*to], &reference.to_string(), "hi");
            let id = id_of(&message, now + u64::from(*millis));
            let (conversation, from) = (message.conversation(), message.from.clone());
            let recipient = user(NAMES[*to]);
            let devices = vec![device(0)];
            let to = Inboxes { user: recipient.clone(), devices, version: 1 };
            vec![
                Part::Home { id, message: message.clone(), claim: Claim::First, group: None },
                Part::Deliver { id, conversation, from, to: vec![to] },
                Part::Complete { id, stored: id, message, devices: vec![(recipient, device(0))] },
            ]
        }
        Step::Acknowledge { user: name, picked } => {
            let id = |n: &u8| {
                let message = said("alice", NAMES[*name], &n.to_string(), "hi");
                id_of(&message, now + u64::from(*n))
            };
            let acknowledge = Acknowledge {
                user: user(NAMES[*name]),
                device: device(0),
                messages: picked.iter().map(id).collect(),
                receipts: Default::default(),
                stamp: Stamp::new(now, 0),
            };
            vec![Part::Acknowledge { acknowledge, there: None }]
        }
        Step::Register { user: name, device: n } => {
            vec![Part::Register {
                user: user(NAMES[*name]),
                device: device(*n),
                known: None,
                issued: Some(now),
            }]
        }
        Step::Repair { row, gives, other } => {
            let rows = model.map();
            let at = row % rows.len().max(1);
            let mut row = rows.iter().nth(at).map(|(key, value)| (key.clone(), value.clone()))?;
            if *other {
                row.1 = record::tombstone(now);
            }
            let rows = vec![row];
            vec![if *gives { Part::Join(rows) } else { Part::Erase { rows, joining: None } }]
        }
        Step::Reopen => return None,
    };
    Some(Batch(vec![Unit(parts)]))
}

/// Follows the steps beside a map in memory, and opens the replica again at the end.
pub async fn does_as_a_map_in_memory(
    engine: &mut impl Engine,
    mut model: MemoryView,
    steps: Vec<Step>,
) {
    let begin = engine.now();
    for step in steps.into_iter().chain([Step::Reopen]) {
        let now = engine.now();
        match (batch(&step, &model, begin), step) {
            (Some(batch), _) => {
                let wanted = apply::apply(&mut model, &batch, now).unwrap();
                let batches: Arc<[Batch]> = vec![batch].into();
                assert_eq!(engine.replica().apply(batches).await.unwrap().what, [wanted]);
            }
            (None, Step::Reopen) => engine.reopen().await,
            // There is nothing yet.
            (None, _) => {}
        }
        let all = Scan { from: vec![1], to: vec![255], ..Scan::prefix(vec![1], usize::MAX) };
        let page = Scan { rows: 3, ..all.clone() };
        let back = Scan { reverse: true, rows: 7, ..all.clone() };
        for scan in [all, page, back].iter().flat_map(tables) {
            let wanted = model.scan(&scan).unwrap();
            let read = engine.replica().read(vec![scan.clone()].into()).await.unwrap().what;
            assert_eq!(read, std::slice::from_ref(&wanted));
            if !scan.reverse {
                // Half of what was removed is forgotten, or none of it.
                for before in [0, begin + (now - begin) / 2, u64::MAX] {
                    let digest = engine.replica().digest(scan.clone(), before).await.unwrap();
                    assert_eq!(digest.what, Digest::of(&wanted, before));
                }
            }
        }
    }
}

/// The scan of each table.
fn tables(scan: &Scan) -> impl Iterator<Item = Scan> + use<> {
    let scan = scan.clone();
    let table = move |n: u8| Scan { from: vec![n], to: vec![n + 1], ..scan.clone() };
    (1..=18).map(table)
}
