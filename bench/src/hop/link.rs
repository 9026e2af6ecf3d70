//! The product's near side: the outgoing link of the gateway's library.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Instant,
};

use anyhow::{Context, bail};
use bytes::{Bytes, BytesMut};
use chatcluster_config::Role;
use chatcluster_gateway::{
    metrics::Metrics,
    peers::{Item, PeerEvents, Peers},
};
use chatcluster_protocol::{
    id::MessageId,
    peer::{
        self, Outcome, PeerFrame, PeerHello, PeerKind, TargetOutcome, TargetRef, VERSION, decode,
        encode,
    },
};
use chatcluster_runtime::tls::{RoleCertificate, RoleConnector};
use gateway_core::{ConnectionId, Device, Gateway, Incarnation, Push, Target};
use prometheus_client::registry::Registry;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::yield_now,
};
use uuid::Uuid;

use super::{Pace, Times, stamp, total};
use crate::server::Fleet;

/// Bytes of a short `message` push.
const PUSH: usize = 180;

/// An open link to the shipped gateway.
pub(super) struct Link {
    far: Gateway,
    near: Arc<Near>,
    peers: Arc<Peers>,
    /// Of the near side, as the program has one. Taken only to end it.
    runtime: Option<Runtime>,
}

impl Link {
    /// Opens it, with one delivery there and back.
    pub(super) async fn open(fleet: &Fleet) -> anyhow::Result<Self> {
        let role = RoleCertificate::load(&fleet.certificates.role("bench", Role::Gateway)?)?;
        let connector = role.connector(Role::Gateway, &[])?;
        let incarnation = incarnation(&connector, fleet.peer).await?;
        let near = Arc::new(Near::default());
        let events: Weak<dyn PeerEvents> = Arc::<Near>::downgrade(&near);
        let metrics = Metrics::register(&mut Registry::default());
        let link = Self {
            far: Gateway { incarnation, host: "127.0.0.1".into(), port: fleet.peer },
            near,
            peers: Arc::new(Peers::new(events, connector, metrics)),
            runtime: Some(Builder::new_multi_thread().enable_all().build()?),
        };
        let first = link.near.expect(Times::of(Instant::now(), 1)?);
        let sender = link.sender()?;
        link.run(async move { sender.deliver(0).await }).await?;
        first.await.context("the link was not opened")?;
        Ok(link)
    }

    /// Hands over the deliveries of a round.
    pub(super) async fn round_trips(&self, rate: u64) -> anyhow::Result<Times> {
        let start = Instant::now();
        let times = self.near.expect(Times::of(start, total(rate))?);
        let sender = self.sender()?;
        self.run(async move {
            let mut pace = Pace::new(start, rate);
            while let Some(count) = pace.due().await {
                for _ in 0..count {
                    sender.deliver(stamp(start)).await;
                }
            }
        })
        .await?;
        times.await.context("the link was lost")
    }

    /// Runs a task of the near side.
    async fn run(&self, task: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
        let runtime = self.runtime.as_ref().context("the runtime has ended")?;
        Ok(runtime.spawn(task).await?)
    }

    fn sender(&self) -> anyhow::Result<Sender> {
        let (far, peers) = (self.far.clone(), self.peers.clone());
        Ok(Sender { far, peers, push: push(), targets: [target()?] })
    }
}

/// What hands over.
struct Sender {
    far: Gateway,
    peers: Arc<Peers>,
    push: Push,
    targets: [Target; 1],
}

impl Sender {
    async fn deliver(&self, sequence: u64) {
        let item = Item::Deliver { sequence, push: &self.push, targets: &self.targets };
        // A full queue is waited for, as the floor waits for a full socket.
        while self.peers.send(&self.far, item).is_err() {
            yield_now().await;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Waiting for its threads is not allowed inside another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A short message.
fn push() -> Push {
    let frame = Bytes::from(vec![b'x'; PUSH]);
    Push { id: MessageId::floor(1), receipt: false, frame }
}

/// A device that the gateway does not hold.
fn target() -> anyhow::Result<Target> {
    let device = Device { user: "nobody".parse()?, device: "bench".parse()? };
    Ok(Target { device, connection: ConnectionId(u64::MAX), epoch: 1 })
}

/// The near gateway, as far as its link sees it: takes the outcomes of a round.
#[derive(Default)]
struct Near(Mutex<Option<(Times, oneshot::Sender<Times>)>>);

impl Near {
    /// What is measured from now on; it comes when all are back.
    fn expect(&self, times: Times) -> oneshot::Receiver<Times> {
        let (done, all) = oneshot::channel();
        *self.lock() = Some((times, done));
        all
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Times, oneshot::Sender<Times>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PeerEvents for Near {
    fn incarnation(&self) -> Incarnation {
        Incarnation(Uuid::nil())
    }
    fn outcomes(&self, outcomes: &[TargetOutcome]) {
        let mut round = self.lock();
        let stamps = outcomes.iter().map(|outcome| outcome.sequence);
        if round.as_mut().is_some_and(|(times, _)| times.came_back(stamps))
            && let Some((times, done)) = round.take()
        {
            // Whoever waited may have given up.
            let _ = done.send(times);
        }
    }
    fn link_lost(&self, _: Incarnation) {
        *self.lock() = None;
    }
    fn gateway_gone(&self, _: Incarnation) {
        *self.lock() = None;
    }
    // Nobody opens a link to this side.
    fn evicted(&self, _: u64) {}
    fn deliver(&self, _: TargetRef<'_>, _: &Push) -> Outcome {
        Outcome::NotHere
    }
    fn typing(&self, _: u64, _: &Bytes, _: &[peer::Target]) {}
    fn evict(&self, _: TargetRef<'_>) {}
    fn disconnect(&self, _: TargetRef<'_>) {}
    fn probe_all(&self) {}
}

/// Who answers at the port: a hello that means somebody else is told.
async fn incarnation(connector: &RoleConnector, port: u16) -> anyhow::Result<Incarnation> {
    let mut stream = connector.connect(TcpStream::connect(("127.0.0.1", port)).await?).await?;
    let hello = PeerHello { version: VERSION, from: "bench".into(), wanted: "unknown".into() };
    let mut buffer = BytesMut::new();
    encode(&PeerFrame { kind: Some(PeerKind::Hello(hello)) }, &mut buffer)?;
    stream.write_all(&buffer).await?;
    stream.flush().await?;
    buffer.clear();
    while stream.read_buf(&mut buffer).await? > 0 {}
    match decode(&mut buffer)?.and_then(|frame| frame.kind) {
        Some(PeerKind::Welcome(welcome)) => Ok(Incarnation(welcome.incarnation.parse()?)),
        other => bail!("no welcome: {other:?}"),
    }
}
