//! One client's connection, from its opening to its end.
//!
//! A session owns what is pushed to the client and when, what the client sent and has no answer to
//! yet, and the deadlines of the connection. It leaves to others: bytes and sockets (the shell), who
//! else holds what (the manager), and where a stored message goes ([`crate::Router`]).

mod acks;
mod catchup;
mod effect;
mod ending;
mod floor;
mod input;
mod opening;
mod outbox;
mod owed;
mod presence;
mod push;
mod rated;
mod reading;
mod requests;
mod route;
mod timers;
mod token;
mod typing;
mod window;

use std::time::Duration;

use acks::Acks;
use bytes::Bytes;
use catchup::CatchUp;
use chatcluster_protocol::{
    Millis,
    client::{CloseCode, RequestId, ServerFrame},
    id::HybridClock,
    limits::HELLO_WITHIN,
    peer::Outcome,
};
pub use effect::{Append, Effect, Outgoing, RateLimited};
pub(crate) use floor::Floor;
pub use input::{
    AppendResult, Claimed, HistoryFailure, InboxPage, Input, MarkFailure, Reclaimed, Registration,
    Touched, Verdict,
};
use opening::Opening;
use outbox::Outbox;
pub(crate) use outbox::group_full;
use route::Holding;
use token::Token;
pub use typing::Shown;
use typing::Typing;
use uuid::Uuid;
use window::Window;

use crate::{ConnectionId, Device, Incarnation, Now, Push, Rates, Route, presence::Tell};

/// What a session works with for the length of one call.
#[derive(Debug)]
pub struct Env<'a> {
    /// The clocks, read just before the call.
    pub now: Now,
    /// How often a client must be heard: the `heartbeat` of the configuration.
    pub heartbeat: Duration,
    /// The incarnations that this gateway has had since its start ([`crate::LeaseKeeper::own`]).
    pub own: &'a [Incarnation],
    /// The gateway's clock for ids.
    pub clock: &'a mut HybridClock,
    /// What the gateway's users have used up of their rates.
    pub rates: &'a mut Rates,
    /// Where effects go; the caller carries them out in order.
    pub effects: &'a mut Vec<Effect>,
}

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Connected; not welcomed yet.
    AwaitHello,
    /// Welcomed; the inbox is being read, live pushes wait in a bounded buffer.
    CatchingUp,
    /// Everything that waited has been pushed; live pushes go straight to the client.
    Live,
    /// Ending or ended; nothing more is written.
    Closing,
}

/// The state machine of one connection. An idle live one has no heap but the names of its device.
#[derive(Debug)]
pub struct Session {
    connection: ConnectionId,
    name: Uuid,
    state: State,
    /// Once a token said whose it is.
    device: Option<Device>,
    /// Of the route, or made up where there is none.
    epoch: u64,
    holding: Holding,
    /// Who held the device before, until the client answers.
    displaced: Option<Box<Route>>,
    /// The route is to be claimed again when the client is heard, or when the claim or touch under way
    /// is answered.
    reassert_due: bool,
    told_caught_up: bool,
    socket_gone: bool,
    /// Requests for history without an answer.
    histories: u8,
    /// Marks without an answer.
    reads: u8,
    /// A `privacy` has no answer.
    privacy: bool,
    /// The highest number of a [`Tell`] that was handed on.
    presence_told: u64,
    /// When the client was last heard, and when it was asked since.
    heard: Duration,
    pinged: Option<Duration>,
    /// Once it was verified, if it expires at all.
    token: Option<Token>,
    /// When the oldest was issued by which the session was opened or renewed; 0 where it does not say. What is
    /// revoked may be known here only after a refresh, and the device may be removed.
    issued: Millis,
    /// The latest that was revoked of the device.
    revoked_before: Millis,
    /// A fresh one is being verified for this request.
    refreshing: Option<RequestId>,
    /// When it is closed after it was asked to move.
    drained: Option<Duration>,
    floor: Floor,
    window: Window,
    outbox: Outbox,
    typing: Typing,
    acks: Option<Box<Acks>>,
}

/// [`Phase`] with what belongs to each.
#[derive(Debug)]
enum State {
    AwaitHello(Opening),
    CatchingUp(Box<CatchUp>),
    Live,
    Closing,
}

impl Session {
    /// A connection has been opened. `name` is told to the client, for logs and support.
    pub fn new(connection: ConnectionId, name: Uuid, now: Now) -> Self {
        let within = now.monotonic + Duration::from_millis(HELLO_WITHIN);
        Self {
            connection,
            name,
            state: State::AwaitHello(Opening::Hello(within)),
            device: None,
            epoch: 0,
            holding: Holding::Nothing,
            displaced: None,
            reassert_due: false,
            told_caught_up: false,
            socket_gone: false,
            histories: 0,
            reads: 0,
            privacy: false,
            presence_told: 0,
            heard: now.monotonic,
            pinged: None,
            token: None,
            issued: 0,
            revoked_before: 0,
            refreshing: None,
            drained: None,
            floor: Floor::new(),
            window: Window::default(),
            outbox: Outbox::default(),
            typing: Typing::default(),
            acks: None,
        }
    }

    /// Takes an input and appends what is to be done to `env.effects`.
    pub fn handle(&mut self, input: Input, env: &mut Env<'_>) {
        match input {
            Input::Frame(frame) => {
                self.heard(env);
                self.frame(frame, env);
            }
            Input::Heard => self.heard(env),
            Input::Pong => {
                self.heard(env);
                self.displace(env);
            }
            Input::Verified(verdict) => self.verified(verdict, env),
            Input::Registered(result) => self.registered(result, env),
            Input::Claimed(result) => self.claimed(result, env),
            Input::Reclaimed(result) => self.reclaimed(result, env),
            Input::Touched(result) => self.touched(result, env),
            Input::Inbox(page) => self.page(page, env),
            Input::Appended(conversation, results) => self.appended(conversation, results, env),
            Input::Acknowledged(result) => self.acknowledged(result, env),
            Input::Marked(request, result) => self.marked(request, result, env),
            Input::Privacy(id, result) => self.privacy_is(id, result, env),
            Input::History(id, result) => self.history_read(id, result, env),
            Input::Group(id, result) => self.group_read(id, result, env),
            Input::Receipts(id, result) => self.receipts_read(id, result, env),
            Input::ReadAgain => self.read_again(env),
            Input::Reassert => self.reassert(env),
            Input::Evict(epoch) if epoch < self.epoch => {}
            Input::Evict(_) => self.close(CloseCode::Replaced, env),
            Input::Disconnect(epoch) if epoch > self.epoch => {}
            Input::Disconnect(_) => self.close(CloseCode::Disconnected, env),
            Input::Revoked(before) => self.revoked(before, env),
            Input::Removed => self.removed(env),
            Input::Drain(after) => self.drain(after, env),
            Input::DrainNow(after) => self.drain_now(after, env),
            Input::Tick => self.tick(env),
            Input::Closed => self.closed(env),
        }
    }

    /// Takes a push that somebody routed here for `epoch`, and says what becomes of it: `Queued`,
    /// `NotHere` or `Overloaded`, never `Unknown`.
    pub fn deliver(&mut self, epoch: u64, push: Push, env: &mut Env<'_>) -> Outcome {
        self.delivered(epoch, push, env)
    }

    /// Shows the client that somebody is typing, if this is the session of `epoch` and has nothing else to do.
    /// `frame` is the push.
    pub fn show_typing(&mut self, epoch: u64, frame: Bytes, env: &mut Env<'_>) -> Shown {
        self.shows_typing(epoch, frame, env)
    }

    /// Tells the client who is online, if it has room for it; an answer to its request it always has.
    pub fn show_presence(&mut self, tell: &Tell, env: &mut Env<'_>) -> Shown {
        self.shows_presence(tell, env)
    }

    /// Refuses a request of the client to watch, for now.
    pub fn refuse_presence(&mut self, request: RequestId, env: &mut Env<'_>) {
        self.presence_refused(request, env);
    }

    /// When the next [`Input::Tick`] is due at the latest, in monotonic time; `None` once it is closing.
    pub fn deadline(&self, heartbeat: Duration) -> Option<Duration> {
        self.next_deadline(heartbeat)
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::AwaitHello(_) => Phase::AwaitHello,
            State::CatchingUp(_) => Phase::CatchingUp,
            State::Live => Phase::Live,
            State::Closing => Phase::Closing,
        }
    }

    /// Which connection it is.
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// Whose it is, once a token said so.
    pub fn device(&self) -> Option<&Device> {
        self.device.as_ref()
    }

    /// The socket is gone and no answer is awaited that would still matter: the session may be
    /// dropped. Until then answers must reach it, since what was stored for a client that left is
    /// routed all the same.
    pub fn finished(&self) -> bool {
        let settled = self.acks.as_ref().is_none_or(|acks| !acks.calling());
        self.socket_gone && settled && self.outbox.is_empty() && self.holding == Holding::Nothing
    }

    fn heard(&mut self, env: &mut Env<'_>) {
        self.heard = env.now.monotonic;
        self.pinged = None;
        if self.reassert_due {
            self.reassert(env);
        }
    }

    fn write(&self, frame: &ServerFrame, env: &mut Env<'_>) {
        env.effects.push(Effect::Write(frame.encode().into()));
    }
}

#[cfg(test)]
mod tests;
