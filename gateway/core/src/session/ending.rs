//! The ways in which a session ends.

use std::time::Duration;

use chatcluster_protocol::{
    client::{CloseCode, Error, ErrorCode, Reconnect, ReconnectReason, RequestId, ServerFrame},
    planted::{Bug, planted},
};

use super::{Effect, Env, Opening, Session, State, route::Holding, window::Window};
use crate::Push;

/// How long a client that was asked to move may take to close by itself.
const MOVE: Duration = Duration::from_secs(5);

impl Session {
    /// Answers with an error, which may end the session.
    pub(super) fn refuse(&mut self, error: Error, env: &mut Env<'_>) {
        let close = error.code.close();
        self.write(&ServerFrame::Error(error), env);
        if let Some(code) = close {
            self.close(code, env);
        }
    }

    /// The client has as many of these requests on their way as it may have; this one is not taken.
    pub(super) fn too_many(&mut self, id: RequestId, text: impl Into<String>, env: &mut Env<'_>) {
        let error = Error::new(ErrorCode::TooManyInFlight, text);
        self.refuse(Error { id: Some(id), ..error }, env);
    }

    pub(super) fn fail(&mut self, code: ErrorCode, text: &str, env: &mut Env<'_>) {
        self.refuse(Error::new(code, text), env);
    }

    /// Were it to register its device again, the client would never learn what it has missed.
    pub(super) fn removed(&mut self, env: &mut Env<'_>) {
        if !matches!(self.state, State::Closing) {
            self.fail(ErrorCode::Revoked, "the device was removed; get a new token", env);
        }
    }

    /// The gateway is being stopped; the client keeps its session while it opens another.
    pub(super) fn drain(&mut self, after: Duration, env: &mut Env<'_>) {
        match self.state {
            State::Closing => {}
            State::AwaitHello(_) => self.close(CloseCode::Draining, env),
            State::CatchingUp(_) | State::Live => {
                self.ask_to_move(after, env);
                self.drained.get_or_insert(env.now.monotonic + after + MOVE);
            }
        }
    }

    pub(super) fn drain_now(&mut self, after: Duration, env: &mut Env<'_>) {
        // One that was asked is on its way, and has been told how long to wait.
        if self.drained.is_none() && !matches!(self.state, State::Closing) {
            self.ask_to_move(after, env);
        }
        self.close(CloseCode::Draining, env);
    }

    fn ask_to_move(&self, after: Duration, env: &mut Env<'_>) {
        let (after, reason) = (after.as_millis() as u64, ReconnectReason::Draining);
        self.write(&ServerFrame::Reconnect(Reconnect { after, reason }), env);
    }

    /// Ends the connection with a close frame.
    pub(super) fn close(&mut self, code: CloseCode, env: &mut Env<'_>) {
        if !matches!(self.state, State::Closing) {
            env.effects.push(Effect::Close(code));
            self.leave(env);
        }
    }

    /// The socket is gone.
    pub(super) fn closed(&mut self, env: &mut Env<'_>) {
        self.socket_gone = true;
        if !matches!(self.state, State::Closing) {
            self.leave(env);
        }
    }

    /// Something was delivered to this session, or left to its reading of the inbox, that its client is not
    /// known to have. The device may be elsewhere by now, and have read its inbox before; also where this one
    /// is evicted, since the connection that had it evicted may have ended itself.
    fn owes(&self) -> bool {
        match self.state {
            State::AwaitHello(Opening::Claiming(_)) | State::CatchingUp(_) => true,
            State::Live => !self.window.is_empty() && !planted(Bug::UnacknowledgedLost),
            State::AwaitHello(_) | State::Closing => false,
        }
    }

    /// Gives up the device, and all that only a listening client is worth. What the message service
    /// was asked for stays, and so do the acks of a client that has gone.
    fn leave(&mut self, env: &mut Env<'_>) {
        let owes = self.owes();
        if let Some(device) = &self.device {
            let (device, epoch) = (device.clone(), self.epoch);
            // Where another claim has replaced the route, its epoch differs and this does nothing.
            if matches!(self.holding, Holding::Held(_) | Holding::Touching) {
                env.effects.push(Effect::Release { device: device.clone(), epoch });
            }
            env.effects.push(Effect::Unhold(device.clone()));
            if owes {
                let (push, devices) = (Push::look(env.now.wall), vec![device]);
                env.effects.push(Effect::Route { push, devices });
            }
        }
        if !matches!(self.holding, Holding::Claiming(_)) {
            self.holding = Holding::Nothing;
        }
        self.state = State::Closing;
        self.displaced = None;
        self.window = Window::default();
        self.outbox.abandon();
        self.call_acks(env);
    }
}
