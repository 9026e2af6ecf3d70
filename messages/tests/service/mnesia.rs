//! The replica on a real database node: it does as a map in memory does, also after the node was killed, and
//! beside others that write to the same node.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use chatcluster_messages::{
    Clock,
    mnesia::{Mnesia, Removal},
    wall_clock,
};
use messages_core::{
    apply::{Batch, Claim, Effect, Part, Unit, UnitReply},
    key,
    record::{self, Id},
    replica::{Identity, Replica, ReplicaError},
    view::{MemoryView, Scan},
};
use proptest::prelude::*;

use crate::{
    database::{Database, millis},
    harness::*,
    replicas::{Engine, Step, does_as_a_map_in_memory, step},
};

struct Killed {
    database: Database,
    replica: Mnesia,
    now: Arc<AtomicU64>,
}

impl Engine for Killed {
    type Replica = Mnesia;

    fn replica(&self) -> &Mnesia {
        &self.replica
    }

    fn now(&self) -> u64 {
        // The node takes nothing that was decided long ago.
        self.now.store(millis(), SeqCst);
        self.now.load(SeqCst)
    }

    async fn reopen(&mut self) {
        self.database.kill_and_restart();
        eventually("the node again", || async {
            self.replica.read(vec![Scan::prefix(vec![1], 1)].into()).await.ok()
        })
        .await;
    }
}

async fn follows_a_map_in_memory(removal: Removal, model: MemoryView, steps: Vec<Step>) {
    let database = Database::start();
    let now = Arc::new(AtomicU64::new(millis()));
    let clock = now.clone();
    let replica = database.replica(removal, Arc::new(move || clock.load(SeqCst))).await;
    let mut engine = Killed { database, replica, now };
    does_as_a_map_in_memory(&mut engine, model, steps).await;
}

/// Some steps, another start, and some more.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = || prop::collection::vec(step(0), 30);
    (some(), some()).prop_map(|(before, after)| [before, vec![Step::Reopen], after].concat())
}

proptest! {
    // A node takes seconds to start, and one that fails is told without a smaller one.
    #![proptest_config(ProptestConfig { cases: 1, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn it_does_as_a_map_in_memory_does_also_after_it_was_killed(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follows_a_map_in_memory(Removal::Gone, MemoryView::default(), steps));
    }

    #[test]
    fn as_one_of_several_it_keeps_tombstones(steps in steps()) {
        let model = MemoryView::with_tombstones();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follows_a_map_in_memory(Removal::Tombstone, model, steps));
    }
}

/// A message of one sender, and nothing but its home.
fn home(n: u64, at: u64) -> Arc<[Batch]> {
    let message = said("alice", "bob", &n.to_string(), "hi");
    let id = id_of(&message, at);
    let part = Part::Home { id, message, claim: Claim::First, group: None };
    vec![Batch(vec![Unit(vec![part])])].into()
}

fn is_stored(replies: &[Vec<UnitReply>]) -> bool {
    replies.iter().flatten().all(|reply| reply.stop.is_none() && reply.effects == [Effect::Applied])
}

/// Everything that two services were told is stored is there after the node was killed in the middle of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill() {
    let mut database = Database::start();
    let mut acknowledged = Vec::new();
    for round in 0..3u64 {
        let stored = Arc::new(AtomicU64::new(0));
        let mut writers = Vec::new();
        for service in 0..2u64 {
            let replica = database.replica(Removal::Tombstone, wall_clock()).await;
            let stored = stored.clone();
            writers.push(tokio::spawn(async move {
                let mut done = Vec::new();
                for n in 0.. {
                    let name = format!("{round}-{service}-{n}");
                    let message =
                        said(&format!("sender-{service}"), "bob", &name, &"x".repeat(2000));
                    let id = id_of(&message, millis() + n);
                    let key = key::archive(message.conversation(), id);
                    let part = Part::Home { id, message, claim: Claim::First, group: None };
                    let batch = vec![Batch(vec![Unit(vec![part])])].into();
                    match replica.apply(batch).await {
                        Ok(answer) if is_stored(&answer.what) => done.push(key),
                        // The other sender's clock is not ours: a lower id than before is refused.
                        Ok(_) => {}
                        Err(_) => break,
                    }
                    stored.fetch_add(1, SeqCst);
                }
                done
            }));
        }
        eventually("writes", || async { (stored.load(SeqCst) > 400).then_some(()) }).await;
        database.kill_and_restart();
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
    }
    let replica = database.replica(Removal::Tombstone, wall_clock()).await;
    assert!(acknowledged.len() > 1000, "{}", acknowledged.len());
    for keys in acknowledged.chunks(500) {
        let scans: Vec<_> = keys.iter().cloned().map(Scan::one).collect();
        let pages = replica.read(scans.into()).await.unwrap().what;
        assert!(pages.iter().all(|page| page.rows.len() == 1), "an acknowledged message is gone");
    }
    println!("{} acknowledged, none lost", acknowledged.len());
}

/// Two services write for one sender to one conversation: every decision of one may be about what the other has
/// just changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_beside_each_other_decide_by_what_is_so() {
    const EACH: u64 = 150;
    let database = Database::start();
    let [one, two] = [
        database.replica(Removal::Tombstone, wall_clock()).await,
        database.replica(Removal::Tombstone, wall_clock()).await,
    ];
    let begin = millis();
    let write = |replica: Mnesia, service: u64| {
        tokio::spawn(async move {
            let mut stored = 0;
            for n in 0..EACH {
                // Busy says that others were always faster, and that nothing was done.
                let replies = eventually("a decision", || async {
                    let outcome =
                        replica.apply(home(2 * n + service, begin + 2 * n + service)).await;
                    (outcome != Err(ReplicaError::Busy)).then_some(outcome)
                });
                stored += u64::from(is_stored(&replies.await.unwrap().what));
            }
            stored
        })
    };
    let writers = [write(one.clone(), 0), write(two, 1)];
    let mut stored = 0;
    for writer in writers {
        stored += writer.await.unwrap();
    }
    let archive = Scan::prefix(vec![key::Table::Archive as u8], usize::MAX);
    let order = Scan::prefix(vec![key::Table::Order as u8], usize::MAX);
    let pages = one.read(vec![archive, order].into()).await.unwrap().what;
    assert_eq!(
        pages[0].rows.len() as u64,
        stored,
        "what was refused is not there, and the rest is"
    );
    let highest = key::id_of(&pages[0].rows.last().unwrap().0).unwrap();
    let [(key, value)] = &pages[1].rows[..] else { panic!("{:?}", pages[1]) };
    assert_eq!(record::decode::<Id>(key, value), Ok(Some(Id(highest))));
    println!("{stored} of {} stored, the rest came below another", 2 * EACH);
}

#[tokio::test]
async fn a_node_whose_disk_was_emptied_answers_as_another_one() {
    let mut database = Database::start();
    let replica = database.replica(Removal::Tombstone, wall_clock()).await;
    let sole = database.replica(Removal::Gone, wall_clock()).await;
    let before = replica.apply(home(1, millis())).await.unwrap();
    assert!(is_stored(&before.what));
    assert_eq!(asked(&sole).await.unwrap(), before.by);
    database.empty();
    let by = eventually("another node", || async {
        asked(&replica).await.ok().filter(|by| *by != before.by)
    })
    .await;
    let after = replica.apply(home(2, millis())).await.unwrap();
    assert!(is_stored(&after.what));
    assert_eq!(after.by, by);
    // Where it was the only one, nobody takes it for the one that had all.
    let (read, write) = eventually("a refusal", || async {
        let read = asked(&sole).await.unwrap_err();
        let write = sole.apply(home(3, millis())).await.unwrap_err();
        let text =
            |error: &ReplicaError| error.to_string().contains("its disk was emptied or damaged");
        (text(&read) && text(&write)).then_some((read, write))
    })
    .await;
    println!("{read}; {write}");
}

/// Who answers.
async fn asked(replica: &Mnesia) -> Result<Identity, ReplicaError> {
    let answer = replica.read(vec![Scan::prefix(vec![1], 1)].into()).await?;
    Ok(answer.by)
}

#[tokio::test]
async fn who_was_damaged_is_another_one_too() {
    let mut database = Database::start();
    let replica = database.replica(Removal::Tombstone, wall_clock()).await;
    for n in 0..3 {
        assert!(is_stored(&replica.apply(home(n, millis() + n)).await.unwrap().what));
    }
    let before = asked(&replica).await.unwrap();
    database.node.process().kill();
    let log = database.data().join("LATEST.LOG");
    spoil(&log, b"alice");
    database.node.restart(true);
    eventually("another node", || async { asked(&replica).await.ok().filter(|by| *by != before) })
        .await;
    let sole = Mnesia::new(database.settings(), Removal::Gone, wall_clock(), metrics());
    let error = eventually("an answer", || async {
        let error = sole.connected(Duration::from_secs(1)).await.unwrap_err().to_string();
        error.contains("damaged").then_some(error)
    });
    println!("{}", error.await);
    assert!(database.data().join("LATEST.LOG.damaged").exists());
}

/// Changes the first bytes like these.
fn spoil(file: &Path, bytes: &[u8]) {
    let mut content = std::fs::read(file).unwrap();
    let at = content.windows(bytes.len()).position(|window| window == bytes).unwrap();
    content[at..at + bytes.len()].fill(b'?');
    std::fs::write(file, content).unwrap();
}

#[tokio::test]
async fn by_a_clock_that_is_wrong_decisions_are_made_as_by_the_nodes() {
    let database = Database::start();
    let ahead: Clock = Arc::new(|| millis() + 3_600_000);
    let replica = database.replica(Removal::Tombstone, ahead).await;
    // An id by the node's clock is neither too old nor too new.
    assert!(is_stored(&replica.apply(home(1, millis())).await.unwrap().what));
}

#[tokio::test]
async fn a_stopped_node_is_told_of_in_time_and_is_back_when_it_goes_on() {
    let mut database = Database::start();
    let replica = database.replica(Removal::Tombstone, wall_clock()).await;
    assert!(is_stored(&replica.apply(home(1, millis())).await.unwrap().what));
    database.node.process().pause();
    let began = std::time::Instant::now();
    let error = replica.apply(home(2, millis())).await.unwrap_err();
    println!("{error} after {:?}", began.elapsed());
    assert!(began.elapsed() < DEADLINE / 2);
    database.node.process().resume();
    eventually("writing again", || async {
        let at = millis();
        replica.apply(home(at, at)).await.is_ok_and(|answer| is_stored(&answer.what)).then_some(())
    })
    .await;
}
