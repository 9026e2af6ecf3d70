//! The cluster with everything resolved: names, paths, ports. No I/O.

use std::path::{Path, PathBuf};

use operator_plan::Goal;

use super::{LocalError, file::Wanted, options::Listen};
use crate::keys;

/// A local cluster, ready to be rendered and started.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pub(super) wanted: Wanted,
    pub(super) listen: Listen,
    pub(super) paths: Paths,
    pub(super) gateways: Vec<Gateway>,
    pub(super) messages: Messages,
    pub(super) redis: Vec<Redis>,
}

/// A gateway's ports. Clients reach `client`; the others are on loopback.
#[derive(Debug, Clone)]
pub(super) struct Gateway {
    pub(super) name: String,
    pub(super) client: u16,
    pub(super) peer: u16,
    pub(super) backend: u16,
    pub(super) admin: u16,
}

/// The message service's ports, on loopback.
#[derive(Debug, Clone)]
pub(super) struct Messages {
    pub(super) grpc: u16,
    pub(super) http: u16,
    pub(super) admin: u16,
}

/// A Redis node.
#[derive(Debug, Clone)]
pub(super) struct Redis {
    pub(super) name: String,
    pub(super) shard: usize,
    pub(super) port: u16,
    pub(super) bus: u16,
}

/// The name of the message service's process.
pub(super) const MESSAGES: &str = "messages";

impl Cluster {
    /// Gives everything its name and its port; `free` hands out ports, the wished one if it can. Backends
    /// find theirs where it was: below the gateways'.
    pub(super) fn resolve(
        wanted: Wanted,
        listen: Listen,
        data: PathBuf,
        port_base: u16,
        mut free: impl FnMut(Option<u16>) -> Result<u16, LocalError>,
    ) -> Result<Self, LocalError> {
        let managed = &wanted.spec.manager.managed;
        let mut redis = Vec::new();
        for shard in 0..managed.shards as usize {
            for _ in 0..=managed.replicas_per_shard {
                let name = format!("redis-{}", redis.len());
                redis.push(Redis { name, shard, port: free(None)?, bus: free(None)? });
            }
        }
        let mut gateways = Vec::new();
        for (index, client) in client_ports(port_base, wanted.spec.gateways.replicas)?.enumerate() {
            let name = format!("gateway-{index}");
            let [peer, backend, admin] = [free(None)?, free(None)?, free(None)?];
            gateways.push(Gateway { name, client, peer, backend, admin });
        }
        let http = port_base.checked_sub(1);
        let messages = Messages { grpc: free(None)?, http: free(http)?, admin: free(None)? };
        Ok(Self { wanted, listen, paths: Paths(data), gateways, messages, redis })
    }

    /// What the Redis Cluster should be.
    pub(super) fn goal(&self) -> Goal {
        let managed = &self.wanted.spec.manager.managed;
        Goal { shards: managed.shards as usize, replicas: managed.replicas_per_shard as usize }
    }

    /// The prefix of every role's URI.
    pub(super) fn identity(&self) -> String {
        let Wanted { name, namespace, .. } = &self.wanted;
        keys::identity("cluster.local", namespace, name)
    }
}

/// The gateways' ports for clients.
pub(super) fn client_ports(
    base: u16,
    count: u32,
) -> Result<impl Iterator<Item = u16> + use<>, LocalError> {
    let last = u16::try_from(u32::from(base) + count.saturating_sub(1));
    let last = last.map_err(|_| LocalError::TooManyPorts { count, base })?;
    Ok(base..=last)
}

/// What lies where in the data folder. All paths are absolute.
#[derive(Debug, Clone)]
pub(super) struct Paths(PathBuf);

impl Paths {
    pub(super) fn root(&self) -> &Path {
        &self.0
    }

    /// What clients trust.
    pub(super) fn ca(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// Secret: the CA's key, the keys of tokens.
    pub(super) fn key(&self, name: &str) -> PathBuf {
        self.0.join("keys").join(format!("{name}.key"))
    }

    /// A certificate and its key.
    pub(super) fn certificate(&self, name: &str) -> (PathBuf, PathBuf) {
        let folder = self.0.join("certificates");
        (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")))
    }

    /// A token for backends.
    pub(super) fn service_token(&self) -> PathBuf {
        self.0.join("service-token.jwt")
    }

    /// A program's configuration.
    pub(super) fn config(&self, name: &str) -> PathBuf {
        self.0.join("config").join(name)
    }

    /// All messages.
    pub(super) fn messages(&self) -> PathBuf {
        self.0.join("messages").join("messages.redb")
    }

    /// The demo page.
    pub(super) fn page(&self) -> PathBuf {
        self.0.join("page")
    }

    /// A process's working folder: nothing in it lasts.
    pub(super) fn work(&self, name: &str) -> PathBuf {
        self.0.join("run").join(name)
    }

    /// A process's id, while it runs.
    pub(super) fn pid(&self, name: &str) -> PathBuf {
        self.0.join("run").join(format!("{name}.pid"))
    }

    /// What a process wrote since this operator started it.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.0.join("logs").join(format!("{name}.log"))
    }

    /// What clients and scripts read.
    pub(super) fn endpoints(&self) -> PathBuf {
        self.0.join("endpoints.yaml")
    }
}
