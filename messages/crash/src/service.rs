//! A pod of the message service with its clients, as a process of its own: so it can be killed. What its clients are
//! told goes to its output, and what was written there before it is killed was told.

use std::{collections::BTreeSet, io::Write, sync::Arc, time::Duration};

use chatcluster_erlang::Settings;
use chatcluster_messages::{
    Metrics,
    mnesia::{Mnesia, Removal},
    tending::{Pace, tend},
    wall_clock,
};
use chatcluster_protocol::{
    client::{Body, ContentType},
    id::{DeviceId, Identity, MessageId, Reference, Stamp, UserId},
};
use chatcluster_testkit::erlang::{COOKIE, TICK_TIME};
use messages_core::{
    key::Ids,
    record::{Archived, To},
    repository::{
        Acknowledge, Append, Direction, InboxCursor, Query, Quorum, Repository, RepositoryError,
    },
};
use prometheus_client::registry::Registry;
use tokio::{runtime, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::words::Word;

/// Messages in one call, most of the time.
const BATCH: u64 = 24;

/// Replicas are compared much more often than where people are served.
const PACE: Pace = Pace {
    step: Duration::from_millis(5),
    fill: Duration::ZERO,
    pass: Duration::from_secs(2),
    look: Duration::from_millis(200),
};

/// Before something that failed is tried again.
const AGAIN: Duration = Duration::from_millis(20);

/// What a service is told on its command line.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Service {
    /// What its users are called after
    #[arg(long)]
    name: String,
    /// The database nodes, by host and port
    #[arg(long, value_delimiter = ',')]
    nodes: Vec<String>,
    /// Users that write at the same time, each to a user that reads
    #[arg(long)]
    writers: usize,
    /// Count a write when one replica has it (in a build with the feature `planted`)
    #[arg(long)]
    one_replica: bool,
}

/// How a node is reached.
pub(crate) fn replica(address: &str) -> Mnesia {
    let settings = Settings { tick_time: TICK_TIME, ..Settings::new(address, COOKIE) };
    let metrics = Metrics::new(&mut Registry::default());
    Mnesia::new(settings, Removal::Tombstone, wall_clock(), Arc::new(metrics))
}

/// Runs until it is killed.
pub(crate) fn serve(service: Service) -> anyhow::Result<()> {
    #[cfg(feature = "planted")]
    if service.one_replica {
        use chatcluster_protocol::planted::{Bug, plant};
        plant(Some(Bug::OneReplicaWrites));
    }
    // One thread: a bug is planted in a thread.
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let replicas = service.nodes.iter().map(|address| replica(address)).collect();
        let quorum = Arc::new(Quorum::new(replicas));
        let metrics = Arc::new(Metrics::new(&mut Registry::default()));
        let never = CancellationToken::new();
        tokio::spawn(tend(quorum.clone(), PACE, wall_clock(), metrics, never));
        let clients: Vec<_> = (0..service.writers).map(|n| Pair::new(&service.name, n)).collect();
        for pair in &clients {
            let register =
                || quorum.register(pair.reader.clone(), pair.device.clone(), wall_clock()());
            while register().await.is_err() {
                sleep(AGAIN).await;
            }
        }
        for pair in clients.clone() {
            tokio::spawn(reads(quorum.clone(), pair));
        }
        let writers = clients.into_iter().map(|pair| tokio::spawn(writes(quorum.clone(), pair)));
        for writer in writers.collect::<Vec<_>>() {
            writer.await?;
        }
        Ok(())
    })
}

/// Who writes, and to whom.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    number: usize,
    pub(crate) writer: UserId,
    pub(crate) reader: UserId,
    pub(crate) device: DeviceId,
}

impl Pair {
    pub(crate) fn new(service: &str, number: usize) -> Self {
        let user = |what: &str| {
            UserId::new(format!("{what}-{service}-{number}")).expect("the name of a user")
        };
        let device = DeviceId::new("phone").expect("the name of a device");
        Self { number, writer: user("writer"), reader: user("reader"), device }
    }

    /// The writer's message of this number.
    pub(crate) fn message(&self, number: u64) -> Archived {
        Archived {
            from: self.writer.clone(),
            device: self.device.clone(),
            reference: Reference::new(number.to_string()).expect("a reference"),
            to: To::User(self.reader.clone()),
            kind: ContentType::default(),
            body: Body::new("x".repeat(200)).expect("a body"),
        }
    }
}

/// Tells what a client has just been told.
fn say(word: &Word) {
    // All at once: whoever is killed in between has said nothing.
    let line = format!("{word}\n");
    // Nobody listens any more: then it is about to be killed.
    let _ = std::io::stdout().write_all(line.as_bytes());
}

/// Writes for ever. What failed is repeated under the same references and new ids, until it is stored.
async fn writes(quorum: Arc<Quorum<Mnesia>>, pair: Pair) {
    let mut next = 0;
    for round in 0.. {
        // Some calls are small, as some batches are.
        let count = if round % 5 == 4 { 1 } else { BATCH };
        let (mut open, mut stored): (Vec<u64>, _) = ((next..next + count).collect(), Vec::new());
        while !open.is_empty() {
            let outcomes = quorum.append(appends(&pair, &open)).await;
            let (mut failed, mut done) = (Vec::new(), Vec::new());
            for (number, outcome) in open.into_iter().zip(outcomes) {
                match outcome {
                    Ok(outcome) => done.push((number, outcome.id)),
                    Err(_) => failed.push(number),
                }
            }
            if !done.is_empty() {
                say(&Word::Stored(pair.number, done.clone()));
                stored.extend(done);
            }
            open = failed;
            if !open.is_empty() {
                sleep(AGAIN).await;
            }
        }
        next += count;
        if round % 3 == 0 {
            let ids: Vec<_> = stored.iter().map(|(_, id)| *id).step_by(2).collect();
            remove(&quorum, &pair, ids).await;
        }
    }
}

fn appends(pair: &Pair, numbers: &[u64]) -> Vec<Append> {
    let now = wall_clock()();
    let append = |(counter, number): (u16, &u64)| {
        let message = pair.message(*number);
        let identity = Identity::of(&message.from, &message.device, &message.reference);
        Append { id: MessageId::new(Stamp::new(now, counter), identity), message }
    };
    (0..).zip(numbers).map(append).collect()
}

/// The reader acknowledges these, as often as it takes.
async fn remove(quorum: &Quorum<Mnesia>, pair: &Pair, ids: Vec<MessageId>) {
    say(&Word::Removing(pair.number, ids.clone()));
    let acknowledge = || Acknowledge {
        user: pair.reader.clone(),
        device: pair.device.clone(),
        messages: ids.iter().copied().collect(),
        receipts: BTreeSet::new(),
        stamp: Stamp::new(wall_clock()(), 0),
    };
    while quorum.acknowledge(vec![acknowledge()]).await.is_err() {
        sleep(AGAIN).await;
    }
    say(&Word::Removed(pair.number, ids));
}

/// Reads for ever, as clients do that come and go.
async fn reads(quorum: Arc<Quorum<Mnesia>>, pair: Pair) {
    loop {
        let inbox = waiting(&quorum, &pair).await.map(drop);
        let page = history(&pair, Ids::ALL);
        let history = quorum.query(page, wall_clock()()).await.map(drop);
        if inbox.and(history).is_err() {
            sleep(AGAIN).await;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// All that waits for the reader.
pub(crate) async fn waiting(
    quorum: &Quorum<Mnesia>,
    pair: &Pair,
) -> Result<Vec<MessageId>, RepositoryError> {
    let (mut all, mut from) = (Vec::new(), Some(InboxCursor::Start));
    while let Some(cursor) = from {
        let (user, device) = (pair.reader.clone(), pair.device.clone());
        let page = quorum.inbox(user, device, cursor, 500, usize::MAX).await?;
        all.extend(page.messages.iter().map(|message| message.message));
        from = page.next;
    }
    Ok(all)
}

/// A page of what the writer has sent, the newest first.
pub(crate) fn history(pair: &Pair, ids: Ids) -> Query {
    Query {
        user: None,
        conversation: Some(pair.message(0).conversation()),
        sender: None,
        content_type: None,
        ids,
        direction: Direction::Backward,
        limit: 500,
        bytes: usize::MAX,
    }
}
