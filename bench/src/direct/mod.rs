//! Direct messages over their whole trip: sent, stored, delivered, acknowledged, and the sender told so.
//!
//! Everything is on this machine: clients, gateway, Redis, and the message service with its embedded engine,
//! where the goals are for three Mnesia nodes on two cores. First every pair sends as fast as it is answered;
//! then all of them keep a fixed pace, each send counted from when it was due. Beside the messages is what
//! the same disk syncs: one program, one block at a time.

mod pair;

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use tokio::{
    task::spawn_blocking,
    time::{Instant as Tick, sleep},
};

use self::pair::Pair;
use crate::{
    deadline::within,
    disk,
    server::{Fleet, STARTED},
    table::{Better, Goal, Row, Table, median},
};

const PAIRS: usize = 64;
/// Messages that each pair has under way.
const DEPTH: usize = 8;
const LASTING: Duration = Duration::from_secs(3);
/// Messages a second at the fixed pace.
const PACE: u32 = 2000;
const PATIENCE: Duration = Duration::from_secs(30);
/// What takes longer counts as this, in microseconds.
const LONGEST: u64 = 60_000_000;

/// What one round found.
struct Seen {
    /// A second.
    syncs: f64,
    trips: f64,
    /// Milliseconds to `sent` at the fixed pace.
    p50: f64,
    p99: f64,
}

/// Disk, full speed and fixed pace in turn, `rounds` times.
pub(crate) async fn measure(table: &mut Table, rounds: usize) -> anyhow::Result<()> {
    let fleet = Fleet::start(false).await?;
    sleep(STARTED).await;
    let opening = (0..PAIRS).map(|index| Pair::open(fleet.gateway.port, index));
    let mut pairs = within(PATIENCE, "connecting pairs", try_join_all(opening)).await?;
    let mut seen = Vec::new();
    for _ in 0..rounds {
        let folder = fleet.certificates.folder().to_owned();
        let syncs = spawn_blocking(move || disk::syncs(&folder)).await??;
        let trips = within(PATIENCE, "direct messages", fast(&mut pairs)).await?;
        fleet.rest().await?;
        let times = within(PATIENCE, "paced direct messages", paced(&mut pairs)).await?;
        let at = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
        seen.push(Seen { syncs, trips, p50: at(0.5), p99: at(0.99) });
        fleet.rest().await?;
    }
    report(table, &seen);
    Ok(())
}

/// Returns how many messages a second have made the trip.
async fn fast(pairs: &mut [Pair]) -> anyhow::Result<f64> {
    let start = Instant::now();
    let trips = try_join_all(pairs.iter_mut().map(|pair| pair.fast(start + LASTING))).await?;
    Ok(trips.iter().sum::<usize>() as f64 / start.elapsed().as_secs_f64())
}

/// Returns the times to `sent`, in microseconds.
async fn paced(pairs: &mut [Pair]) -> anyhow::Result<Histogram<u64>> {
    let times = RefCell::new(Histogram::new_with_bounds(1, LONGEST, 3)?);
    let period = Duration::from_secs(1) * u32::try_from(PAIRS)? / PACE;
    // One pair after the other, evenly.
    let phase = |index: usize| period * index as u32 / PAIRS as u32;
    let (start, total) = (Tick::now(), (LASTING.as_nanos() / period.as_nanos()) as usize);
    let all = pairs.iter_mut().enumerate();
    try_join_all(all.map(|(index, pair)| {
        pair.paced(start + phase(index), period, total, |time| {
            times.borrow_mut().saturating_record(time.as_micros() as u64);
        })
    }))
    .await?;
    Ok(times.into_inner())
}

fn report(table: &mut Table, seen: &[Seen]) {
    let all = |of: fn(&Seen) -> f64| seen.iter().map(of).collect::<Vec<_>>();
    let middle = |of| median(&all(of));
    let what = "direct messages a second, full trip, embedded engine, all on this machine";
    table.add(Row {
        what: what.into(),
        floor: None,
        measured: format!("{:.0}/s", middle(|seen| seen.trips)),
        rounds: all(|seen| seen.trips),
        better: Better::Higher,
        goal: Some(Goal::reported(4000.0, 8000.0)),
    });
    table.add(Row {
        what: "the same ÷ blocks of 4 KiB that the same disk syncs a second".into(),
        floor: Some(format!("{:.0}/s", middle(|seen| seen.syncs))),
        measured: format!("{:.0}/s", middle(|seen| seen.trips)),
        rounds: all(|seen| seen.trips / seen.syncs),
        better: Better::Higher,
        goal: None,
    });
    table.add(Row {
        what: format!("`sent` at {PACE} direct messages a second, embedded engine: p99, ms"),
        floor: None,
        measured: format!(
            "{:.1} ms (p50 {:.1} ms)",
            middle(|seen| seen.p99),
            middle(|seen| seen.p50)
        ),
        rounds: all(|seen| seen.p99),
        better: Better::Lower,
        goal: Some(Goal::reported(50.0, 20.0)),
    });
}
