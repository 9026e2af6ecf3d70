//! What sessions are told, and what they ask for.

use bytes::Bytes;
use chatcluster_manager::Manager;
use chatcluster_protocol::{
    Millis,
    client::{CloseCode, UserPresence},
    id::UserId,
};
use gateway_core::{
    ConnectionId, Device, Effects, Local, Push, Route, Session,
    session::{Effect, Env, Input, RateLimited, Verdict},
};

use super::HEARTBEAT;
use crate::{
    clock::S,
    coverage::hit,
    network::{Node, Wire},
    trace::trace,
    world::World,
};

/// What leads to other sessions, or back to the same one, and so comes last.
enum Later {
    Verify(String),
    Route(Push, Vec<Device>),
    Typing(UserId, Bytes),
    Displace(Device, Route),
    Machines(Effects),
    MissedPresence(Vec<UserPresence>),
}

/// Where a token was taken.
enum Taken {
    AtHello,
    AtRefresh,
}

impl Taken {
    fn by(frame: &[u8]) -> Option<Self> {
        if frame.starts_with(br#"{"type":"welcome""#) {
            return Some(Self::AtHello);
        }
        frame.starts_with(br#"{"type":"refreshed""#).then_some(Self::AtRefresh)
    }
}

impl World {
    /// Tells a session something, whether or not its socket is there.
    pub(super) fn feed(&mut self, at: usize, connection: ConnectionId, input: Input) {
        self.work_on(at, connection, |session, env| session.handle(input, env));
    }

    /// The answer to a session's call.
    pub(super) fn answered(&mut self, at: usize, connection: ConnectionId, input: Input) {
        if let Some(cell) = self.gateways[at].cells.get_mut(&connection) {
            cell.calls -= 1;
        }
        self.feed(at, connection, input);
        self.drop_if_over(at, connection);
    }

    /// Tells the session of a connection something, if its socket is there.
    pub(super) fn feed_connection(&mut self, at: usize, connection: ConnectionId, input: Input) {
        if self.is_listed(at, connection) {
            self.feed(at, connection, input);
        }
    }

    pub(super) fn is_listed(&self, at: usize, connection: ConnectionId) -> bool {
        self.gateways[at].cells.get(&connection).is_some_and(|cell| cell.listed)
    }

    pub(super) fn work_on<T>(
        &mut self,
        at: usize,
        connection: ConnectionId,
        work: impl FnOnce(&mut Session, &mut Env<'_>) -> T,
    ) -> Option<T> {
        let (mut effects, mut later) = (Vec::new(), Vec::new());
        let gateway = &mut self.gateways[at];
        let cell = gateway.cells.get_mut(&connection)?;
        let result = {
            let mut env = Env {
                now: gateway.clock.now(self.now),
                heartbeat: HEARTBEAT,
                own: &gateway.own,
                clock: &mut gateway.ids,
                rates: &mut gateway.rates,
                effects: &mut effects,
            };
            work(&mut cell.session, &mut env)
        };
        for effect in effects {
            self.session_effect(at, connection, effect, &mut later);
        }
        for later in later {
            match later {
                Later::Verify(token) => {
                    let verdict = self.verdict(at, connection, &token);
                    self.feed(at, connection, Input::Verified(verdict));
                }
                Later::Route(push, devices) => self.route_all(at, vec![(push, devices)]),
                Later::Typing(to, frame) => self.typing(at, &to, frame),
                Later::Machines(out) => self.carry_out(at, out),
                Later::MissedPresence(missed) => self.missed_presence(at, connection, &missed),
                Later::Displace(device, previous) => {
                    hit("claim: displaced another");
                    self.tell(at, |machines, now, out| {
                        let to = &mut out.evictions;
                        machines.evictions.displace(now, connection, device, previous, to);
                    });
                }
            }
        }
        Some(result)
    }

    fn session_effect(
        &mut self,
        at: usize,
        connection: ConnectionId,
        effect: Effect,
        later: &mut Vec<Later>,
    ) {
        let Some(cell) = self.gateways[at].cells.get_mut(&connection) else { return };
        let stream = cell.stream;
        match effect {
            Effect::Write(frame) => {
                self.check_written(&frame);
                if let Some(taken) = Taken::by(&frame) {
                    self.takes_token(at, connection, taken);
                }
                self.send(stream, 1, Wire::Text(frame));
            }
            Effect::WriteIfIdle(frame) => self.write_typing(at, connection, stream, frame),
            Effect::WritePresence(frame, users) => {
                if !self.write_presence(at, stream, frame) {
                    later.push(Later::MissedPresence(users));
                }
            }
            Effect::Watch { user, request, users } => {
                let gateway = &mut self.gateways[at];
                let (machines, now) = (&mut gateway.machines, gateway.clock.now(self.now));
                let mut out = Effects::default();
                let (request, locals) = ((request, users), &machines.locals);
                machines.presence.watch(now, connection, &user, request, locals, &mut out.presence);
                later.push(Later::Machines(out));
            }
            Effect::Ping => self.send(stream, 1, Wire::Ping),
            Effect::Close(code) => self.close_connection(at, connection, code),
            Effect::Verify { token } => later.push(Later::Verify(token)),
            Effect::Typing { to, frame } => later.push(Later::Typing(to, frame)),
            Effect::TypingDropped => hit("typing: too often"),
            Effect::RateLimited(RateLimited::Send) => hit("limit: send"),
            Effect::RateLimited(RateLimited::Request) => hit("limit: request"),
            Effect::Route { push, devices } => later.push(Later::Route(push, devices)),
            Effect::Displace { device, previous } => later.push(Later::Displace(device, previous)),
            Effect::Hold { device, epoch, claimed } => {
                let local = Local { connection, epoch, claimed };
                self.gateways[at].machines.locals.hold(device, local);
            }
            Effect::Unhold(device) => {
                let machines = &mut self.gateways[at].machines;
                machines.locals.remove(&device, connection);
                machines.presence.unwatch(connection);
            }
            Effect::Release { device, epoch } => {
                trace!(self, Node::Gateway(at), "releases {device:?} of {connection:?} at {epoch}");
                let release = async move |manager: chatcluster_manager::MemoryManager| {
                    manager.release(&device.user, &device.device, epoch).await
                };
                self.ask_manager(at, release, |_, _| {});
            }
            Effect::Claim { device, last_epoch } => {
                cell.calls += 1;
                self.claim(at, connection, device, last_epoch);
            }
            Effect::Reclaim { device, epoch } => {
                cell.calls += 1;
                self.reclaim(at, connection, device, epoch);
            }
            Effect::Touch { device, epoch } => {
                cell.calls += 1;
                self.touch(at, connection, device, epoch);
            }
            asking => {
                cell.calls += 1;
                self.ask_messages(at, connection, asking);
            }
        }
    }

    /// Tokens are the user's name, when they expire and when they were issued.
    fn verdict(&mut self, at: usize, connection: ConnectionId, token: &str) -> Verdict {
        let now = self.gateways[at].clock.wall(self.now);
        let parsed = token.split_once('|').and_then(|(user, times)| {
            let (expires, issued) = times.split_once('|')?;
            let times = (expires.parse::<Millis>().ok()?, issued.parse::<Millis>().ok()?);
            Some((UserId::new(user).ok()?, times))
        });
        match parsed {
            Some((_, (expires, _))) if expires <= now => Verdict::Expired,
            Some((user, (expires, issued))) => {
                if let Some(cell) = self.gateways[at].cells.get_mut(&connection) {
                    cell.offered = issued;
                }
                Verdict::Valid { user, expires: Some(expires), issued: Some(issued) }
            }
            None => Verdict::Bad("not a token".into()),
        }
    }

    /// A session is opened or renewed by the token that it has verified.
    fn takes_token(&mut self, at: usize, connection: ConnectionId, taken: Taken) {
        let Some(cell) = self.gateways[at].cells.get_mut(&connection) else { return };
        cell.issued = Some(cell.issued.map_or(cell.offered, |issued| issued.min(cell.offered)));
        if let Some(device) = cell.session.device().cloned() {
            let (issued, registered) = (cell.offered, cell.registered);
            match taken {
                Taken::AtHello => self.check_hello(&device, issued, registered),
                Taken::AtRefresh => self.check_refresh(&device, issued),
            }
        }
    }

    /// The close frame goes behind what is written; the client has a little time to answer it.
    fn close_connection(&mut self, at: usize, connection: ConnectionId, code: CloseCode) {
        let Some(cell) = self.gateways[at].cells.get_mut(&connection) else { return };
        cell.ending = true;
        let stream = cell.stream;
        trace!(self, Node::Gateway(at), "closes {connection:?} with {}", code.code());
        let node = Node::Gateway(at);
        let wait = match code {
            CloseCode::HeartbeatMissed => {
                hit("close: 4102");
                1
            }
            code => {
                self.send(stream, 1, Wire::Close(code.code()));
                2 * S
            }
        };
        self.later(node, wait, move |world| world.socket_gone(at, connection));
    }

    pub(super) fn socket_gone(&mut self, at: usize, connection: ConnectionId) {
        let Some(cell) = self.gateways[at].cells.get_mut(&connection) else { return };
        if !cell.listed {
            return;
        }
        cell.listed = false;
        let stream = cell.stream;
        self.hang_up(stream, 1);
        self.feed(at, connection, Input::Closed);
        self.drop_if_over(at, connection);
    }

    fn drop_if_over(&mut self, at: usize, connection: ConnectionId) {
        let cells = &mut self.gateways[at].cells;
        if cells.get(&connection).is_some_and(|cell| !cell.listed && cell.calls == 0) {
            cells.remove(&connection);
        }
    }

    pub(super) fn give_sessions_time(&mut self, at: usize) {
        let gateway = &self.gateways[at];
        let now = gateway.clock.now(self.now).monotonic;
        let due = gateway.cells.iter().filter(|(_, cell)| {
            cell.listed && cell.session.deadline(HEARTBEAT).is_some_and(|due| due <= now)
        });
        for connection in due.map(|(connection, _)| *connection).collect::<Vec<_>>() {
            self.feed(at, connection, Input::Tick);
        }
    }
}
