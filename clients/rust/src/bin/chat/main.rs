//! `chat`: talk over ChatCluster from a terminal, or from scripts.

mod args;
mod connection;
mod demo;
mod failure;
mod group;
mod history;
mod listen;
mod local;
mod receipts;
mod send;
mod state;
mod talk;
mod target;
mod text;
mod token;

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser;
use failure::Failure;
use text::Clock;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let args = Args::parse();
    // Only before there is a second thread can the system be asked for its time zone.
    let clock = Clock::local();
    let filter =
        EnvFilter::try_from_env("CHATCLUSTER_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(args, clock) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            text::complain(&failure.to_string());
            failure.exit_code()
        }
    }
}

#[tokio::main]
async fn run(args: Args, clock: Clock) -> Result<(), Failure> {
    match args.command {
        None => talk::run(args.target, args.to, clock).await,
        Some(Command::Send(send)) => send::run(args.target, send).await,
        Some(Command::Listen(listen)) => listen::run(args.target, listen, clock).await,
        Some(Command::History(history)) => history::run(args.target, history, clock).await,
        Some(Command::Group(group)) => group::run(args.target, group).await,
        Some(Command::Receipts(receipts)) => receipts::run(args.target, receipts).await,
        Some(Command::Token(token)) => token::run(&args.target, &token),
        Some(Command::Demo) => demo::run(args.target).await,
    }
}
