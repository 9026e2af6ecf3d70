//! Where a gateway comes together: the machines of the core, and what carries out their effects.
//!
//! It decides nothing. An effect becomes a call, a frame or an input of another machine; the answer of
//! a call becomes an input again.
//!
//! Locks, from the outside in: a session's own, then the machines' (one lock for all of them), then the
//! clock of ids with the users' rates, and the queues of peers. None is held over an await. A session's
//! effects are carried out under its lock, so that frames and claims keep their order; those that lead to
//! other sessions wait until it is released.

mod connections;
mod deliveries;
mod fleet;
mod limits;
mod machines;
mod peers;
mod presence;
mod registry;
mod sessions;
mod submissions;

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use chatcluster_manager::{Lease, Manager, ManagerError};
use chatcluster_protocol::id::HybridClock;
use chatcluster_runtime::tls::RoleConnector;
use gateway_core::{
    Away, ConnectionId, Door, Gateway, Incarnation, Machines, Rates, drainer::DrainSettings,
};
pub use limits::Limits;
use rand::rngs::StdRng;
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    auth::Verifier,
    clock::Clock,
    messages::{Messages, Service},
    metrics::{Counted, Metrics, count},
    peers::Peers,
    sessions::{Deadlines, Sessions},
    upgrade::Admission,
    webhook::Webhook,
};

/// Calls of the manager under way at the same time; further ones wait. Redis answers tens of thousands
/// a second, so this fills its pipe.
const MANAGER_CALLS: usize = 512;

/// How long a call of the manager may take, with the wait before it. The manager's own deadline is
/// shorter; this one also ends the wait of ten thousand clients who come while it is away.
const MANAGER_WITHIN: Duration = Duration::from_secs(3);

/// Answers "full" under way at the same time. Sockets beyond these are closed without a word.
const REFUSALS: usize = 1024;

/// What a gateway is told about itself.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// Host under which peers reach it.
    pub host: String,
    /// Port under which peers reach it.
    pub port: u16,
    /// How long a client may be silent before it is asked.
    pub heartbeat: Duration,
    /// Most connections of clients.
    pub connections: usize,
    /// What it takes from one user, and from one address.
    pub limits: Limits,
    /// How it stops.
    pub drain: DrainSettings,
}

/// A gateway.
pub struct Hub<M> {
    me: Weak<Self>,
    settings: Settings,
    clock: Clock,
    /// The clock of ids, and what users have used up of their rates: a session may need both.
    shared: Mutex<(HybridClock, Rates)>,
    door: Mutex<Door>,
    /// The incarnations since the start; the last is the present one.
    own: ArcSwap<Vec<Incarnation>>,
    manager: M,
    manager_calls: Semaphore,
    messages: Messages,
    peers: Peers,
    verifier: Verifier,
    webhook: Option<Webhook>,
    sessions: Sessions,
    deadlines: Deadlines,
    machines: Mutex<(Machines, StdRng)>,
    metrics: Metrics,
    next: AtomicU64,
    open: Arc<AtomicUsize>,
    refusing: CancellationToken,
    finished: CancellationToken,
}

/// A place among a gateway's connections, from the accepting of the socket to its end.
#[derive(Debug)]
pub struct Place {
    open: Arc<AtomicUsize>,
    _counted: Counted,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<M: Manager> Hub<M> {
    /// A gateway that holds nothing yet. [`Self::run`] gives it time.
    pub fn new(
        settings: Settings,
        manager: M,
        service: Service,
        peer: RoleConnector,
        verifier: Verifier,
        webhook: Option<Webhook>,
        metrics: Metrics,
    ) -> Arc<Self> {
        let clock = Clock::start();
        let mut rng: StdRng = rand::make_rng();
        let machines = Machines::new(settings.drain, clock.now(), &mut rng);
        let Limits { sends, requests, connections } = settings.limits;
        Arc::new_cyclic(|me: &Weak<Self>| {
            let router = me.clone();
            let receipts = move |receipts| {
                if let Some(hub) = router.upgrade() {
                    hub.route_all(receipts);
                }
            };
            Self {
                me: me.clone(),
                settings,
                clock,
                shared: Mutex::new((HybridClock::default(), Rates::new(sends, requests))),
                door: Mutex::new(Door::new(connections)),
                own: ArcSwap::from_pointee(machines.lease.own().to_vec()),
                manager,
                manager_calls: Semaphore::new(MANAGER_CALLS),
                messages: Messages::start(service, metrics.clone(), receipts),
                peers: Peers::new(me.clone(), peer, metrics.clone()),
                verifier,
                webhook,
                sessions: Sessions::default(),
                deadlines: Deadlines::default(),
                machines: Mutex::new((machines, rng)),
                metrics,
                next: AtomicU64::new(1),
                open: Arc::default(),
                refusing: CancellationToken::new(),
                finished: CancellationToken::new(),
            }
        })
    }

    /// The figures.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The clocks.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How often clients are heard.
    pub fn heartbeat(&self) -> Duration {
        self.settings.heartbeat
    }

    /// The sessions whose sockets are there.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// When they want to be woken.
    pub fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// Whether a further connection, from this address, may become a WebSocket.
    pub fn admission(&self, from: IpAddr) -> Admission {
        if self.refusing.is_cancelled() {
            Admission::Draining
        } else if self.open_connections() > self.settings.connections {
            Admission::Full
        } else if self.opens(from).is_err() {
            Admission::TooOften
        } else {
            Admission::Open
        }
    }

    /// A place for a socket that was accepted, whether or not there is room: see [`Self::admission`].
    pub fn place(&self) -> Place {
        self.open.fetch_add(1, Ordering::Relaxed);
        Place { open: self.open.clone(), _counted: Counted::new(&self.metrics.connections) }
    }

    /// How many sockets of clients are open.
    pub fn open_connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Far more than [`Self::admission`] lets in: not even an answer is possible for all.
    pub fn is_flooded(&self) -> bool {
        self.open_connections() > self.settings.connections + REFUSALS
    }

    /// A number for a new connection.
    pub fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Nobody new is let in any more.
    pub fn refusing(&self) -> &CancellationToken {
        &self.refusing
    }

    /// Nothing is left, or the time to stop is up.
    pub fn finished(&self) -> &CancellationToken {
        &self.finished
    }

    /// The lease of the present incarnation.
    pub fn lease(&self) -> Lease {
        self.lease_of(self.present())
    }

    /// The manager.
    pub fn manager(&self) -> &M {
        &self.manager
    }

    fn lease_of(&self, incarnation: Incarnation) -> Lease {
        Lease {
            incarnation: chatcluster_manager::Incarnation(incarnation.0),
            gateway: self.settings.name.clone(),
            host: self.settings.host.clone(),
            port: self.settings.port,
        }
    }

    fn present(&self) -> Incarnation {
        // There is one from the start.
        self.own.load().last().copied().unwrap_or(Incarnation(uuid::Uuid::nil()))
    }

    /// Runs something beside: a call, whose answer becomes an input. Ends with the gateway.
    fn beside<F>(&self, work: impl FnOnce(Arc<Self>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // Sockets are also dropped by a runtime that is ending; there is nothing to be called then.
        if let (Some(me), Ok(runtime)) = (self.me.upgrade(), Handle::try_current()) {
            runtime.spawn(work(me));
        }
    }

    /// Awaits a call of the manager, within the bound, and keeps the figures.
    async fn asked<T>(
        &self,
        call: impl Future<Output = Result<T, ManagerError>>,
    ) -> Result<T, Away> {
        let bounded = async {
            // The semaphore is never closed.
            let _permit = self.manager_calls.acquire().await.ok()?;
            Some(call.await)
        };
        let (operation, reason) = match tokio::time::timeout(MANAGER_WITHIN, bounded).await {
            Ok(Some(Ok(answer))) => {
                self.metrics.manager_up.set(1);
                return Ok(answer);
            }
            Ok(Some(Err(error))) => (error.operation, error.reason),
            Ok(None) | Err(_) => ("waiting", "no answer in time".to_owned()),
        };
        self.metrics.manager_up.set(0);
        count(&self.metrics.manager_failures, operation);
        tracing::debug!(operation, reason, "the manager is away");
        Err(Away)
    }
}

/// A lease as the core sees the gateway that holds it.
fn gateway_of(lease: &Lease) -> Gateway {
    Gateway {
        incarnation: Incarnation(lease.incarnation.0),
        host: lease.host.as_str().into(),
        port: lease.port,
    }
}

/// A route of the manager, as the core sees it.
fn route_of(route: &chatcluster_manager::Route) -> gateway_core::Route {
    gateway_core::Route {
        gateway: Gateway {
            incarnation: Incarnation(route.incarnation.0),
            host: route.host.as_str().into(),
            port: route.port,
        },
        connection: ConnectionId(route.connection),
        epoch: route.epoch,
    }
}
