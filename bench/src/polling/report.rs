//! The table of the ways.

use std::fmt;

use super::{EVERY, Round, USERS, Used};
use crate::table::median;

/// The rounds of each way.
#[derive(Default)]
pub(crate) struct Report {
    pub(super) poll: Vec<Round>,
    pub(super) long_poll: Vec<Round>,
    pub(super) websocket: Vec<Round>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let every = EVERY.as_secs();
        writeln!(
            f,
            "| per user and hour | due to received, p50 | p99 | server CPU, ms: nothing comes | a message every {every} s | on the wire, kB: nothing comes | a message every {every} s |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for (way, rounds) in [
            ("polling every second", &self.poll),
            ("long polling, nothing stored", &self.long_poll),
            ("WebSocket", &self.websocket),
        ] {
            let silent = || rounds.iter().map(|round| &round.silent);
            let talking = || rounds.iter().map(|round| &round.talking);
            writeln!(
                f,
                "| {way} | {:.1} ms | {:.1} ms | {} | {} | **{:.1}** | **{:.1}** |",
                percentile(rounds, 0.5),
                percentile(rounds, 0.99),
                cpu(silent()),
                cpu(talking()),
                hourly(silent(), |used| used.bytes as f64 / 1e3),
                hourly(talking(), |used| used.bytes as f64 / 1e3),
            )?;
        }
        Ok(())
    }
}

/// Milliseconds, of each server too if they are several.
fn cpu<'a>(rounds: impl Iterator<Item = &'a Used> + Clone) -> String {
    let whole = hourly(rounds.clone(), |used| 1e3 * used.cpu.iter().sum::<f64>());
    let servers = rounds.clone().next().map_or(0, |used| used.cpu.len());
    let each: Vec<_> = (0..servers)
        .map(|server| format!("{:.1}", hourly(rounds.clone(), |used| 1e3 * used.cpu[server])))
        .collect();
    let each = if servers > 1 { format!(" ({})", each.join(" + ")) } else { String::new() };
    format!("**{whole:.1}**{each}")
}

/// The median of the rounds, for a user and an hour.
fn hourly<'a>(rounds: impl Iterator<Item = &'a Used>, of: impl Fn(&Used) -> f64) -> f64 {
    let rates: Vec<_> = rounds.map(|used| of(used) / used.lasting.as_secs_f64()).collect();
    median(&rates) * 3600.0 / USERS as f64
}

/// A percentile of all rounds together, in milliseconds.
fn percentile(rounds: &[Round], quantile: f64) -> f64 {
    let mut rounds = rounds.iter().map(|round| round.tally.latencies().clone());
    let Some(mut all) = rounds.next() else { return 0.0 };
    for round in rounds {
        all += round;
    }
    all.value_at_quantile(quantile) as f64 / 1e6
}
