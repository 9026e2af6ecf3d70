//! What a connection that stays open saves: the same few messages to the same users in three ways.
//!
//! Each way has the same users. First nothing comes for [`SILENT`], then each user gets a message every
//! [`EVERY`], evenly spread over it. All three are plain, without TLS, and carry the message as the same
//! JSON. The receivers are connected before anything is counted, and what they do by the clock is spread
//! over their number.

mod counted;
mod http;
mod long_poll;
mod mailboxes;
mod poll;
mod report;
mod sender;
mod tally;
mod websocket;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    floor,
    server::{Fleet, STARTED, Server},
};

pub(crate) use mailboxes::serve;
pub(crate) use report::Report;
use sender::Sender;
use tally::Tally;

/// Who gets messages.
const USERS: usize = 500;
/// A user gets a message this often.
const EVERY: Duration = Duration::from_secs(10);
/// How long nothing comes before.
const SILENT: Duration = Duration::from_secs(10);
/// How long messages come.
const LASTING: Duration = Duration::from_secs(20);
/// Between two messages, to whomever.
const GAP: Duration = Duration::from_nanos(EVERY.as_nanos() as u64 / USERS as u64);
/// Messages of a round.
const MESSAGES: usize = (LASTING.as_nanos() / GAP.as_nanos()) as usize;
/// Until all clients are at rest.
const SETTLED: Duration = Duration::from_secs(2);
/// A round with all around it.
const LONGEST: Duration = Duration::from_secs(90);
/// The last message of a round comes within this.
const LATE: Duration = Duration::from_secs(10);

/// What a round showed.
struct Round {
    tally: Arc<Tally>,
    silent: Used,
    talking: Used,
}

/// What a part of a round took.
struct Used {
    lasting: Duration,
    /// CPU seconds of each server.
    cpu: Vec<f64>,
    /// Through the sockets of all receivers, both directions.
    bytes: u64,
}

/// The three ways in turn, `rounds` times.
pub(crate) async fn measure(rounds: usize) -> anyhow::Result<Report> {
    let fleet = Fleet::start(false).await?;
    let mailboxes = Server::floor(floor::Kind::LongPoll).await?;
    sleep(STARTED).await;
    let mut report = Report::default();
    for _ in 0..rounds {
        report.poll.push(limited("polling", polling(&fleet)).await?);
        report.long_poll.push(limited("long polling", long_polling(&mailboxes)).await?);
        report.websocket.push(limited("WebSocket", connected(&fleet)).await?);
    }
    Ok(report)
}

async fn limited(
    way: &str,
    round: impl Future<Output = anyhow::Result<Round>>,
) -> anyhow::Result<Round> {
    let round = timeout(LONGEST, Box::pin(round)).await;
    round.context("takes too long").flatten().with_context(|| way.to_owned())
}

async fn polling(fleet: &Fleet) -> anyhow::Result<Round> {
    let tally = Arc::new(Tally::new()?);
    let clients = poll::start(fleet, &tally).await?;
    let sender = Sender::connect(fleet, poll::receiver).await?;
    round(&[&fleet.gateway, &fleet.messages], tally, clients, sender).await
}

async fn long_polling(mailboxes: &Server) -> anyhow::Result<Round> {
    let tally = Arc::new(Tally::new()?);
    let clients = long_poll::start(mailboxes, &tally).await?;
    let feeder = long_poll::Feeder::connect(mailboxes).await?;
    round(&[mailboxes], tally, clients, feeder).await
}

async fn connected(fleet: &Fleet) -> anyhow::Result<Round> {
    let tally = Arc::new(Tally::new()?);
    let clients = websocket::start(fleet, &tally).await?;
    let sender = Sender::connect(fleet, websocket::receiver).await?;
    round(&[&fleet.gateway, &fleet.messages], tally, clients, sender).await
}

/// Sends the messages of a round.
trait Send {
    /// From now on, for [`LASTING`].
    async fn send(self, tally: &Tally) -> anyhow::Result<()>;
}

async fn round(
    servers: &[&Server],
    tally: Arc<Tally>,
    mut clients: JoinSet<anyhow::Result<()>>,
    sender: impl Send,
) -> anyhow::Result<Round> {
    let measured = async {
        sleep(SETTLED).await;
        let silence = async {
            sleep(SILENT).await;
            Ok(())
        };
        let silent = used(servers, &tally, silence).await?;
        let talking = used(servers, &tally, sender.send(&tally)).await?;
        let complete = timeout(LATE, tally.complete()).await;
        complete.with_context(|| format!("{} messages never came", tally.missing()))?;
        Ok(Round { tally: tally.clone(), silent, talking })
    };
    tokio::select! {
        round = measured => round,
        Some(ended) = clients.join_next() => match ended? {
            Ok(()) => bail!("a client has ended"),
            Err(error) => Err(error.context("a client has failed")),
        },
    }
}

async fn used(
    servers: &[&Server],
    tally: &Tally,
    during: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Used> {
    let cpu = || servers.iter().map(|server| server.cpu()).collect::<anyhow::Result<Vec<_>>>();
    let (start, before, bytes) = (Instant::now(), cpu()?, tally.bytes());
    during.await?;
    let cpu = cpu()?.iter().zip(before).map(|(after, before)| after - before).collect();
    Ok(Used { lasting: start.elapsed(), cpu, bytes: tally.bytes() - bytes })
}
