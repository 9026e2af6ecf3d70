//! Plays worlds and says what came of it: `make sim`.

#![expect(clippy::print_stdout, reason = "it is what a person reads")]

mod planting;

use std::{
    io::Write as _,
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

use chatcluster_simulation::{Shape, World, campaign::Campaign, shrink::shrink};
use clap::Parser;

/// Seeds from which a run has to have taken every branch.
const ENOUGH: u64 = 300;

/// Lines of a trace that are printed.
const LINES: usize = 120;

/// Whole fleets in one thread each, in which the promises are checked after every event.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds are played
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Play this seed alone, and tell what happened
    #[arg(long)]
    seed: Option<u64>,
    /// Look for each planted bug with up to 500 seeds (in a build with the feature `planted`)
    #[arg(long)]
    bugs: bool,
    /// Look for this one alone, or plant it with `--seed`, by its name in protocol/src/planted.rs
    #[arg(long)]
    bug: Option<String>,
    /// Worlds at the same time
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Where the whole trace of `--seed` goes
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Do not leave out faults of a seed that fails
    #[arg(long)]
    whole: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.bugs {
        return planting::find(arguments.bug.as_deref(), arguments.threads);
    }
    match arguments.seed {
        Some(seed) => one(seed, &arguments),
        None => many(&arguments),
    }
}

fn many(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (from, count) = (arguments.from, arguments.seeds);
    let (started, done) = (Instant::now(), AtomicU64::new(0));
    let rate = |done: u64| done as f64 / started.elapsed().as_secs_f64().max(0.001);
    let seeds: Vec<u64> = (from..from + count).collect();
    let campaign = Campaign::run(&seeds, arguments.threads, |seed, outcome| {
        let done = done.fetch_add(1, Relaxed) + 1;
        if let Some(violation) = &outcome.violation {
            println!("seed {seed}: {violation}");
        }
        if done.is_multiple_of(100) {
            println!("{done} of {count} seeds, {:.1} a second", rate(done));
        }
    });
    println!("\n{:<44} {:>12}", "branch", "times");
    for (what, times) in &campaign.covered {
        println!("{what:<44} {times:>12}");
    }
    let Campaign { seeds, events, sends, faults, failed, small, .. } = &campaign;
    println!(
        "\n{seeds} seeds, {events} events, {sends} sends, {faults} faults, {:.1} seeds a second",
        rate(*seeds)
    );
    println!(
        "{} seeds broke a promise: {:?}",
        failed.len(),
        failed.iter().map(|(seed, _)| seed).collect::<Vec<_>>()
    );
    if !small.is_empty() {
        println!("seeds with too little in them: {small:?}");
    }
    let uncovered = if *seeds >= ENOUGH { campaign.uncovered() } else { Vec::new() };
    if !uncovered.is_empty() {
        println!("never taken: {uncovered:?}");
    }
    if let Some((seed, _)) = failed.first() {
        println!("\nmake sim SEED={seed} tells what happened");
    }
    let good = failed.is_empty() && small.is_empty() && uncovered.is_empty();
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn one(seed: u64, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some(bug) = &arguments.bug {
        planting::plant(bug)?;
    }
    let mut shape = Shape::of(seed);
    let first = World::play(shape.clone(), false);
    if let Some(violation) = first.violation.as_ref().filter(|_| !arguments.whole) {
        shape = shrink(&shape, violation.promise);
    }
    let outcome = World::play(shape.clone(), true);
    println!(
        "seed {seed}: {} gateways, {} replicas, {} devices, {} events, {} sends",
        shape.gateways,
        shape.replicas,
        shape.devices(),
        outcome.events,
        outcome.sends
    );
    println!(
        "{} faults{}:",
        shape.faults.len(),
        if outcome.violation.is_some() { " are enough" } else { "" }
    );
    for fault in &shape.faults {
        println!("  {fault}");
    }
    if let Some(path) = &arguments.trace {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        for line in &outcome.trace {
            writeln!(file, "{line}")?;
        }
    }
    let Some(violation) = outcome.violation else {
        println!("every promise was kept");
        return Ok(ExitCode::SUCCESS);
    };
    println!("\nthe last {LINES} lines of what happened (--trace FILE has all):");
    for line in &outcome.trace[outcome.trace.len().saturating_sub(LINES)..] {
        println!("{line}");
    }
    println!("\n{violation}");
    Ok(ExitCode::FAILURE)
}
