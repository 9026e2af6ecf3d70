//! `chatcluster-e2e`: a real Kubernetes for tests.

use std::{io::Write, thread};

use anyhow::Result;
use chatcluster_e2e::{ApiServer, kubernetes};
use clap::{Parser, Subcommand};

/// A real Kubernetes for tests, built from source into the cache.
#[derive(Debug, Parser)]
#[command(name = "chatcluster-e2e", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build Kubernetes, if the cache has not got this version of it.
    Build,
    /// Run etcd, an API server and the controller manager on loopback until Ctrl-C, and print the
    /// path of a kubeconfig. Needs no root and runs no pods.
    ApiServer,
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::Build => kubernetes().built().map(drop),
        Command::ApiServer => {
            writeln!(std::io::stdout(), "{}", ApiServer::shared().kubeconfig().display())?;
            // Its end is ours, and what it leaves is removed then.
            loop {
                thread::park();
            }
        }
    }
}
