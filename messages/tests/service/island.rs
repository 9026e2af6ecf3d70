//! Three real database nodes, and services that store on a majority of them and give each what it lacks.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use chatcluster_messages::{
    Metrics,
    mnesia::{Mnesia, Removal},
    tending::{Pace, tend},
    wall_clock,
};
use chatcluster_protocol::id::{DeviceId, MessageId, Stamp};
use messages_core::{
    key::{self, Key},
    record::is_tombstone,
    replica::Replica,
    repository::{Acknowledge, Append, InboxCursor, Quorum, Repository},
    view::Scan,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    database::{Database, millis},
    harness::*,
};

/// In tests replicas are compared all the time.
const PACE: Pace = Pace {
    step: Duration::from_millis(2),
    fill: Duration::ZERO,
    pass: Duration::from_millis(500),
    look: Duration::from_millis(200),
};

/// Messages that are stored before the next node loses its disk.
const EACH: u64 = 120;

/// A service, and what it does for the replicas.
struct Service {
    quorum: Arc<Quorum<Mnesia>>,
    metrics: Arc<Metrics>,
    _tends: DropGuard,
}

impl Service {
    async fn start(databases: &[Database]) -> Self {
        let metrics = metrics();
        let replica = |database: &Database| {
            Mnesia::new(database.settings(), Removal::Tombstone, wall_clock(), metrics.clone())
        };
        let quorum = Arc::new(Quorum::new(databases.iter().map(replica).collect()));
        let stop = CancellationToken::new();
        let tends = tend(quorum.clone(), PACE, wall_clock(), metrics.clone(), stop.clone());
        tokio::spawn(tends);
        let service = Self { quorum, metrics, _tends: stop.drop_guard() };
        eventually("three that vote", || async {
            let attendance = service.quorum.attend().await.ok()?;
            (attendance.voting == 3).then_some(())
        })
        .await;
        service
    }

    async fn inbox(&self) -> Option<Vec<MessageId>> {
        let (mut all, mut from) = (Vec::new(), Some(InboxCursor::Start));
        while let Some(cursor) = from {
            let page = self.quorum.inbox(user("bob"), phone(), cursor, 500, usize::MAX);
            let page = page.await.ok()?;
            all.extend(page.messages.iter().map(|message| message.message));
            from = page.next;
        }
        Some(all)
    }
}

fn phone() -> DeviceId {
    DeviceId::new("phone").unwrap()
}

/// What a sender was told, and how long it waited at most.
#[derive(Default)]
struct Told {
    owed: Vec<MessageId>,
    removed: Vec<MessageId>,
    failed: usize,
    stall: Duration,
}

/// Writes to bob, who acknowledges every third message, until it is told to stop. It counts what is stored.
async fn writes(
    quorum: Arc<Quorum<Mnesia>>,
    sender: String,
    count: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
) -> Told {
    let mut told = Told::default();
    let mut since = Instant::now();
    for n in 0.. {
        if stop.load(SeqCst) {
            break;
        }
        let message = said(&sender, "bob", &n.to_string(), &"x".repeat(200));
        let id = id_of(&message, millis().max(n));
        let stored = quorum.append(vec![Append { id, message }]).await.pop().unwrap();
        let Ok(stored) = stored else {
            told.failed += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        count.fetch_add(1, SeqCst);
        told.stall = told.stall.max(since.elapsed());
        since = Instant::now();
        told.owed.push(stored.id);
        if n % 3 == 0 {
            let acknowledge = Acknowledge {
                user: user("bob"),
                device: phone(),
                messages: [stored.id].into(),
                receipts: Default::default(),
                stamp: Stamp::new(millis(), 0),
            };
            if quorum.acknowledge(vec![acknowledge]).await.is_ok() {
                told.removed.push(stored.id);
            }
            // Else it may be gone, or not.
            told.owed.pop();
        }
    }
    told
}

/// All that a node has and has not removed.
async fn content(replica: &Mnesia) -> Option<BTreeMap<Key, Vec<u8>>> {
    let mut all = BTreeMap::new();
    for table in key::Table::ALL {
        let mut scan = Scan::prefix(vec![table as u8], 2_000);
        loop {
            let page = replica.read(vec![scan.clone()].into()).await.ok()?.what.pop()?;
            let last = page.rows.last().map(|(key, _)| key::behind(key));
            all.extend(page.rows.into_iter().filter(|(_, value)| !is_tombstone(value)));
            match last {
                Some(last) if page.truncated => scan.from = last,
                _ => break,
            }
        }
    }
    Some(all)
}

/// P1 and P4 on real nodes: whatever two services were told is so, though one node after the other loses its disk
/// while they write, and though another one is missing when that is looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_lose_their_disks_one_after_the_other_lose_nothing() {
    let mut databases: Vec<_> = (0..3).map(|_| Database::start()).collect();
    let services = [Service::start(&databases).await, Service::start(&databases).await];
    services[0].quorum.register(user("bob"), phone(), millis()).await.unwrap();
    let (count, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writer = |at: usize| {
        let quorum = services[at].quorum.clone();
        tokio::spawn(writes(quorum, format!("sender-{at}"), count.clone(), stop.clone()))
    };
    let writers = [writer(0), writer(1)];
    for (round, at) in [2, 0, 1].into_iter().enumerate() {
        let more = count.load(SeqCst) + EACH;
        eventually("messages", || async { (count.load(SeqCst) >= more).then_some(()) }).await;
        let before = services[0].quorum.attend().await.unwrap();
        assert_eq!(before.voting, 3, "{before:?}");
        databases[at].empty();
        let began = Instant::now();
        eventually("another one that votes", || async {
            let filled = services.iter().map(|service| service.metrics.repair.filled.get());
            let attendance = services[0].quorum.attend().await.ok()?;
            (filled.sum::<u64>() > round as u64 && attendance.voting == 3).then_some(())
        })
        .await;
        println!("node {at} votes again after {:?}", began.elapsed());
    }
    stop.store(true, SeqCst);
    let mut told = Told::default();
    for writer in writers {
        let writer = writer.await.unwrap();
        told.owed.extend(writer.owed);
        told.removed.extend(writer.removed);
        told.failed += writer.failed;
        told.stall = told.stall.max(writer.stall);
    }
    let Told { owed, removed, failed, stall } = &told;
    println!(
        "{} stored, {} removed, {failed} failed, longest wait {stall:?}",
        owed.len() + removed.len(),
        removed.len()
    );
    assert!(owed.len() > 300, "only {} were stored", owed.len());

    // Whichever is missing.
    for (at, database) in databases.iter_mut().enumerate() {
        database.node.process().pause();
        let inbox = eventually("an inbox", || services[1].inbox()).await;
        let missing = owed.iter().filter(|id| !inbox.contains(id)).count();
        let back = removed.iter().filter(|id| inbox.contains(id)).count();
        assert_eq!((missing, back), (0, 0), "without node {at}");
        database.node.process().resume();
    }

    // And all have the same.
    let mut replicas = Vec::new();
    for database in &databases {
        replicas.push(database.replica(Removal::Tombstone, wall_clock()).await);
    }
    eventually("nodes with the same content", || async {
        let first = content(&replicas[0]).await?;
        let others = [content(&replicas[1]).await?, content(&replicas[2]).await?];
        others.iter().all(|other| *other == first).then_some(())
    })
    .await;
}
