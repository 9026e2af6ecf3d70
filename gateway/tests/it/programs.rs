//! The programs as processes, which can be killed and started again where they were.

use std::{net::SocketAddr, path::Path, process::Command};

use chatcluster_config::{
    BackendPort, Devices, GatewayConfig, GrpcPort, ManagerHome, MessagesConfig, Role, Storage,
};
use chatcluster_testkit::{Process, free_port, wait_until};
use serde::Serialize;
use tokio::net::TcpStream;

use crate::{
    client::get,
    world::{DEADLINE, World},
};

/// A program and how it is started.
pub(crate) struct Program {
    pub(crate) process: Process,
    /// Where clients of a gateway connect.
    pub(crate) client: SocketAddr,
    pub(crate) admin: SocketAddr,
    command: Command,
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

impl Program {
    /// A gateway that is ready.
    pub(crate) async fn gateway(world: &World, name: &str, manager: ManagerHome) -> Self {
        let mut config: GatewayConfig = world.config(name);
        config.manager = manager;
        config.client.listen = loopback();
        config.peer.listen = loopback();
        config.admin = loopback();
        let program = env!("CARGO_BIN_EXE_chatcluster-gateway");
        let (client, admin) = (config.client.listen, config.admin);
        Self::start(world, name, Path::new(program), &config, client, admin).await
    }

    /// The message service, ready and at the world's address. `cargo test --workspace` builds it.
    pub(crate) async fn messages(world: &World) -> Self {
        let config = MessagesConfig {
            grpc: GrpcPort {
                listen: world.messages,
                tls: world.certificates.role("messages", Role::Messages).unwrap(),
            },
            http: BackendPort {
                listen: loopback(),
                tls: None,
                token_key: world.key(),
                audience: "chatcluster-messages".into(),
            },
            admin: loopback(),
            storage: Storage::Embedded { path: world.folder.path().join("messages.redb") },
            devices: Devices::default(),
        };
        let gateway = Path::new(env!("CARGO_BIN_EXE_chatcluster-gateway"));
        let program = gateway.with_file_name("chatcluster-messages");
        assert!(program.exists(), "cargo build -p chatcluster-messages");
        let admin = config.admin;
        Self::start(world, "messages", &program, &config, world.messages, admin).await
    }

    async fn start(
        world: &World,
        name: &str,
        program: &Path,
        config: &impl Serialize,
        client: SocketAddr,
        admin: SocketAddr,
    ) -> Self {
        let file = world.folder.path().join(format!("{name}.yaml"));
        std::fs::write(&file, serde_yaml::to_string(config).unwrap()).unwrap();
        let mut command = Command::new(program);
        command.arg("--config").arg(&file);
        let process = Process::start(name, &command);
        let program = Self { process, client, admin, command };
        program.ready().await;
        program
    }

    /// Starts it again after it was killed.
    pub(crate) async fn restart(&mut self) {
        self.process.restart(&self.command, true);
        self.ready().await;
    }

    async fn ready(&self) {
        wait_until("the program is ready", DEADLINE, async || {
            TcpStream::connect(self.admin).await.is_ok()
                && get(self.admin, "/readyz").await.starts_with("HTTP/1.1 200")
        })
        .await;
    }

    /// Memory of its own, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let file = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(file).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}
