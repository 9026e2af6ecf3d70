//! Real Erlang nodes, each by itself: nobody but a client is to connect to them.

use std::{
    ffi::OsString,
    fs,
    path::Path,
    process::Command,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use chatcluster_config::{MutualTls, Program, Role};

use tempfile::TempDir;

use crate::{Process, free_port, programs::path_of};

/// What nodes of tests have as their cookie.
pub const COOKIE: &str = "a-cookie-of-tests";

/// Their `net_ticktime`: whoever is silent for that long is taken for dead.
pub const TICK_TIME: Duration = Duration::from_secs(8);

/// A running node.
#[derive(Debug)]
pub struct ErlangNode {
    process: Process,
    command: Command,
    port: u16,
    /// The compiled modules of a database node.
    _modules: Option<Arc<TempDir>>,
}

impl ErlangNode {
    /// Begins to start a node. It takes a second until it answers.
    pub fn start() -> Self {
        Self::start_with(None, None, &[])
    }

    /// A node whose distribution is TLS by this certificate, and that lets in who has one of this role.
    pub fn start_with_tls(tls: &MutualTls, from: Role) -> Self {
        Self::start_with(Some((tls, from)), None, &[])
    }

    /// A database node: it keeps an ordered map in the folder `data`.
    pub fn start_database(data: &Path) -> Self {
        Self::start_database_with(data, &[])
    }

    /// A database node that has these in its environment.
    pub fn start_database_with(data: &Path, environment: &[(&str, OsString)]) -> Self {
        Self::start_with(None, Some(data), environment)
    }

    fn start_with(
        tls: Option<(&MutualTls, Role)>,
        data: Option<&Path>,
        environment: &[(&str, OsString)],
    ) -> Self {
        let port = free_port();
        let mut command = Command::new(path_of(Program::Erlang));
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.args(["-noinput", "-name", &format!("node-{port}@127.0.0.1")]);
        command.args(["-setcookie", COOKIE, "-start_epmd", "false"]);
        command.args(["-erl_epmd_port", &port.to_string()]);
        command.args(["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]);
        command.args(["-kernel", "net_ticktime", &TICK_TIME.as_secs().to_string()]);
        // Two schedulers, that do not spin: a test is not alone on its machine.
        command.args(["+S", "2:2", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"]);
        let modules = (tls.is_some() || data.is_some()).then(modules);
        if let Some(modules) = &modules {
            command.args(chatcluster_node::with_modules(modules.path()));
        }
        if let Some((MutualTls { certificate, key, ca, identity }, from)) = tls {
            let file = certificate.with_extension("dist");
            let options =
                chatcluster_node::tls_options(certificate, key, ca, &[from.uri(identity)]);
            fs::write(&file, options).expect("write options of TLS distribution");
            command.args(chatcluster_node::over_tls(&file));
        }
        if let Some(data) = data {
            command.args(chatcluster_node::serving(data));
        }
        let process = Process::start(&format!("erlang-{port}"), &command);
        Self { process, command, port, _modules: modules }
    }

    /// `host:port` of its distribution.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it is called.
    pub fn name(&self) -> String {
        format!("node-{}@127.0.0.1", self.port)
    }

    /// Its process, to kill, pause or look at.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Kills it if it runs, and starts it under the same name and address.
    pub fn restart(&mut self, keep_files: bool) {
        self.process.restart(&self.command, keep_files);
    }
}

/// The modules of a database node, compiled; nodes that are there at the same time have the same.
fn modules() -> Arc<TempDir> {
    static SHARED: Mutex<Weak<TempDir>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(modules) = shared.upgrade() {
        return modules;
    }
    let modules = tempfile::tempdir().expect("a folder for the modules");
    let compiled = chatcluster_node::compile(&path_of(Program::Erlang), modules.path());
    compiled.expect("compile the modules of a database node");
    let modules = Arc::new(modules);
    *shared = Arc::downgrade(&modules);
    modules
}
