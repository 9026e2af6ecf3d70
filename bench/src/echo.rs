//! Messages per second of server CPU: 16 requests in flight on each connection, answered one by one.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
};

use crate::{
    floor,
    server::{Fleet, Server, hello},
    table::{Better, Goal, Row, Table, median},
    wire::{self, WebSocket, text_frame},
};

const CONNECTIONS: usize = 64;
const DEPTH: usize = 16;
const LASTING: Duration = Duration::from_secs(2);
const PING: &str = r#"{"type":"ping","id":1}"#;

/// Floor, plain and TLS in turn, `rounds` times.
pub(crate) async fn measure(table: &mut Table, rounds: usize) -> anyhow::Result<()> {
    let (mut floors, mut plain, mut tls) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        floors.push(floor_rate().await?);
        plain.push(ping_rate(false).await?);
        tls.push(ping_rate(true).await?);
    }
    for (what, rates, goal, stretch) in
        [("ping to pong, plain", &plain, 0.75, 0.9), ("ping to pong, TLS", &tls, 0.6, 0.7)]
    {
        table.add(Row {
            what: format!("{what}: messages per server CPU second at depth {DEPTH}"),
            floor: Some(format!("{:.0} k/s", median(&floors) / 1e3)),
            measured: format!("{:.0} k/s", median(rates) / 1e3),
            rounds: rates.iter().zip(&floors).map(|(rate, floor)| rate / floor).collect(),
            better: Better::Higher,
            goal: Some(Goal::reported(goal, stretch)),
        });
    }
    Ok(())
}

async fn floor_rate() -> anyhow::Result<f64> {
    let server = Server::floor(floor::Kind::Echo).await?;
    let batch = text_frame(PING).repeat(DEPTH);
    let mut tasks = JoinSet::new();
    let (before, end) = (server.cpu()?, Instant::now() + LASTING);
    for index in 0..CONNECTIONS {
        let mut stream = wire::connect(server.port, index).await?;
        let batch = batch.clone();
        tasks.spawn(async move {
            let (mut answer, mut count) = (vec![0; batch.len()], 0);
            while Instant::now() < end {
                stream.write_all(&batch).await?;
                stream.read_exact(&mut answer).await?;
                count += DEPTH;
            }
            anyhow::Ok(count)
        });
    }
    let count = sum(tasks).await?;
    Ok(count as f64 / (server.cpu()? - before))
}

async fn ping_rate(tls: bool) -> anyhow::Result<f64> {
    let fleet = Fleet::start(tls).await?;
    let tls = tls.then(|| fleet.client_tls()).transpose()?;
    let mut sockets = Vec::new();
    for index in 0..CONNECTIONS {
        let mut socket = WebSocket::open(fleet.gateway.port, index, tls.as_ref()).await?;
        socket.write(&text_frame(&hello(index)?)).await?;
        while !socket.text().await?.contains(r#""type":"caught_up""#) {}
        sockets.push(socket);
    }
    let batch = text_frame(PING).repeat(DEPTH);
    let mut tasks = JoinSet::new();
    let (before, end) = (fleet.gateway.cpu()?, Instant::now() + LASTING);
    for mut socket in sockets {
        let batch = batch.clone();
        tasks.spawn(async move {
            let mut count = 0;
            while Instant::now() < end {
                socket.write(&batch).await?;
                for _ in 0..DEPTH {
                    socket.text().await?;
                }
                count += DEPTH;
            }
            anyhow::Ok(count)
        });
    }
    let count = sum(tasks).await?;
    Ok(count as f64 / (fleet.gateway.cpu()? - before))
}

async fn sum(mut tasks: JoinSet<anyhow::Result<usize>>) -> anyhow::Result<usize> {
    let mut count = 0;
    while let Some(done) = tasks.join_next().await {
        count += done??;
    }
    Ok(count)
}
