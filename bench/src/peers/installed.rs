//! The peers that scripts/peers has installed, as processes.

use std::{env, fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, ensure};
use chatcluster_testkit::{Process, free_port};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use super::{catalog::Peer, report::Row};
use crate::server::Server;

/// Until a peer listens.
const START: Duration = Duration::from_secs(30);

/// Where they are.
pub(super) struct Installed(PathBuf);

impl Installed {
    pub(super) fn find() -> anyhow::Result<Self> {
        let cache = chatcluster_config::cache_folder(|name| env::var_os(name))
            .context("there is no place for a cache: set HOME or CHATCLUSTER_CACHE")?;
        Ok(Self(cache.join("peers")))
    }

    /// An empty row, named by the version, or with the reason why there is nothing to measure.
    pub(super) fn row(&self, peer: &Peer) -> Row {
        let read = |what: &str| {
            let text = fs::read_to_string(self.0.join(peer.name).with_extension(what)).ok()?;
            Some(text.trim().to_owned())
        };
        match read("version") {
            Some(version) => Row::new(format!("{} {version}", peer.title)),
            None => {
                let reason = read("reason").unwrap_or_else(|| "scripts/peers installs it".into());
                let absent = Some(format!("not installed: {reason}"));
                Row { absent, ..Row::new(peer.title.into()) }
            }
        }
    }

    /// Starts it and waits until it listens. The folder holds its file.
    pub(super) async fn start(&self, peer: &Peer) -> anyhow::Result<(Server, TempDir)> {
        let folder = tempfile::tempdir()?;
        let port = free_port();
        let (name, text) = peer.file;
        let file = folder.path().join(name);
        fs::write(&file, text.replace("{port}", &port.to_string()))?;
        let words = peer.words(&self.0, &file);
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .env("PORT", port.to_string())
            .env("CENTRIFUGO_HTTP_SERVER_PORT", port.to_string())
            .env("NODE_PATH", self.0.join("node/node_modules"));
        let mut process = Process::start(peer.name, &command);
        let end = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let ended = process.ended();
            ensure!(ended.is_none(), "does not start: {}", process.last_words());
            ensure!(Instant::now() < end, "does not listen: {}", process.last_words());
            sleep(Duration::from_millis(20)).await;
        }
        Ok((Server::new(process, port), folder))
    }
}
