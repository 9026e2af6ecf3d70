//! `traffic`: users who talk in pairs through the gateways, and an oracle that knows what has to
//! arrive. Runs as a pod of the scenarios, or beside a local cluster.
//!
//! Standard error gets a line every second, standard output one JSON object at the end. Exit codes: 0
//! everything arrived once and in order, 1 it did not, 2 there was no traffic.

mod args;
mod book;
mod oracle;
mod report;
mod run;
mod token;
mod user;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use args::Args;
use clap::Parser;
use report::Report;

#[tokio::main]
async fn main() -> ExitCode {
    match run::run(Args::parse()).await.and_then(print) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            say(format_args!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn print(report: Report) -> anyhow::Result<bool> {
    writeln!(io::stdout(), "{}", serde_json::to_string(&report)?)?;
    Ok(report.ok)
}

/// Says to a person what is going on.
#[allow(clippy::print_stderr, reason = "the log of the pod is what this is for")]
fn say(what: impl std::fmt::Display) {
    eprintln!("{what}");
}
