//! `chatcluster-gateway --config FILE`

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use chatcluster_config::{GatewayConfig, ManagerHome};
use chatcluster_gateway::run::{Ports, run};
use chatcluster_manager::{MemoryManager, RedisManager, RedisSettings};
use chatcluster_runtime::{exit_code, logs, raise_nofile, read_config, signals};
use clap::Parser;

/// A ChatCluster gateway: holds clients' connections over wss and routes their messages.
#[derive(Debug, Parser)]
#[command(name = "chatcluster-gateway", version)]
struct Arguments {
    /// Configuration file, in YAML.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// This gateway's name, in place of `name` in the file
    #[arg(long)]
    name: Option<String>,
    /// Host under which other gateways reach this one, in place of `peer.host` in the file
    #[arg(long)]
    host: Option<String>,
}

impl Arguments {
    /// The configuration, with what is this gateway's own.
    fn config(&self) -> anyhow::Result<GatewayConfig> {
        let mut config: GatewayConfig = read_config(&self.config)?;
        let own = [
            (&mut config.name, &self.name, "name", "--name"),
            (&mut config.peer.host, &self.host, "peer.host", "--host"),
        ];
        for (field, given, path, option) in own {
            if let Some(given) = given {
                field.clone_from(given);
            }
            ensure!(!field.is_empty(), "{path}: neither the file nor {option} says it");
        }
        Ok(config)
    }
}

fn main() -> ExitCode {
    exit_code(serve(&Arguments::parse()))
}

#[tokio::main]
async fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    logs::init()?;
    raise_nofile().context("raising the limit of open files")?;
    let config = arguments.config()?;
    let ports = Ports::open(&config)?;
    let shutdown = signals::shutdown_token().context("listening for signals")?;
    match config.manager.clone() {
        ManagerHome::Redis { nodes } => {
            let manager = RedisManager::new(RedisSettings::new(nodes)).context("manager.nodes")?;
            run(config, ports, manager, shutdown).await?;
        }
        ManagerHome::Memory => {
            run(config, ports, MemoryManager::new(wall_clock), shutdown).await?;
        }
    }
    Ok(())
}

fn wall_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
