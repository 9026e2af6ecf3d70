//! Services write at full speed to three real database nodes that die in every way, and then all that was acknowledged
//! has to be there: `make crash`.
//!
//! - [`round`]: services write, things go wrong, and it is looked at what is left
//! - [`faults`]: what goes wrong; [`island`]: nodes; [`link`]: the ways to them; [`disk`]: their disks
//! - [`fleet`]: the services, as processes; [`service`]: what one does; [`words`], [`ledger`]: what clients were told

#![expect(clippy::print_stdout, reason = "it is what a person reads")]

mod disk;
mod faults;
mod fleet;
mod island;
mod ledger;
mod link;
mod round;
mod service;
mod words;

use std::{process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use crate::{
    faults::Fault,
    round::{Outcome, Plan},
    service::Service,
};

/// All of it from a round's number.
type Chance = ChaCha8Rng;

/// Of what a round has found wrong so much is printed.
const SHOWN: usize = 20;

/// Database nodes that die in every way while services write to them
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    service: Option<Command>,
    /// How many rounds
    #[arg(long, default_value_t = 60)]
    rounds: u64,
    /// The first round's number, from which its chance comes
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Messages that each round acknowledges at least
    #[arg(long, default_value_t = 10_000)]
    messages: u64,
    /// What goes wrong in each round, instead of what its number says
    #[arg(long, value_enum)]
    fault: Vec<Fault>,
    /// Nothing lasts long
    #[arg(long)]
    short: bool,
    /// Seconds within which messages have to be stored again
    #[arg(long, default_value_t = 180)]
    patience: u64,
    /// Disks that say that they have synced, and have not: that has to be found out
    #[arg(long)]
    lies: bool,
    /// Services that count a write when one replica has it (in a build with the feature `planted`)
    #[arg(long)]
    one_replica: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Be a service, for those who play rounds
    #[command(hide = true)]
    Service(Service),
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    anyhow::ensure!(
        !arguments.one_replica || cfg!(feature = "planted"),
        "--one-replica takes a build with the feature `planted`"
    );
    if let Some(Command::Service(service)) = arguments.service {
        service::serve(service)?;
        return Ok(ExitCode::SUCCESS);
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(rounds(&arguments))
}

async fn rounds(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut all = Outcome::default();
    for number in arguments.from..arguments.from + arguments.rounds {
        let plan = arguments.plan(number);
        let faults: Vec<_> = plan.faults.iter().map(Fault::to_string).collect();
        print!("round {number}: {}: ", faults.join(", "));
        let began = std::time::Instant::now();
        let outcome = round::play(&plan).await?;
        println!("{outcome}, {:.0} s", began.elapsed().as_secs_f64());
        for what in outcome.lost.iter().chain(&outcome.wrong).take(SHOWN) {
            println!("  {what}");
        }
        all.add(outcome);
    }
    println!("{} rounds: {all}", arguments.rounds);
    Ok(if all.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Arguments {
    fn plan(&self, seed: u64) -> Plan {
        let mut chance = Chance::seed_from_u64(seed);
        let mut faults = self.fault.clone();
        if faults.is_empty() {
            // Each kind comes first in its turn, and up to two others after it.
            let kinds = Fault::value_variants();
            faults.push(kinds[seed as usize % kinds.len()]);
            let others = chance.random_range(0..=2);
            faults.extend((0..others).map(|_| kinds[chance.random_range(0..kinds.len())]));
        }
        let Self { messages, short, lies, one_replica, .. } = *self;
        let patience = Duration::from_secs(self.patience);
        Plan { seed, faults, messages, short, patience, lies, one_replica }
    }
}
