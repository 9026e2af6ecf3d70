//! `chatcluster-e2e`: a real Kubernetes for tests.

use std::{io::Write, os::unix::process::CommandExt, path::PathBuf, thread};

use anyhow::Result;
use chatcluster_e2e::{ApiServer, Cluster, helm, inside, kubernetes, supervise};
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
    /// Build Kubernetes and Helm, if the cache has not got these versions of them.
    Build,
    /// Run etcd, an API server and the controller manager on loopback until Ctrl-C, and print the
    /// path of a kubeconfig. Needs no root and runs no pods.
    ApiServer,
    /// Start a cluster of three nodes; needs root. One that runs stays as it is.
    Up,
    /// End the cluster, and remove all that it made, also what a killed one left.
    Down,
    /// Show the nodes and all pods.
    Status,
    /// Run kubectl on the cluster.
    #[command(disable_help_flag = true)]
    Kubectl {
        /// What kubectl gets.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run Helm, on the cluster if it is up.
    #[command(disable_help_flag = true)]
    Helm {
        /// What Helm gets.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Give the image in an OCI archive to all nodes, for pods with `imagePullPolicy: Never`.
    Load {
        /// The archive, a tar file.
        file: PathBuf,
    },
    /// What `up` leaves running.
    #[command(hide = true)]
    Supervise {
        /// The API's on loopback.
        port: u16,
    },
    /// The first process of a namespace.
    #[command(hide = true)]
    Inside {
        /// Which.
        what: Vec<String>,
    },
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::Build => [kubernetes(), helm()].iter().try_for_each(|it| it.built().map(drop)),
        Command::ApiServer => {
            writeln!(std::io::stdout(), "{}", ApiServer::shared().kubeconfig().display())?;
            // Its end is ours, and what it leaves is removed then.
            loop {
                thread::park();
            }
        }
        Command::Up => Cluster::of_this_machine()?.up(),
        Command::Down => Cluster::of_this_machine()?.down(),
        Command::Status => kubectl(&["get".into(), "nodes,pods".into(), "-Aowide".into()]),
        Command::Kubectl { arguments } => kubectl(&arguments),
        Command::Helm { arguments } => {
            let mut command = std::process::Command::new(helm().built()?);
            command.env("KUBECONFIG", Cluster::of_this_machine()?.kubeconfig());
            Err(command.args(arguments).exec().into())
        }
        Command::Load { file } => Cluster::of_this_machine()?.load(&file),
        Command::Supervise { port } => supervise(port),
        Command::Inside { what } => inside(&what),
    }
}

/// Becomes kubectl; returns only when that fails.
fn kubectl(arguments: &[String]) -> Result<()> {
    Err(Cluster::of_this_machine()?.kubectl()?.args(arguments).exec().into())
}
