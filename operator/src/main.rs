//! `chatcluster-operator`

use std::{ffi::OsString, io::Write, process::ExitCode};

use anyhow::{Context, Result};
use chatcluster_operator::{guard, kubernetes, local};
use chatcluster_runtime::{exit_code, logs, raise_nofile, signals};
use clap::{Parser, Subcommand};

/// Runs ChatClusters.
#[derive(Debug, Parser)]
#[command(name = "chatcluster-operator", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a ChatCluster on this machine, without Kubernetes, until Ctrl-C
    Local(local::Options),
    /// Look after the ChatClusters of a Kubernetes cluster, until told to stop
    Run(kubernetes::Settings),
    /// Ask an admin port, and succeed if it answers 200: what `helm test` runs
    Ask {
        /// Such as http://HOST:9090/readyz
        url: String,
    },
    /// Become a child process that ends with the operator
    #[command(name = guard::SUBCOMMAND, hide = true)]
    RunChild {
        parent: i32,
        program: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    exit_code(match Arguments::parse().command {
        Command::Local(options) => run_locally(options),
        Command::Run(settings) => run(settings),
        Command::Ask { url } => ask(&url),
        Command::RunChild { parent, program, arguments } => {
            let error = guard::become_child(parent, &program, &arguments);
            Err(error).with_context(|| format!("becoming {}", program.display()))
        }
    })
}

/// One thread: children end with the thread that started them, and there is little to do.
#[tokio::main(flavor = "current_thread")]
async fn run_locally(options: local::Options) -> Result<()> {
    logs::init_with("warn")?;
    raise_nofile().context("raising the limit of open files")?;
    let shutdown = signals::shutdown_token().context("listening for signals")?;
    local::run(options, shutdown).await?;
    std::io::stdout().flush().context("writing the last lines")
}

#[tokio::main(flavor = "current_thread")]
async fn ask(url: &str) -> Result<()> {
    let answer = chatcluster_operator::ask(url).await;
    let answer = answer.with_context(|| format!("asking {url}"))?;
    std::io::stdout().write_all(answer.as_bytes()).context("writing the answer")
}

#[tokio::main]
async fn run(settings: kubernetes::Settings) -> Result<()> {
    logs::init()?;
    let shutdown = signals::shutdown_token().context("listening for signals")?;
    let client = kube::Client::try_default().await.context("finding the Kubernetes API")?;
    Ok(kubernetes::run(client, settings, shutdown).await?)
}
