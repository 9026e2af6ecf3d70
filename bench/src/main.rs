//! Measures the shipped programs. Machines differ and are noisy, so every figure is a ratio to a floor:
//! the least program that does the same, measured in the same run, in turn with it.
#![allow(clippy::print_stdout, reason = "a command that prints a table")]

mod accept;
mod catch_up;
mod deadline;
mod direct;
mod disk;
mod echo;
mod erlang;
mod fan_out;
mod floor;
mod footprint;
mod hop;
mod idle;
mod island;
mod peers;
mod polling;
mod server;
mod session;
mod table;
mod usage;
mod wire;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use table::Table;

#[derive(Parser)]
#[command(about, version)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// Measure only these: idle, echo, hop, fan-out, catch-up, accept, direct, erlang, island, polling,
    /// peers.
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
    Floor(floor::Floor),
    /// Measures what the operator needs beside many ChatClusters: memory, and requests while idle.
    Footprint {
        /// ChatClusters.
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=2000))]
        chatclusters: u16,
        /// Objects that are nobody's.
        #[arg(long, default_value_t = 20_000)]
        foreign: usize,
    },
    /// Holds what the operator manages; `footprint` starts this by itself.
    #[command(hide = true)]
    Hold {
        /// Of the API server.
        kubeconfig: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    chatcluster_runtime::raise_nofile()?;
    if let Some(Command::Floor(floor)) = options.command {
        return floor::run(floor);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let goals_met = match options.command {
        Some(Command::Hold { kubeconfig }) => return runtime.block_on(footprint::hold(kubeconfig)),
        Some(Command::Footprint { chatclusters, foreign }) => {
            let report = runtime.block_on(footprint::measure(chatclusters.into(), foreign))?;
            println!("{report}");
            report.goal_met()
        }
        _ => {
            let table = runtime.block_on(measure(&options))?;
            println!("{table}");
            runtime.block_on(compare(&options))?;
            table.goals_met()
        }
    };
    anyhow::ensure!(goals_met, "a goal that has to be met was missed");
    Ok(())
}

impl Options {
    fn wanted(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

async fn measure(options: &Options) -> anyhow::Result<Table> {
    let wanted = |name| options.wanted(name);
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
    if wanted("fan-out") {
        fan_out::measure(&mut table, options.rounds).await?;
    }
    if wanted("catch-up") {
        catch_up::measure(&mut table, options.rounds).await?;
    }
    if wanted("accept") {
        accept::measure(&mut table, options.rounds).await?;
    }
    if wanted("direct") {
        direct::measure(&mut table, options.rounds).await?;
    }
    if wanted("erlang") {
        erlang::measure(&mut table, options.rounds).await?;
    }
    if wanted("island") {
        island::measure(&mut table, options.rounds).await?;
    }
    Ok(table)
}

/// Prints what has no floor: tables of their own, each as soon as it is there.
async fn compare(options: &Options) -> anyhow::Result<()> {
    if options.wanted("polling") {
        println!("{}", polling::measure(options.rounds).await?);
    }
    if options.wanted("peers") {
        println!("{}", peers::measure(options.rounds).await?);
    }
    Ok(())
}
