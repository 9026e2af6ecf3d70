//! What it costs to accept a connection: up to the upgrade's answer, and up to a session that has caught up.
//!
//! Over TLS every handshake is a full one, as of clients that come for the first time; the devices are
//! known, as of clients that come back. Goals are for the upgrade; a session has a token to verify, a
//! route to claim and an inbox to read, which no floor does.

use std::{sync::Arc, time::Duration};

use rustls::{ClientConfig, client::Resumption};
use tokio::time::sleep;

use crate::{
    deadline::within,
    floor,
    server::{Fleet, STARTED, Server},
    session::Session,
    table::{Better, Goal, Row, Table, median},
    wire::{self, PER_ADDRESS, WebSocket},
};

/// Connections of each kind in a round.
const CONNECTIONS: usize = PER_ADDRESS;
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway, its floor, and what rounds have found: microseconds of CPU time for each connection.
struct Port {
    fleet: Fleet,
    floor: Server,
    tls: Option<Arc<ClientConfig>>,
    goal: Goal,
    bare: Vec<f64>,
    upgraded: Vec<f64>,
    sessions: Vec<f64>,
}

/// Floor, upgrade and session in turn, plain and over TLS.
pub(crate) async fn measure(table: &mut Table, rounds: usize) -> anyhow::Result<()> {
    let mut ports = [Port::plain().await?, Port::tls().await?];
    sleep(STARTED).await;
    for port in &ports {
        // Every device is known from its first session on.
        port.sessions().await?;
    }
    for _ in 0..rounds {
        for port in &mut ports {
            port.round().await?;
        }
    }
    for (port, kind) in ports.iter().zip(["plain", "TLS 1.3"]) {
        port.report(table, kind);
    }
    Ok(())
}

impl Port {
    async fn plain() -> anyhow::Result<Self> {
        let fleet = Fleet::start(false).await?;
        let floor = Server::floor(floor::Kind::Echo).await?;
        Ok(Self::new(fleet, floor, None, Goal::reported(2.2, 1.8)))
    }

    async fn tls() -> anyhow::Result<Self> {
        let fleet = Fleet::start(true).await?;
        let floor = Server::tls_floor(&fleet.certificates.server("floor")?).await?;
        let mut tls = fleet.client_tls()?.as_ref().clone();
        tls.resumption = Resumption::disabled();
        Ok(Self::new(fleet, floor, Some(tls.into()), Goal::reported(1.6, 1.4)))
    }

    fn new(fleet: Fleet, floor: Server, tls: Option<Arc<ClientConfig>>, goal: Goal) -> Self {
        let (bare, upgraded, sessions) = (Vec::new(), Vec::new(), Vec::new());
        Self { fleet, floor, tls, goal, bare, upgraded, sessions }
    }

    async fn round(&mut self) -> anyhow::Result<()> {
        let tls = self.tls.as_ref();
        let (floor, gateway) = (&self.floor, &self.fleet.gateway);
        let bare = cost(floor, async |i| wire::secured(floor.port, i, tls).await).await?;
        self.bare.push(bare);
        // Other addresses than the floor's: closed connections keep their ports for a minute.
        let upgrade = async |i| WebSocket::open(gateway.port, PER_ADDRESS + i, tls).await;
        let upgraded = cost(gateway, upgrade).await?;
        self.upgraded.push(upgraded);
        let sessions = self.sessions().await?;
        self.sessions.push(sessions);
        Ok(())
    }

    async fn sessions(&self) -> anyhow::Result<f64> {
        let log_in = async |i| {
            let socket =
                WebSocket::open(self.fleet.gateway.port, 2 * PER_ADDRESS + i, self.tls.as_ref());
            Ok(Session::log_in(socket.await?, i).await?.0)
        };
        cost(&self.fleet.gateway, log_in).await
    }

    fn report(&self, table: &mut Table, kind: &str) {
        let micros = |values: &[f64]| format!("{:.1} µs", median(values));
        let row = |what: &str, values: &[f64], goal| Row {
            what: format!("accept, {kind}: gateway CPU for a connection, up to {what}"),
            floor: Some(micros(&self.bare)),
            measured: micros(values),
            rounds: values.iter().zip(&self.bare).map(|(value, bare)| value / bare).collect(),
            better: Better::Lower,
            goal,
        };
        table.add(row("the upgrade", &self.upgraded, Some(self.goal)));
        table.add(row("caught_up", &self.sessions, None));
    }
}

/// Opens connections and returns what each cost the server. They are closed after it has been measured.
async fn cost<C>(
    server: &Server,
    connect: impl AsyncFn(usize) -> anyhow::Result<C>,
) -> anyhow::Result<f64> {
    server.rest().await?;
    let before = server.cpu()?;
    let opening = wire::open_all(0..CONNECTIONS, connect);
    let _open = within(PATIENCE, "opening connections", opening).await?;
    server.rest().await?;
    Ok((server.cpu()? - before) * 1e6 / CONNECTIONS as f64)
}
