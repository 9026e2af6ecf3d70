//! Other servers beside ours, under the same load in the same run: what a connection costs when nothing
//! happens, what it costs to accept, and what it costs to tell a room of [`room::MEMBERS`].
//!
//! All are plain, without TLS and compression, and speak WebSocket with text (NATS: binary) frames. The
//! peers keep nothing and let anybody in. Ours has two rows: its WebSocket alone, before the `hello`, is
//! what the peers do; its sessions are authenticated, have routes in Redis, and get what is stored for
//! each device until it has acknowledged it.

mod catalog;
mod client;
mod installed;
mod ours;
mod report;
mod room;

use std::time::Duration;

use anyhow::Context;
use tokio::time::timeout;

use crate::{idle::settled, server::Server, wire};
use catalog::{PEERS, Peer};
use client::Client;
use installed::Installed;
pub(crate) use report::Report;
use report::Row;

/// Connections of the idle figure.
const CONNECTIONS: usize = 2000;
/// No figure takes longer.
const LONGEST: Duration = Duration::from_secs(120);

/// What connections cost a server while they stand still.
struct Idle {
    /// Bytes of each.
    memory: f64,
    /// CPU time to accept one, in microseconds.
    accept: f64,
}

/// All servers in turn, `rounds` times.
pub(crate) async fn measure(rounds: usize) -> anyhow::Result<Report> {
    let installed = Installed::find()?;
    let mut socket = Row::new("ChatCluster, WebSocket alone".into());
    let mut session = Row::new("ChatCluster, sessions and a stored group".into());
    let mut peers: Vec<_> = PEERS.iter().map(|peer| (peer, installed.row(peer))).collect();
    for _ in 0..rounds {
        socket.idle.push(Box::pin(ours::sockets()).await?);
        session.idle.push(Box::pin(ours::sessions()).await?);
        session.deliveries.push(Box::pin(ours::room()).await?);
        for (peer, row) in peers.iter_mut().filter(|(_, row)| row.absent.is_none()) {
            // One that fails leaves the others.
            if let Err(error) = Box::pin(round(&installed, peer, row)).await {
                row.absent = Some(format!("{error:#}"));
            }
        }
    }
    let rows = [socket, session].into_iter().chain(peers.into_iter().map(|(_, row)| row));
    Ok(Report(rows.collect()))
}

async fn round(installed: &Installed, peer: &Peer, row: &mut Row) -> anyhow::Result<()> {
    let (server, _files) = installed.start(peer).await?;
    let connect = async |index| Client::connect(server.port, index, &peer.dialect).await;
    let idle = timeout(LONGEST, idle(&[&server], connect)).await;
    row.idle.push(idle.context("connections take too long")??);
    drop(server);

    let (server, _files) = installed.start(peer).await?;
    let room = timeout(LONGEST, client::room(&server, &peer.dialect)).await;
    row.deliveries.push(vec![room.context("the room takes too long")??]);
    Ok(())
}

/// Opens connections. The first of the servers is the one whose memory counts.
async fn idle<C>(
    servers: &[&Server],
    connect: impl AsyncFn(usize) -> anyhow::Result<C>,
) -> anyhow::Result<Idle> {
    let server = servers.first().context("no server")?;
    let used = || servers.iter().map(|server| server.cpu()).sum::<anyhow::Result<f64>>();
    let (memory, cpu) = (settled(server).await?, used()?);
    let open = wire::open_all(0..CONNECTIONS, connect).await?;
    let (memory, cpu) = (settled(server).await? - memory, used()? - cpu);
    let each = open.len() as f64;
    Ok(Idle { memory: memory / each, accept: cpu * 1e6 / each })
}
