//! Memory of idle connections.

use std::{sync::Arc, time::Duration};

use rustls::ClientConfig;
use tokio::time::sleep;

use crate::{
    floor,
    server::{Fleet, STARTED, Server, hello},
    table::{Better, Goal, Row, Table, median},
    wire::{self, WebSocket, text_frame},
};

/// Messages of the burst.
const BURST: usize = 64;

/// What one round found, in bytes per connection.
#[derive(Default)]
struct Figures {
    floor: Vec<f64>,
    socket: Vec<f64>,
    session: Vec<f64>,
    tls: Vec<f64>,
    /// Session after a burst ÷ before − 1, in percent.
    growth: Vec<f64>,
}

/// Four servers in turn, `rounds` times.
pub(crate) async fn measure(
    table: &mut Table,
    rounds: usize,
    connections: usize,
) -> anyhow::Result<()> {
    let mut figures = Figures::default();
    for _ in 0..rounds {
        let server = Server::floor(floor::Kind::Echo).await?;
        let mut open = Vec::new();
        let per =
            grow(&server, connections, &mut open, async |i| wire::connect(server.port, i).await)
                .await?;
        figures.floor.push(per);
        // Of the files that this process may have open, each server's clients need a large part.
        drop(open);

        let fleet = Fleet::start(false).await?;
        let port = fleet.gateway.port;
        let mut open: Vec<WebSocket> = Vec::new();
        sleep(STARTED).await;
        let upgrade = async |i| WebSocket::open(port, i, None).await;
        figures.socket.push(grow(&fleet.gateway, connections, &mut open, upgrade).await?);
        drop(open);

        let fleet = Fleet::start(false).await?;
        let mut open = Vec::new();
        let session = sessions(&fleet, connections, None, &mut open).await?;
        figures.session.push(session);
        figures.growth.push(burst(&fleet.gateway, open, connections, session).await?);

        let fleet = Fleet::start(true).await?;
        let tls = fleet.client_tls()?;
        figures.tls.push(sessions(&fleet, connections, Some(tls), &mut Vec::new()).await?);
    }
    report(table, &figures);
    Ok(())
}

async fn sessions(
    fleet: &Fleet,
    connections: usize,
    tls: Option<Arc<ClientConfig>>,
    open: &mut Vec<WebSocket>,
) -> anyhow::Result<f64> {
    sleep(STARTED).await;
    let port = fleet.gateway.port;
    let log_in = async |index: usize| {
        let mut socket = WebSocket::open(port, index, tls.as_ref()).await?;
        socket.write(&text_frame(&hello(index)?)).await?;
        while !socket.text().await?.contains(r#""type":"caught_up""#) {}
        Ok(socket)
    };
    grow(&fleet.gateway, connections, open, log_in).await
}

/// Opens connections and returns by how much each made the server grow, in bytes. The server has had none
/// before: what earlier ones had left free would hide a part of it, and nobody could say how much.
async fn grow<C>(
    server: &Server,
    connections: usize,
    open: &mut Vec<C>,
    connect: impl AsyncFn(usize) -> anyhow::Result<C>,
) -> anyhow::Result<f64> {
    let before = settled(server).await?;
    open.extend(wire::open_all(open.len()..connections, connect).await?);
    let after = settled(server).await?;
    Ok((after - before) / connections as f64)
}

/// Memory once it stands still: two looks a quarter of a second apart that differ by less than 0.2 %.
pub(crate) async fn settled(server: &Server) -> anyhow::Result<f64> {
    let mut last = server.memory()?;
    for _ in 0..40 {
        sleep(Duration::from_millis(250)).await;
        let now = server.memory()?;
        if (now - last).abs() < last * 0.002 {
            return Ok(now);
        }
        last = now;
    }
    Ok(last)
}

/// Every session sends and receives a burst; returns the growth of its memory in percent.
async fn burst(
    server: &Server,
    open: Vec<WebSocket>,
    connections: usize,
    session: f64,
) -> anyhow::Result<f64> {
    let before = settled(server).await?;
    let pings = text_frame(r#"{"type":"ping","id":1}"#).repeat(BURST);
    let mut done = Vec::with_capacity(open.len());
    for mut socket in open {
        socket.write(&pings).await?;
        for _ in 0..BURST {
            socket.text().await?;
        }
        done.push(socket);
    }
    let after = settled(server).await?;
    Ok((after - before) / connections as f64 / session * 100.0)
}

fn report(table: &mut Table, figures: &Figures) {
    let bytes = |values: &[f64]| format!("{:.0} B", median(values));
    let ratios = |values: &[f64]| -> Vec<f64> {
        values.iter().zip(&figures.floor).map(|(value, floor)| value / floor).collect()
    };
    let memory = |what: &str, values: &[f64], goal: Goal| Row {
        what: what.into(),
        floor: Some(bytes(&figures.floor)),
        measured: bytes(values),
        rounds: ratios(values),
        better: Better::Lower,
        goal: Some(goal),
    };
    table.add(memory("idle memory, socket layer, plain", &figures.socket, Goal::must(2.0, 1.25)));
    table.add(memory(
        "idle memory, logged-in session, plain",
        &figures.session,
        Goal::must(4.0, 2.0),
    ));
    table.add(memory("idle memory, logged-in session, TLS", &figures.tls, Goal::must(12.0, 6.0)));
    table.add(Row {
        what: format!("growth after a burst of {BURST} messages, %"),
        floor: Some(bytes(&figures.session)),
        measured: format!("{:.1} %", median(&figures.growth)),
        rounds: figures.growth.clone(),
        better: Better::Lower,
        goal: Some(Goal::must(10.0, 2.0)),
    });
}
