//! A node, and the connection to it that is made again whenever it is lost.

use std::{fmt, sync::Arc, time::Duration};

use chatcluster_runtime::tls::RoleConnector;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    error::{CallError, ConnectError},
    handshake::{self, Framing},
    link::{Driver, Link},
    term::Term,
};

/// How long connecting may take, hands shaken.
const CONNECT: Duration = Duration::from_secs(5);

/// Between attempts to connect: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Where a node is, and how to talk to it.
#[derive(Clone)]
pub struct Settings {
    /// Host and port of its distribution (`-kernel inet_dist_listen_min`, or `-erl_epmd_port`).
    pub address: String,
    /// What it has as `-setcookie`.
    pub cookie: String,
    /// For nodes that have `-proto_dist inet_tls`: both sides prove who they are.
    pub tls: Option<RoleConnector>,
    /// The node's `-kernel net_ticktime`: who was silent for that long is taken for dead.
    pub tick_time: Duration,
}

impl Settings {
    /// A node on a network that is trusted, with OTP's tick time of a minute.
    pub fn new(address: impl Into<String>, cookie: impl Into<String>) -> Self {
        let tick_time = Duration::from_secs(60);
        Self { address: address.into(), cookie: cookie.into(), tls: None, tick_time }
    }
}

/// Without the cookie.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, cookie: _, tls, tick_time } = self;
        let mut settings = f.debug_struct("Settings");
        settings.field("address", address).field("tls", tls).field("tick_time", tick_time);
        settings.finish_non_exhaustive()
    }
}

/// An Erlang node. A task of the current runtime keeps it connected for as long as this lives.
#[derive(Debug)]
pub struct Node {
    connection: watch::Receiver<Connection>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone)]
enum Connection {
    Up(Arc<Link>),
    Down(String),
}

impl Node {
    /// Begins to connect.
    pub fn new(settings: Settings) -> Self {
        let begun = Connection::Down("the first attempt is under way".to_owned());
        let (sender, connection) = watch::channel(begun);
        let task = tokio::spawn(async move { keep_connected(&settings, &sender).await });
        Self { connection, task }
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// Why there is none after `within`.
    pub async fn connected(&self, within: Duration) -> Result<(), CallError> {
        let mut connection = self.connection.clone();
        let up = connection.wait_for(|now| matches!(now, Connection::Up(_)));
        match timeout(within, up).await {
            Ok(Ok(_)) => Ok(()),
            _ => self.link().map(|_| ()),
        }
    }

    /// What the node is called, while there is a connection.
    pub fn name(&self) -> Option<String> {
        self.link().ok().map(|link| link.names.peer.clone())
    }

    /// Calls a function of the node, which runs in a process of its own there. What it prints has no reader:
    /// call nothing that prints.
    ///
    /// # Errors
    /// Without a connection at once; nothing is kept for later, since the caller knows better what to do.
    pub async fn call(
        &self,
        module: &str,
        function: &str,
        arguments: &[Term],
        within: Duration,
    ) -> Result<Term, CallError> {
        self.link()?.call(module, function, arguments, within).await
    }

    fn link(&self) -> Result<Arc<Link>, CallError> {
        match &*self.connection.borrow() {
            Connection::Up(link) => Ok(link.clone()),
            Connection::Down(reason) => Err(CallError::Unconnected(reason.clone())),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep_connected(settings: &Settings, connection: &watch::Sender<Connection>) {
    let mut back_off = BACK_OFF.0;
    loop {
        let began = Instant::now();
        let connected = timeout(CONNECT, connect(settings)).await;
        let reason = match connected.unwrap_or(Err(ConnectError::Deadline)) {
            Ok((link, driver)) => {
                connection.send_replace(Connection::Up(Arc::new(link)));
                driver.run(settings.tick_time).await
            }
            Err(error) => error.to_string(),
        };
        connection.send_replace(Connection::Down(reason));
        // One that has lasted says that the node was well.
        if began.elapsed() > BACK_OFF.1 {
            back_off = BACK_OFF.0;
        }
        let share = rand::random_range(0.5..1.0);
        sleep(back_off.mul_f64(share)).await;
        back_off = (back_off * 2).min(BACK_OFF.1);
    }
}

/// What a connection goes over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn connect(settings: &Settings) -> Result<(Link, Driver<Box<dyn Stream>>), ConnectError> {
    let plain = TcpStream::connect(&settings.address).await?;
    plain.set_nodelay(true)?;
    // The node puts this behind the name that it gives us.
    let host = plain.local_addr()?.ip().to_string();
    let (mut stream, framing): (Box<dyn Stream>, _) = match &settings.tls {
        None => (Box::new(plain), Framing::Plain),
        Some(tls) => (Box::new(tls.connect(plain).await?), Framing::Tls),
    };
    let names = handshake::shake(&mut stream, framing, &host, &settings.cookie).await?;
    Ok(Link::new(stream, names))
}
