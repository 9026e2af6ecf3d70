//! The hop from gateway to gateway: from handing over a delivery to having its outcome.
//!
//! Both ends are what a gateway really runs: this process hands deliveries to the outgoing link of the
//! gateway's own library, in a runtime like that of the program, and the shipped gateway answers at its
//! peer port (mutual TLS, session table). The floor is the least that does the same: one blocking thread
//! for each direction here, one that answers there, plain TCP. The deliveries are for devices that the
//! gateway does not hold, so no client's socket is part of the figure.
//!
//! Floor and product are paced by the same [`Pace`], in a runtime, and each message is stamped in the
//! same place: when it is handed over, before it waits for anything. What hands over is a task of the
//! link's runtime, as in the program, where deliveries come out of tasks; at the floor it writes by
//! itself. So what a busy machine takes from the pacing, it takes from both. A round lasts a second, and
//! there are many in turn: the median of their ratios passes over the rounds in which the machine did
//! something else.

mod link;
mod plain;

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::time::{Interval, interval};

use crate::{
    floor,
    server::{Fleet, Server},
    table::{Better, Goal, Row, Table, median},
};

const RATES: [u64; 2] = [20_000, 100_000];
const LASTING: Duration = Duration::from_secs(1);
/// What is due is handed over this often.
const TICK: Duration = Duration::from_millis(1);
/// What takes longer counts as this, in nanoseconds.
const LONGEST: u64 = 60_000_000_000;
/// Rounds for each one of the other figures, which take longer.
const ROUNDS: usize = 3;

/// What one second showed.
struct Seen {
    /// The 99th percentile, in microseconds.
    p99: f64,
    /// CPU time of the server for each message, in microseconds.
    cpu: f64,
}

/// Floor and gateway in turn, for each rate.
pub(crate) async fn measure(table: &mut Table, rounds: usize) -> anyhow::Result<()> {
    for rate in RATES {
        let (mut floors, mut hops) = (Vec::new(), Vec::new());
        let floor = Server::floor(floor::Kind::Hop).await?;
        let plain = plain::Plain::open(floor.port)?;
        let fleet = Fleet::start(true).await?;
        let link = link::Link::open(&fleet).await?;
        for _ in 0..rounds * ROUNDS {
            floors.push(seen(&floor, rate, plain.round_trips(rate)).await?);
            hops.push(seen(&fleet.gateway, rate, link.round_trips(rate)).await?);
        }
        let at = format!("gateway to gateway and back at {}k msg/s", rate / 1000);
        table.add(Row {
            goal: Some(Goal::must(2.0, 1.3)),
            ..row(format!("{at}, p99"), &floors, &hops, |seen| seen.p99)
        });
        table.add(Row {
            goal: Some(Goal::reported(3.0, 2.0)),
            ..row(format!("{at}, the gateway's CPU for each"), &floors, &hops, |seen| seen.cpu)
        });
    }
    Ok(())
}

fn row(what: String, floors: &[Seen], hops: &[Seen], of: fn(&Seen) -> f64) -> Row {
    let middle = |seen: &[Seen]| median(&seen.iter().map(of).collect::<Vec<_>>());
    Row {
        what,
        floor: Some(format!("{:.3} µs", middle(floors))),
        measured: format!("{:.3} µs", middle(hops)),
        rounds: hops.iter().zip(floors).map(|(hop, floor)| of(hop) / of(floor)).collect(),
        better: Better::Lower,
        goal: None,
    }
}

async fn seen(
    server: &Server,
    rate: u64,
    round_trips: impl Future<Output = anyhow::Result<Times>>,
) -> anyhow::Result<Seen> {
    let before = server.cpu()?;
    let times = round_trips.await?;
    let cpu = (server.cpu()? - before) * 1e6 / total(rate) as f64;
    Ok(Seen { p99: times.histogram.value_at_quantile(0.99) as f64 / 1e3, cpu })
}

/// How many messages a round has.
fn total(rate: u64) -> u64 {
    due(LASTING, rate)
}

/// How many are due after this long.
fn due(elapsed: Duration, rate: u64) -> u64 {
    (elapsed.as_nanos() as u64).saturating_mul(rate) / 1_000_000_000
}

/// Says, tick after tick, how many are to be handed over now.
struct Pace {
    start: Instant,
    rate: u64,
    sent: u64,
    ticks: Interval,
}

impl Pace {
    /// Made in the runtime in which it is awaited.
    fn new(start: Instant, rate: u64) -> Self {
        Self { start, rate, sent: 0, ticks: interval(TICK) }
    }

    /// How many; `None` when all of the round have been.
    async fn due(&mut self) -> Option<u64> {
        let total = total(self.rate);
        if self.sent == total {
            return None;
        }
        self.ticks.tick().await;
        let due = due(self.start.elapsed(), self.rate).min(total);
        let more = due - self.sent;
        self.sent = due;
        Some(more)
    }
}

/// What a message carries there and back: the time at which it was handed over, in nanoseconds.
fn stamp(start: Instant) -> u64 {
    start.elapsed().as_nanos() as u64
}

/// How long messages took, until all of a round are back.
struct Times {
    start: Instant,
    left: u64,
    histogram: Histogram<u64>,
}

impl Times {
    fn of(start: Instant, count: u64) -> anyhow::Result<Self> {
        Ok(Self { start, left: count, histogram: Histogram::new_with_bounds(1, LONGEST, 3)? })
    }

    /// Some have come back just now. Says whether all have.
    fn came_back(&mut self, stamps: impl Iterator<Item = u64>) -> bool {
        let now = stamp(self.start);
        for stamp in stamps {
            self.histogram.saturating_record(now.saturating_sub(stamp));
            self.left = self.left.saturating_sub(1);
        }
        self.left == 0
    }
}
