//! What sessions are told, and what they ask for.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use chatcluster_manager::{self as manager, Claim, Manager, Touched};
use chatcluster_protocol::{client::UserPresence, id::UserId};
use gateway_core::{
    Away, ConnectionId, Device, Effects, Local, Push, Route, Session,
    session::{Claimed, Effect, Env, Input, Reclaimed, Touched as Found, Verdict},
};
use uuid::Uuid;

use super::{Hub, route_of};
use crate::{
    auth::{TokenError, TokenUser},
    metrics::count,
    sessions::{Cell, Queue},
};

/// A client for which so many frames wait is behind.
const BEHIND: usize = 8;

/// What leads to other sessions, or back to the same one, and so waits for the lock's release.
enum Later {
    Verify(String),
    Route(Push, Vec<Device>),
    Typing(UserId, Bytes),
    Displace(Device, Route),
    Machines(Effects),
    MissedPresence(Vec<UserPresence>),
}

impl<M: Manager> Hub<M> {
    /// A session for a new connection, which will be found under its number.
    pub fn open(&self, connection: ConnectionId) -> Arc<Cell> {
        let cell = Cell::new(Session::new(connection, Uuid::new_v4(), self.clock.now()));
        let cell = Arc::new(cell);
        self.sessions.insert(cell.clone());
        cell
    }

    /// The socket is gone.
    pub fn close(&self, cell: &Arc<Cell>) {
        self.sessions.remove(cell.connection());
        self.feed(cell, Input::Closed);
    }

    /// Tells a session something, and does what it wants.
    pub fn feed(&self, cell: &Arc<Cell>, input: Input) {
        self.feed_own(cell, input);
        cell.wake();
    }

    /// The same, by the connection's task itself, which looks at the queue by itself afterwards.
    pub fn feed_own(&self, cell: &Arc<Cell>, input: Input) {
        self.work_without_wake(cell, |session, env| session.handle(input, env));
    }

    /// Tells the session of a connection something, if it is there.
    pub(super) fn feed_connection(&self, connection: ConnectionId, input: Input) {
        if let Some(cell) = self.sessions.get(connection) {
            self.feed(&cell, input);
        }
    }

    pub(super) fn work_on<T>(
        &self,
        cell: &Arc<Cell>,
        work: impl FnOnce(&mut Session, &mut Env<'_>) -> T,
    ) -> T {
        let result = self.work_without_wake(cell, work);
        cell.wake();
        result
    }

    fn work_without_wake<T>(
        &self,
        cell: &Arc<Cell>,
        work: impl FnOnce(&mut Session, &mut Env<'_>) -> T,
    ) -> T {
        let (mut effects, mut later) = (Vec::new(), Vec::new());
        let result = {
            let mut inner = cell.lock();
            let own = self.own.load();
            let result = {
                let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
                let (clock, rates) = &mut *shared;
                let mut env = Env {
                    now: self.clock.now(),
                    heartbeat: self.settings.heartbeat,
                    own: &own,
                    clock,
                    rates,
                    effects: &mut effects,
                };
                work(&mut inner.session, &mut env)
            };
            for effect in effects {
                self.session_effect(cell, &mut inner.queue, effect, &mut later);
            }
            result
        };
        for later in later {
            match later {
                Later::Verify(token) => {
                    let verdict = self.verdict(&token);
                    self.feed(cell, Input::Verified(verdict));
                }
                Later::Route(push, devices) => self.route_all(vec![(push, devices)]),
                Later::Typing(to, frame) => self.typing(&to, frame),
                Later::Machines(out) => self.carry_out(out),
                Later::MissedPresence(missed) => {
                    self.missed_presence(cell.connection(), &missed);
                }
                Later::Displace(device, previous) => self.tell(|machines, now, out| {
                    let (connection, to) = (cell.connection(), &mut out.evictions);
                    machines.evictions.displace(now, connection, device, previous, to);
                }),
            }
        }
        result
    }

    fn session_effect(
        &self,
        cell: &Arc<Cell>,
        queue: &mut Queue,
        effect: Effect,
        later: &mut Vec<Later>,
    ) {
        match effect {
            Effect::Write(frame) => queue.frames.push_back(frame),
            Effect::WriteIfIdle(frame) => {
                let idle = queue.frames.len() < BEHIND;
                count(&self.metrics.typing, if idle { "shown" } else { "busy" });
                queue.frames.extend(idle.then_some(frame));
            }
            Effect::WritePresence(frame, users) if queue.frames.len() < BEHIND => {
                count(&self.metrics.presence, "told");
                self.metrics.presence_users.inc_by(users.len() as u64);
                queue.frames.push_back(frame);
            }
            Effect::WritePresence(_, users) => later.push(Later::MissedPresence(users)),
            Effect::Watch { user, request, users } => {
                let out = self.watch(cell.connection(), &user, (request, users));
                later.push(Later::Machines(out));
            }
            Effect::Ping => queue.ping = true,
            Effect::Close(code) => queue.close = Some(code),
            Effect::Verify { token } => later.push(Later::Verify(token)),
            Effect::Typing { to, frame } => later.push(Later::Typing(to, frame)),
            Effect::TypingDropped => count(&self.metrics.typing, "too_often"),
            Effect::RateLimited(what) => self.rate_limited(what),
            Effect::Route { push, devices } => later.push(Later::Route(push, devices)),
            Effect::Displace { device, previous } => later.push(Later::Displace(device, previous)),
            Effect::Hold { device, epoch, claimed } => {
                let local = Local { connection: cell.connection(), epoch, claimed };
                self.locals(|locals| locals.hold(device, local));
            }
            Effect::Unhold(device) => self.unhold(cell.connection(), &device),
            Effect::Release { device, epoch } => self.beside(async move |hub| {
                // Not answered: a route that stays is worth nothing once its session is gone.
                let _ = hub.asked(hub.manager.release(&device.user, &device.device, epoch)).await;
            }),
            asking => self.answer_to(cell.clone(), asking),
        }
    }

    /// Makes the call and brings its answer.
    fn answer_to(&self, cell: Arc<Cell>, effect: Effect) {
        self.beside(async move |hub| {
            let input = hub.answer(&cell, effect).await;
            if let Some(input) = input {
                hub.feed(&cell, input);
            }
        });
    }

    /// Each call is boxed: they take kilobytes, some of them many, hundreds may be under way, and whoever
    /// keeps a waker of the task, such as the connection to a service, keeps the task's memory.
    async fn answer(&self, cell: &Arc<Cell>, effect: Effect) -> Option<Input> {
        Some(match effect {
            Effect::Register { device, issued } => {
                let mut listed = None;
                self.with_machines(|machines, _| listed = machines.revocations.listed(&device));
                let found = Box::pin(self.messages.register(&device, issued)).await;
                if let Ok((_, before)) = found
                    && let Some(before) = before.max(listed)
                {
                    self.feed(cell, Input::Revoked(before));
                }
                Input::Registered(found.map(|(registration, _)| registration))
            }
            Effect::Claim { device, last_epoch } => {
                let claim = self.claim(cell.connection(), device, last_epoch);
                Input::Claimed(Box::pin(claim).await)
            }
            Effect::Reclaim { device, epoch } => {
                let reclaim = self.reclaim(cell.connection(), device, epoch);
                Input::Reclaimed(Box::pin(reclaim).await)
            }
            Effect::Touch { device, epoch } => {
                Input::Touched(Box::pin(self.touch(&device, epoch)).await)
            }
            Effect::ReadInbox { device, cursor, limit } => {
                let page = self.messages.read_inbox(&device, cursor, limit);
                Input::Inbox(Box::pin(page).await)
            }
            Effect::Append { conversation, appends } => {
                let results = Box::pin(self.messages.append(&appends)).await;
                Input::Appended(conversation, results)
            }
            Effect::Acknowledge { device, messages, receipts, stamp } => {
                let call = self.messages.acknowledge(&device, &messages, &receipts, stamp);
                Input::Acknowledged(Box::pin(call).await)
            }
            Effect::Privacy { user, request, presence_to, stamp } => {
                let call = self.messages.privacy(&user, presence_to, stamp);
                Input::Privacy(request, Box::pin(call).await)
            }
            Effect::MarkRead { device, request, stamp } => {
                let marked = Box::pin(self.messages.mark_read(&device, &request, stamp)).await;
                Input::Marked(request, marked)
            }
            Effect::ReadGroup { device, request } => {
                let group = Box::pin(self.messages.group(&device, &request)).await;
                Input::Group(request.id, group)
            }
            Effect::ReadReceipts { device, request } => {
                let receipts = Box::pin(self.messages.receipts(&device, &request)).await;
                Input::Receipts(request.id, receipts)
            }
            Effect::History { device, request } => {
                let page = Box::pin(self.messages.history(&device, &request)).await;
                Input::History(request.id, page)
            }
            // The others are carried out at once.
            _ => return None,
        })
    }

    async fn claim(
        &self,
        connection: ConnectionId,
        device: Device,
        last_epoch: Option<u64>,
    ) -> Result<Claimed, Away> {
        let (lease, claim) = (self.lease(), self.claim_of(connection, device, last_epoch));
        Ok(claimed(&self.asked(self.manager.claim(&lease, &claim)).await?))
    }

    async fn reclaim(
        &self,
        connection: ConnectionId,
        device: Device,
        epoch: u64,
    ) -> Result<Reclaimed, Away> {
        let (lease, claim) = (self.lease(), self.claim_of(connection, device, Some(epoch)));
        Ok(match self.asked(self.manager.reclaim(&lease, &claim)).await? {
            manager::Reclaimed::Claimed(found) => Reclaimed::Claimed(claimed(&found)),
            manager::Reclaimed::Replaced(by) => Reclaimed::Replaced(route_of(&by)),
        })
    }

    fn claim_of(&self, connection: ConnectionId, device: Device, last_epoch: Option<u64>) -> Claim {
        let Device { user, device } = device;
        let now = self.clock.now().wall;
        Claim { user, device, connection: connection.0, last_epoch, now }
    }

    async fn touch(&self, device: &Device, epoch: u64) -> Result<Found, Away> {
        let touched = self.manager.touch(&device.user, &device.device, epoch);
        Ok(match self.asked(touched).await? {
            Touched::Held => Found::Held,
            Touched::Gone => Found::Gone,
            Touched::Replaced(by) => Found::Replaced(route_of(&by)),
        })
    }

    fn verdict(&self, token: &str) -> Verdict {
        match self.verifier.verify(token, self.clock.now().wall) {
            Ok(token) => {
                let TokenUser { user, expires, issued } = token;
                Verdict::Valid { user, expires: Some(expires), issued }
            }
            Err(TokenError::Expired) => Verdict::Expired,
            Err(error) => Verdict::Bad(error.to_string()),
        }
    }

    fn locals(&self, change: impl FnOnce(&mut gateway_core::Locals)) {
        self.with_machines(|machines, _| change(&mut machines.locals));
    }
}

fn claimed(found: &manager::Claimed) -> Claimed {
    Claimed { epoch: found.epoch, previous: found.previous.as_ref().map(route_of) }
}
