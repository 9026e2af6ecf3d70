//! One suite for all kinds of replicas: each does as a map in memory does, also when it was opened again.

use std::{future::Future, sync::Arc};

use chatcluster_protocol::id::{DeviceId, Stamp};
use messages_core::{
    apply::{self, Batch, Claim, Inboxes, Part, Unit},
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
    Append { to: usize, reference: u8, millis: u8 },
    Acknowledge { user: usize, picked: Vec<u8> },
    Register { user: usize, device: u8 },
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
        reopens => Just(Step::Reopen),
    ]
}

const NAMES: [&str; 3] = ["alice", "bob", "carol"];

fn batch(step: &Step, now: u64) -> Option<Batch> {
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
        match batch(&step, begin) {
            Some(batch) => {
                let wanted = apply::apply(&mut model, &batch, now).unwrap();
                let batches: Arc<[Batch]> = vec![batch].into();
                assert_eq!(engine.replica().apply(batches).await.unwrap(), [wanted]);
            }
            None => engine.reopen().await,
        }
        let all = Scan { from: vec![1], to: vec![255], ..Scan::prefix(vec![1], usize::MAX) };
        for scan in tables(&all).chain(tables(&Scan { reverse: true, rows: 7, ..all.clone() })) {
            let wanted = model.scan(&scan).unwrap();
            assert_eq!(engine.replica().read(vec![scan].into()).await.unwrap(), [wanted]);
        }
    }
}

/// The scan of each table.
fn tables(scan: &Scan) -> impl Iterator<Item = Scan> {
    let table = |n: u8| Scan { from: vec![n], to: vec![n + 1], ..scan.clone() };
    (1..=17).map(table)
}
