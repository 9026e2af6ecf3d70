//! The manager in the memory of this process: for one gateway alone, for tests and simulations.
//!
//! Deterministic: it orders everything by key and takes its time from a clock that it is handed.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chatcluster_protocol::{
    Millis,
    id::{DeviceId, UserId},
    planted::{Bug, planted},
};

use crate::{
    Claim, Claimed, Incarnation, Lease, Manager, ManagerError, Presence, ROUTE_LIFETIME,
    ROUTES_PER_USER, Reclaimed, Renewal, Route, SLOTS, ShardMap, Touched, drain::Bucket, epoch,
};

/// Below so many users nobody looks for those that have gone for long.
const SWEPT_FROM: usize = 1024;

/// Clones share one manager, as gateways of a fleet do.
#[derive(Clone)]
pub struct MemoryManager {
    clock: Arc<dyn Fn() -> Millis + Send + Sync>,
    route_lifetime: Duration,
    state: Arc<Mutex<State>>,
}

/// What a copy of the manager had at a moment; see [`MemoryManager::fail_over`].
#[derive(Clone, Debug)]
pub struct Snapshot(State);

#[derive(Clone, Debug, Default)]
struct State {
    away: bool,
    /// How often everything was lost; part of the shard's name.
    losses: u64,
    leases: BTreeMap<Incarnation, (Lease, Millis)>,
    users: BTreeMap<UserId, User>,
    /// With so many users, those of whom nothing is known any more are looked for.
    swept_at: usize,
    drain: Option<Bucket>,
}

/// A user's routes, which go together when none of them is claimed, touched or released for long.
#[derive(Clone, Debug, Default)]
struct User {
    devices: BTreeMap<DeviceId, Route>,
    until: Millis,
}

impl fmt::Debug for MemoryManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryManager").finish_non_exhaustive()
    }
}

impl MemoryManager {
    /// An empty manager. `clock` gives milliseconds, from whatever start.
    pub fn new(clock: impl Fn() -> Millis + Send + Sync + 'static) -> Self {
        Self {
            clock: Arc::new(clock),
            route_lifetime: ROUTE_LIFETIME,
            state: Arc::new(Mutex::new(State::default())),
        }
    }

    /// The same with another lifetime of routes than [`ROUTE_LIFETIME`].
    pub fn with_route_lifetime(mut self, lifetime: Duration) -> Self {
        self.route_lifetime = lifetime;
        self
    }

    /// Makes every call fail from now on, or answer again: a manager that is away keeps what it has.
    pub fn set_away(&self, away: bool) {
        self.lock().away = away;
    }

    /// Loses everything, as a Redis Cluster does whose nodes were all replaced; the shard gets another
    /// master by that.
    pub fn lose_everything(&self) {
        let mut state = self.lock();
        *state = State { away: state.away, losses: state.losses + 1, ..State::default() };
    }

    /// What a copy that follows closely has now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.lock().clone())
    }

    /// A copy takes over, as a replica of a Redis Cluster does: what was written since is lost, and the
    /// shard has another master.
    pub fn fail_over(&self, to: Snapshot) {
        let mut state = self.lock();
        *state = State { away: state.away, losses: state.losses + 1, ..to.0 };
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each call leaves the state whole, so what a panicking test left behind can be used.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state for one call, and the time of it; whatever has run out is gone.
    fn call(
        &self,
        operation: &'static str,
    ) -> Result<(MutexGuard<'_, State>, Millis), ManagerError> {
        let now = (self.clock)();
        let mut state = self.lock();
        if state.away {
            return Err(ManagerError { operation, reason: "it is away".to_owned() });
        }
        state.leases.retain(|_, (_, until)| *until > now);
        if state.users.len() >= state.swept_at {
            state.users.retain(|_, user| user.until > now);
            state.swept_at = (2 * state.users.len()).max(SWEPT_FROM);
        }
        Ok((state, now))
    }

    fn until(&self, now: Millis) -> Millis {
        now.saturating_add(millis(self.route_lifetime))
    }
}

impl State {
    /// A user's routes, if they have not run out.
    fn user(&mut self, user: &UserId, now: Millis) -> Option<&mut User> {
        if self.users.get(user).is_some_and(|routes| routes.until <= now) {
            self.users.remove(user);
        }
        self.users.get_mut(user)
    }

    fn claim(&mut self, lease: &Lease, claim: &Claim, now: Millis, until: Millis) -> Claimed {
        self.user(&claim.user, now);
        let user = self.users.entry(claim.user.clone()).or_default();
        user.until = until;
        let previous = user.devices.remove(&claim.device);
        let above = previous.as_ref().map_or(0, |route| route.epoch + 1);
        let epoch = above.max(epoch::floor(claim));
        user.make_room();
        let Lease { incarnation, gateway, host, port } = lease.clone();
        let route = Route { gateway, host, port, connection: claim.connection, incarnation, epoch };
        user.devices.insert(claim.device.clone(), route);
        Claimed { epoch, previous }
    }
}

impl User {
    fn make_room(&mut self) {
        if self.devices.len() >= ROUTES_PER_USER {
            let oldest = self.devices.iter().min_by_key(|(device, route)| (route.epoch, *device));
            if let Some(device) = oldest.map(|(device, _)| device.clone()) {
                self.devices.remove(&device);
            }
        }
    }
}

impl Manager for MemoryManager {
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Renewal, ManagerError> {
        let (mut state, now) = self.call("renewing a lease")?;
        let until = now.saturating_add(millis(ttl));
        match state.leases.insert(lease.incarnation, (lease.clone(), until)) {
            Some(_) => Ok(Renewal::Kept),
            None => Ok(Renewal::Created),
        }
    }

    async fn end(&self, incarnation: Incarnation) -> Result<(), ManagerError> {
        let (mut state, _) = self.call("ending a lease")?;
        state.leases.remove(&incarnation);
        Ok(())
    }

    async fn leases(&self) -> Result<Vec<Lease>, ManagerError> {
        let (state, _) = self.call("listing leases")?;
        Ok(state.leases.values().map(|(lease, _)| lease.clone()).collect())
    }

    async fn claim(&self, lease: &Lease, claim: &Claim) -> Result<Claimed, ManagerError> {
        let (mut state, now) = self.call("claiming a route")?;
        Ok(state.claim(lease, claim, now, self.until(now)))
    }

    async fn reclaim(&self, lease: &Lease, claim: &Claim) -> Result<Reclaimed, ManagerError> {
        let (mut state, now) = self.call("claiming a route again")?;
        let there = state.user(&claim.user, now).and_then(|user| user.devices.get(&claim.device));
        Ok(match there.filter(|route| route.epoch > claim.last_epoch.unwrap_or(0)) {
            Some(route) => Reclaimed::Replaced(route.clone()),
            None => Reclaimed::Claimed(state.claim(lease, claim, now, self.until(now))),
        })
    }

    async fn touch(
        &self,
        user: &UserId,
        device: &DeviceId,
        epoch: u64,
    ) -> Result<Touched, ManagerError> {
        let (mut state, now) = self.call("touching a route")?;
        let Some(user) = state.user(user, now) else { return Ok(Touched::Gone) };
        match user.devices.get(device) {
            None => Ok(Touched::Gone),
            Some(route) if route.epoch == epoch => {
                user.until = self.until(now);
                Ok(Touched::Held)
            }
            Some(route) => Ok(Touched::Replaced(route.clone())),
        }
    }

    async fn release(
        &self,
        user: &UserId,
        device: &DeviceId,
        epoch: u64,
    ) -> Result<bool, ManagerError> {
        let (mut state, now) = self.call("releasing a route")?;
        let Some(routes) = state.user(user, now) else { return Ok(false) };
        let any = planted(Bug::AnyEpochReleased);
        let held = routes.devices.get(device).is_some_and(|route| any || route.epoch == epoch);
        if held {
            routes.devices.remove(device);
            // That the user was here is known for as long as a route would be.
            routes.until = self.until(now);
        }
        Ok(held)
    }

    async fn routes(&self, users: &[UserId]) -> Result<Vec<Vec<(DeviceId, Route)>>, ManagerError> {
        let (mut state, now) = self.call("reading routes")?;
        let mut answer = Vec::with_capacity(users.len());
        for user in users {
            let devices = state.user(user, now).map(|user| user.devices.clone());
            let alive = |route: &Route| state.leases.contains_key(&route.incarnation);
            let devices = devices.unwrap_or_default().into_iter();
            answer.push(devices.filter(|(_, route)| alive(route)).collect());
        }
        Ok(answer)
    }

    async fn presence(&self, users: &[UserId]) -> Result<Vec<Presence>, ManagerError> {
        let (mut state, now) = self.call("reading who is online")?;
        let mut answer = Vec::with_capacity(users.len());
        for user in users {
            let Some(User { devices, until }) = state.user(user, now).cloned() else {
                answer.push(Presence::default());
                continue;
            };
            let alive = |route: &Route| state.leases.contains_key(&route.incarnation);
            let online = devices.values().any(|route| alive(route) || planted(Bug::LeaseIgnored));
            let left = Duration::from_millis(until.saturating_sub(now));
            let seen = self.route_lifetime.saturating_sub(left);
            answer.push(Presence { online, seen: Some(seen) });
        }
        Ok(answer)
    }

    async fn shards(&self) -> Result<ShardMap, ManagerError> {
        let (state, _) = self.call("reading the shards")?;
        Ok(ShardMap { masters: vec![(0, SLOTS - 1, format!("memory-{}", state.losses))] })
    }

    async fn take_drain_tokens(&self, want: u32, rate: u32) -> Result<u32, ManagerError> {
        let (mut state, now) = self.call("taking drain tokens")?;
        Ok(state.drain.get_or_insert_with(|| Bucket::full(rate, now)).take(want, rate, now))
    }
}

fn millis(duration: Duration) -> Millis {
    duration.as_millis().try_into().unwrap_or(Millis::MAX)
}
