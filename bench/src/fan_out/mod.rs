//! Fan-out: what one member of a group says, delivered to all others.
//!
//! The sender writes [`DEPTH`] messages at once, and again once everybody has them; the others acknowledge
//! what they get. At the floor the same bytes go to as many connections, and nothing comes back. The
//! gateway's CPU time has all that it does for it: sends, the message service's calls, acknowledgements.

mod plain;
mod room;

use std::time::{Duration, Instant};

use tokio::time::sleep;

use self::{plain::Plain, room::Room};
use crate::{
    deadline::within,
    floor,
    server::{Fleet, STARTED, Server},
    table::{Better, Goal, Row, Table, median},
};

const SIZES: [usize; 2] = [100, 1000];
/// Messages under way.
const DEPTH: usize = 16;
const LASTING: Duration = Duration::from_secs(2);
/// For what one window takes, on a machine that others use, too.
const WINDOW: Duration = Duration::from_secs(30);

/// What one round found.
struct Seen {
    /// Deliveries for each second of CPU time.
    floor: f64,
    gateway: f64,
    /// Microseconds of the message service for each delivery.
    messages: f64,
}

/// Floor and gateway in turn, for each size of the group.
pub(crate) async fn measure(table: &mut Table, rounds: usize) -> anyhow::Result<()> {
    let fleet = Fleet::start(false).await?;
    sleep(STARTED).await;
    for size in SIZES {
        let floor = Server::floor(floor::Kind::FanOut).await?;
        let mut plain = Plain::open(floor.port, size).await?;
        let mut room = Room::open(fleet.gateway.port, size).await?;
        let mut seen = Vec::new();
        for _ in 0..rounds {
            floor.rest().await?;
            let before = floor.cpu()?;
            let delivered = repeated(size, async || plain.window().await).await?;
            let floor = delivered / (floor.cpu()? - before);

            // The first window has what the members still owe, and what both sides learn.
            within(WINDOW, "a first window", room.window()).await?;
            fleet.rest().await?;
            let (gateway, messages) = (fleet.gateway.cpu()?, fleet.messages.cpu()?);
            let delivered = repeated(size, async || room.window().await).await?;
            fleet.rest().await?;
            seen.push(Seen {
                floor,
                gateway: delivered / (fleet.gateway.cpu()? - gateway),
                messages: (fleet.messages.cpu()? - messages) * 1e6 / delivered,
            });
        }
        report(table, size, &seen);
    }
    Ok(())
}

/// Says how many deliveries there were.
async fn repeated(
    size: usize,
    mut window: impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<f64> {
    let (end, mut windows) = (Instant::now() + LASTING, 0);
    while Instant::now() < end {
        within(WINDOW, "a window of messages to a group", window()).await?;
        windows += 1;
    }
    Ok((windows * DEPTH * (size - 1)) as f64)
}

fn report(table: &mut Table, size: usize, seen: &[Seen]) {
    let all = |of: fn(&Seen) -> f64| seen.iter().map(of).collect::<Vec<_>>();
    let rate = |of| format!("{:.0} k/s", median(&all(of)) / 1e3);
    table.add(Row {
        what: format!("fan-out to a group of {size}: deliveries per gateway CPU second"),
        floor: Some(rate(|seen| seen.floor)),
        measured: rate(|seen| seen.gateway),
        rounds: all(|seen| seen.gateway / seen.floor),
        better: Better::Higher,
        goal: Some(Goal::reported(0.8, 0.95)),
    });
    table.add(Row {
        what: format!(
            "fan-out to a group of {size}: the message service's CPU for each delivery, µs"
        ),
        floor: None,
        measured: format!("{:.1} µs", median(&all(|seen| seen.messages))),
        rounds: all(|seen| seen.messages),
        better: Better::Lower,
        goal: None,
    });
}
