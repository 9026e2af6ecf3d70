//! One `redis-server` in cluster mode, without persistence, that belongs to no cluster yet.

use std::{process::Command, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, Pipeline, RedisError, RedisResult,
    aio::MultiplexedConnection,
};

use super::redis_server;
use crate::{Process, free_port, wait_until};

/// `cluster-node-timeout`: how long a node may be silent before the others call it failed. As short
/// as a busy machine allows; a replica takes over about one second after it.
pub const NODE_TIMEOUT: Duration = Duration::from_millis(2000);

/// A redis-server starts in 50 ms; this is for a machine that compiles at the same time.
const START: Duration = Duration::from_secs(20);

/// How often a node is started on other ports, when another process was quicker on the first ones.
const ATTEMPTS: usize = 5;

/// A running node.
#[derive(Debug)]
pub struct RedisNode {
    process: Process,
    port: u16,
    bus: u16,
}

impl RedisNode {
    /// Starts a node and waits until it answers.
    pub async fn start() -> Self {
        for _ in 0..ATTEMPTS {
            let (port, bus) = (free_port(), free_port());
            let process = Process::start(&format!("redis-{port}"), &command(port, bus));
            let mut node = Self { process, port, bus };
            if node.answers().await {
                return node;
            }
        }
        panic!("redis-server found no free ports in {ATTEMPTS} tries");
    }

    /// `host:port` of its client port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its client port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of its cluster bus.
    pub fn bus(&self) -> u16 {
        self.bus
    }

    /// Its process, to kill, pause or look at.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Freezes it: its connections stay open and nothing answers.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Ends a [`Self::pause`].
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Kills it if it runs, and starts it under the same address: as an empty stranger with a new id,
    /// which is what a new pod is, or with `keep_id` as the same node without its data.
    pub async fn restart(&mut self, keep_id: bool) {
        self.process.restart(&command(self.port, self.bus), keep_id);
        assert!(self.answers().await, "{} did not start again", self.process.name());
    }

    /// Asks it something, over a connection of its own.
    pub async fn query<T: FromRedisValue>(&self, cmd: &Cmd) -> RedisResult<T> {
        cmd.query_async(&mut self.connect().await?).await
    }

    /// Asks it several things at once, over a connection of its own.
    pub async fn query_all<T: FromRedisValue>(&self, commands: &Pipeline) -> RedisResult<T> {
        commands.query_async(&mut self.connect().await?).await
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(2)))
            .set_response_timeout(Some(Duration::from_secs(2)));
        let client = Client::open(format!("redis://{}", self.address()))?;
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Sends it a command of words, such as `CLUSTER MYID`; a refusal fails the test.
    pub async fn command<T: FromRedisValue>(&self, words: &str) -> T {
        self.query(&cmd(words))
            .await
            .unwrap_or_else(|e: RedisError| panic!("{words:?} at {}: {e}", self.process.name()))
    }

    /// Waits until it answers as the process that we started; false if it ended instead, which is what
    /// redis-server does when a port is taken.
    async fn answers(&mut self) -> bool {
        let me = format!("process_id:{}\r\n", self.process.id());
        let mut ended = false;
        wait_until("redis-server answers", START, async || {
            ended = self.process.ended().is_some();
            let info = self.query::<String>(&cmd("INFO server")).await;
            ended || info.is_ok_and(|info| info.contains(&me))
        })
        .await;
        !ended
    }
}

/// A command of words.
pub(super) fn cmd(words: &str) -> Cmd {
    let mut cmd = Cmd::new();
    for word in words.split_whitespace() {
        cmd.arg(word);
    }
    cmd
}

fn command(port: u16, bus: u16) -> Command {
    let mut command = Command::new(redis_server());
    let timeout = NODE_TIMEOUT.as_millis();
    let options = format!(
        "--port {port} --cluster-port {bus} --bind 127.0.0.1 --daemonize no --appendonly no \
         --cluster-enabled yes --cluster-config-file nodes.conf --cluster-node-timeout {timeout} \
         --cluster-require-full-coverage no --cluster-allow-replica-migration no \
         --cluster-replica-validity-factor 0 --repl-diskless-sync-delay 0"
    );
    command.args(options.split_whitespace()).args(["--save", ""]);
    command
}
