//! Catch-up: a device comes back to an inbox with [`WAITING`] messages.
//!
//! The goal is absolute. A floor would have to send the same bytes through the same window and make the
//! same acknowledgements durable; what it took would say how the disk is today. What counts here is
//! whoever opens an app: a tenth of a second looks immediate, a whole one is the longest that does not
//! interrupt a thought (Nielsen, Usability Engineering, 1993, chapter 5). Between them lies the goal.

use std::time::{Duration, Instant};

use chatcluster_protocol::client::{Content, Recipient};
use tokio::time::sleep;

use crate::{
    deadline::within,
    server::{Fleet, STARTED, user},
    session::{Session, is_sent},
    table::{Better, Goal, Row, Table, median},
    wire::WebSocket,
};

const WAITING: usize = 1000;
/// Devices that come back in each round, one after the other.
const DEVICES: usize = 3;
/// Sends under way while an inbox is filled.
const DEPTH: usize = 50;
const SENDER: usize = 0;
const PATIENCE: Duration = Duration::from_secs(30);

/// What one device's return took.
struct Seen {
    milliseconds: f64,
    /// Microseconds of CPU time for each message.
    gateway: f64,
    messages: f64,
}

/// Fills inboxes and has their devices come back, `rounds` times.
pub(crate) async fn measure(table: &mut Table, rounds: usize) -> anyhow::Result<()> {
    let fleet = Fleet::start(false).await?;
    sleep(STARTED).await;
    let mut all = Vec::new();
    for _ in 0..rounds {
        let mut round = Vec::new();
        for device in 1..=DEVICES {
            within(PATIENCE, "filling an inbox", fill(&fleet, device)).await?;
            round.push(within(PATIENCE, "catching up", come_back(&fleet, device)).await?);
        }
        all.push(round);
    }
    report(table, &all);
    Ok(())
}

async fn fill(fleet: &Fleet, device: usize) -> anyhow::Result<()> {
    let port = fleet.gateway.port;
    // Known from its first session on.
    drop(Session::open(port, device, None).await?);
    fleet.rest().await?;
    let mut sender = Session::open(port, SENDER, None).await?;
    let (to, text) = (Recipient::User(user(device).parse()?), Content::text("Are you there?")?);
    for _ in 0..WAITING / DEPTH {
        sender.send(&to, &text, DEPTH).await?;
        sender.take(DEPTH, is_sent).await?;
    }
    Ok(())
}

async fn come_back(fleet: &Fleet, device: usize) -> anyhow::Result<Seen> {
    fleet.rest().await?;
    let socket = WebSocket::open(fleet.gateway.port, device, None).await?;
    let (gateway, messages) = (fleet.gateway.cpu()?, fleet.messages.cpu()?);
    let start = Instant::now();
    let (_open, texts) = Session::log_in(socket, device).await?;
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    anyhow::ensure!(texts == WAITING, "{texts} messages instead of {WAITING}");
    fleet.rest().await?;
    let each = |seconds: f64| seconds * 1e6 / WAITING as f64;
    Ok(Seen {
        milliseconds,
        gateway: each(fleet.gateway.cpu()? - gateway),
        messages: each(fleet.messages.cpu()? - messages),
    })
}

fn report(table: &mut Table, all: &[Vec<Seen>]) {
    let rounds = |of: fn(&Seen) -> f64| -> Vec<f64> {
        all.iter().map(|round| median(&round.iter().map(of).collect::<Vec<_>>())).collect()
    };
    let times = rounds(|seen| seen.milliseconds);
    table.add(Row {
        what: format!("catch-up: from hello to caught_up with {WAITING} messages waiting, ms"),
        floor: None,
        measured: format!("{:.0} ms", median(&times)),
        rounds: times,
        better: Better::Lower,
        goal: Some(Goal::reported(250.0, 100.0)),
    });
    let mut cpu = |whose: &str, rounds: Vec<f64>| {
        table.add(Row {
            what: format!("catch-up: the {whose}'s CPU for each message, µs"),
            floor: None,
            measured: format!("{:.1} µs", median(&rounds)),
            rounds,
            better: Better::Lower,
            goal: None,
        });
    };
    cpu("gateway", rounds(|seen| seen.gateway));
    cpu("message service", rounds(|seen| seen.messages));
}
