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
    peer::{self, Outcome, PeerFrame, PeerHello, PeerKind, TargetOutcome, VERSION, decode, encode},
};
use chatcluster_runtime::tls::{RoleCertificate, RoleConnector};
use gateway_core::{ConnectionId, Device, Gateway, Incarnation, Push, Target};
use prometheus_client::registry::Registry;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::{Builder, Runtime},
    sync::oneshot,
};
use uuid::Uuid;

use super::{Times, pace, stamp, total};
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
        link.hand_over(1, |start, deliver| {
            deliver(stamp(start));
            Ok(())
        })
        .await?;
        Ok(link)
    }

    /// Hands over the deliveries of a round.
    pub(super) async fn round_trips(&self, rate: u64) -> anyhow::Result<Times> {
        self.hand_over(total(rate), move |start, deliver| {
            pace(start, rate, |numbers| {
                numbers.for_each(|_| deliver(stamp(start)));
                Ok(())
            })
        })
        .await
    }

    /// Runs what hands over `count` deliveries on a thread of its own, and waits for all outcomes.
    async fn hand_over(
        &self,
        count: u64,
        work: impl FnOnce(Instant, &mut dyn FnMut(u64)) -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<Times> {
        let start = Instant::now();
        let times = self.near.expect(Times::of(start, count)?);
        let (far, peers) = (self.far.clone(), self.peers.clone());
        let runtime = self.runtime.as_ref().context("the runtime has ended")?.handle().clone();
        tokio::task::spawn_blocking(move || {
            let _links_start_here = runtime.enter();
            let (push, targets) = (push(), [target()?]);
            // A full queue is waited for, as the floor waits for a full socket.
            work(start, &mut |sequence| {
                while peers.send(&far, Item::deliver(sequence, &push, &targets)).is_err() {
                    std::thread::yield_now();
                }
            })
        })
        .await??;
        times.await.context("the link was lost")
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
    fn deliver(&self, _: &peer::Target, _: &Push) -> Outcome {
        Outcome::NotHere
    }
    fn evict(&self, _: &peer::Target) {}
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
