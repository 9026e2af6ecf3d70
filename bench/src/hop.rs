//! The hop from gateway to gateway: from handing over a delivery to having its outcome, through the
//! peer port of the shipped gateway (mutual TLS, session table), against two blocking threads that
//! answer each message over plain TCP. The deliveries are for devices that the gateway does not hold,
//! so no client's socket is part of the figure.

use std::{
    io::{Read, Write},
    net::TcpStream as StdStream,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use bytes::{Bytes, BytesMut};
use chatcluster_config::Role;
use chatcluster_protocol::{
    id::MessageId,
    peer::{Deliver, Outcomes, PeerFrame, PeerHello, PeerKind, Target, VERSION, decode, encode},
};
use chatcluster_runtime::tls::RoleCertificate;
use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    net::TcpStream,
    sync::oneshot,
};
use tokio_rustls::client::TlsStream;

use crate::{
    floor::{self, ANSWER, MESSAGE},
    server::{Fleet, Server},
    table::{Better, Row, Table, median},
};

const RATES: [u64; 2] = [20_000, 100_000];
const LASTING: Duration = Duration::from_secs(2);
/// What is due is sent this often.
const TICK: Duration = Duration::from_millis(1);
/// Bytes of a short `message` push.
const PUSH: usize = 180;

/// Floor and gateway in turn, `rounds` times for each rate.
pub(crate) async fn measure(table: &mut Table, rounds: usize) -> anyhow::Result<()> {
    for rate in RATES {
        let (mut floors, mut hops) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            floors.push(floor_p99(rate).await?);
            hops.push(hop_p99(rate).await?);
        }
        table.add(Row {
            what: format!("gateway to gateway and back at {}k msg/s, p99", rate / 1000),
            floor: format!("{:.0} µs", median(&floors)),
            measured: format!("{:.0} µs", median(&hops)),
            ratios: hops.iter().zip(&floors).map(|(hop, floor)| hop / floor).collect(),
            better: Better::Lower,
            goal: 2.0,
            stretch: 1.3,
            must: true,
        });
    }
    Ok(())
}

/// How many are due after this long.
fn count(elapsed: Duration, rate: u64) -> u64 {
    (elapsed.as_nanos() as u64).saturating_mul(rate) / 1_000_000_000
}

fn p99(times: &Histogram<u64>) -> f64 {
    times.value_at_quantile(0.99) as f64 / 1e3
}

fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new(3)?)
}

async fn floor_p99(rate: u64) -> anyhow::Result<f64> {
    let server = Server::floor(floor::Kind::Hop).await?;
    let stream = StdStream::connect(("127.0.0.1", server.port))?;
    stream.set_nodelay(true)?;
    tokio::task::spawn_blocking(move || floor_round_trips(stream, rate)).await?
}

/// Each message carries its number; it counts from when it was handed over.
fn floor_round_trips(stream: StdStream, rate: u64) -> anyhow::Result<f64> {
    let total = count(LASTING, rate);
    let mut writer = stream.try_clone()?;
    let start = Instant::now();
    let sender = std::thread::spawn(move || -> anyhow::Result<()> {
        let mut sent = 0;
        let mut batch = Vec::new();
        while sent < total {
            std::thread::sleep(TICK);
            let now = start.elapsed();
            batch.clear();
            while sent < count(now, rate).min(total) {
                let mut message = [0; MESSAGE];
                message[..8].copy_from_slice(&(now.as_nanos() as u64).to_be_bytes());
                batch.extend_from_slice(&message);
                sent += 1;
            }
            writer.write_all(&batch)?;
        }
        Ok(())
    });
    let mut reader = stream;
    let (mut times, mut seen) = (histogram()?, 0);
    let (mut buffer, mut held) = (vec![0; 64 * 1024], 0);
    while seen < total {
        let read = reader.read(&mut buffer[held..])?;
        anyhow::ensure!(read > 0, "the floor closed");
        held += read;
        let now = start.elapsed().as_nanos() as u64;
        let whole = held / ANSWER * ANSWER;
        for answer in buffer[..whole].chunks_exact(ANSWER) {
            let handed = answer.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
            times.record(now.saturating_sub(handed))?;
            seen += 1;
        }
        buffer.copy_within(whole..held, 0);
        held -= whole;
    }
    sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
    Ok(p99(&times))
}

async fn hop_p99(rate: u64) -> anyhow::Result<f64> {
    let fleet = Fleet::start(true).await?;
    let role = RoleCertificate::load(&fleet.certificates.role("bench", Role::Gateway)?)?;
    // The first hello learns the incarnation, the second one asks for it.
    let (_, _, incarnation) = link(&role, fleet.peer, "unknown").await?;
    let (reader, writer, _) = link(&role, fleet.peer, &incarnation).await?;
    // A thread of its own for each direction, as the floor has.
    let start = Instant::now();
    let (done, times) = oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
            runtime.block_on(async {
                let (sent, seen) =
                    tokio::join!(send(writer, start, rate), receive(reader, start, rate));
                sent.and(seen)
            })
        });
        // The receiver is gone only when the run has failed already.
        let _ = done.send(result);
    });
    Ok(p99(&times.await??))
}

type Link = (ReadHalf<TlsStream<TcpStream>>, WriteHalf<TlsStream<TcpStream>>, String);

async fn link(role: &RoleCertificate, port: u16, wanted: &str) -> anyhow::Result<Link> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let stream = role.connector(Role::Gateway, &[])?.connect(stream).await?;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let hello = PeerHello { version: VERSION, from: "bench".into(), wanted: wanted.into() };
    let mut buffer = BytesMut::new();
    encode(&PeerFrame { kind: Some(PeerKind::Hello(hello)) }, &mut buffer)?;
    writer.write_all(&buffer).await?;
    writer.flush().await?;
    buffer.clear();
    loop {
        if let Some(frame) = decode(&mut buffer)? {
            let Some(PeerKind::Welcome(welcome)) = frame.kind else {
                bail!("no welcome: {frame:?}")
            };
            return Ok((reader, writer, welcome.incarnation));
        }
        anyhow::ensure!(reader.read_buf(&mut buffer).await? > 0, "the peer closed");
    }
}

async fn send(
    mut writer: WriteHalf<TlsStream<TcpStream>>,
    start: Instant,
    rate: u64,
) -> anyhow::Result<()> {
    let push = Bytes::from(vec![b'x'; PUSH]);
    let id = Bytes::copy_from_slice(&MessageId::floor(1).to_bytes());
    let total = count(LASTING, rate);
    let (mut sent, mut buffer) = (0, BytesMut::new());
    let mut ticks = tokio::time::interval(TICK);
    while sent < total {
        ticks.tick().await;
        let now = start.elapsed();
        while sent < count(now, rate).min(total) {
            let deliver = Deliver {
                // The time it was handed over doubles as its sequence; it comes back with the outcome.
                sequence: now.as_nanos() as u64 * 1000 + sent % 1000,
                id: id.clone(),
                frame: push.clone(),
                targets: vec![target()],
                receipt: false,
            };
            encode(&PeerFrame { kind: Some(PeerKind::Deliver(deliver)) }, &mut buffer)?;
            sent += 1;
        }
        writer.write_all(&buffer).await?;
        writer.flush().await?;
        buffer.clear();
    }
    Ok(())
}

fn target() -> Target {
    Target { user: "nobody".into(), device: "bench".into(), connection: 1, epoch: 1 }
}

async fn receive(
    mut reader: ReadHalf<TlsStream<TcpStream>>,
    start: Instant,
    rate: u64,
) -> anyhow::Result<Histogram<u64>> {
    let total = count(LASTING, rate);
    let (mut times, mut seen, mut buffer) = (histogram()?, 0, BytesMut::new());
    while seen < total {
        anyhow::ensure!(reader.read_buf(&mut buffer).await? > 0, "the peer closed");
        let now = start.elapsed().as_nanos() as u64;
        while let Some(frame) = decode(&mut buffer)? {
            let kind = frame.kind.context("an unknown frame")?;
            let PeerKind::Outcomes(Outcomes { outcomes }) = kind else { continue };
            for outcome in outcomes {
                times.record(now.saturating_sub(outcome.sequence / 1000))?;
                seen += 1;
            }
        }
    }
    Ok(times)
}
