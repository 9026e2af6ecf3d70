//! Measures the shipped programs. Machines differ and are noisy, so every figure is a ratio to a floor:
//! the least program that does the same, measured in the same run, in turn with it.
#![allow(clippy::print_stdout, reason = "a command that prints a table")]

mod echo;
mod floor;
mod hop;
mod idle;
mod server;
mod table;
mod wire;

use clap::{Parser, Subcommand};

use table::Table;

#[derive(Parser)]
#[command(about, version)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// Measure only these: idle, echo, hop.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds, floor and product in turn; the median of the rounds' ratios counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Connections for the memory figures; a process may hold at most about 20,000.
    #[arg(long, default_value_t = 4000)]
    connections: usize,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a floor program; the benchmark starts these by itself.
    #[command(hide = true)]
    Floor {
        /// Which one.
        kind: floor::Kind,
    },
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    chatcluster_runtime::raise_nofile()?;
    if let Some(Command::Floor { kind }) = options.command {
        return floor::run(kind);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let table = runtime.block_on(measure(&options))?;
    println!("{table}");
    anyhow::ensure!(table.goals_met(), "a goal that has to be met was missed");
    Ok(())
}

async fn measure(options: &Options) -> anyhow::Result<Table> {
    let wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|o| o == name);
    let mut table = Table::default();
    if wanted("idle") {
        idle::measure(&mut table, options.rounds, options.connections).await?;
    }
    if wanted("echo") {
        echo::measure(&mut table, options.rounds).await?;
    }
    if wanted("hop") {
        hop::measure(&mut table, options.rounds).await?;
    }
    Ok(table)
}
