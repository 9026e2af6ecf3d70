//! Real database nodes, and services' replicas on them.

use std::time::Duration;

use chatcluster_erlang::Settings;
use chatcluster_messages::{
    Clock,
    mnesia::{Mnesia, Removal},
    wall_clock,
};
use chatcluster_testkit::erlang::{COOKIE, ErlangNode, TICK_TIME};

use crate::harness::*;

pub struct Database {
    pub node: ErlangNode,
    folder: tempfile::TempDir,
}

impl Database {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = ErlangNode::start_database(&folder.path().join("data"));
        Self { node, folder }
    }

    /// How to reach it.
    pub fn settings(&self) -> Settings {
        let settings = Settings::new(self.node.address(), COOKIE);
        Settings { tick_time: TICK_TIME, ..settings }
    }

    /// A service's replica on it, once it answers.
    pub async fn replica(&self, removal: Removal, clock: Clock) -> Mnesia {
        let replica = Mnesia::new(self.settings(), removal, clock, metrics());
        eventually("a database node", || async {
            replica.connected(Duration::from_secs(1)).await.ok()
        })
        .await;
        replica
    }

    /// Kills it, and starts it with an empty disk.
    pub fn empty(&mut self) {
        self.node.process().kill();
        std::fs::remove_dir_all(self.data()).unwrap();
        self.node.restart(true);
    }

    /// Kills it, whatever it does, and starts it on what is on its disk.
    pub fn kill_and_restart(&mut self) {
        self.node.restart(true);
    }

    pub fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }
}

pub fn millis() -> u64 {
    wall_clock()()
}
