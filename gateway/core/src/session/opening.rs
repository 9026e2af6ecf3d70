//! From `hello` to `welcome`: verify, register, claim, in this order (rule 1).

use std::time::Duration;

use chatcluster_protocol::{
    client::{CloseCode, Error, ErrorCode, Hello, RequestId, ServerFrame, Welcome},
    id::{DeviceId, MessageId},
    limits::{APPEND_WINDOW, Limits},
    planted::{Bug, planted},
};

use super::{
    Effect, Env, Registration, Session, State, catchup::CatchUp, floor::Floor, token::Verified,
};
use crate::{Away, Device};

/// How far the opening of a session is.
#[derive(Debug)]
pub(super) enum Opening {
    /// No `hello` has been accepted; it is due at this time.
    Hello(Duration),
    /// The token is being verified.
    Verifying(Box<Greeting>),
    /// The device is being registered.
    Registering(Box<Greeting>),
    /// The route is being claimed.
    Claiming(Box<Greeting>),
}

/// What is kept of `hello` until it is answered.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) id: RequestId,
    device: DeviceId,
    pub(super) last_epoch: Option<u64>,
    highest: Option<MessageId>,
    /// The message service did not know the device.
    new_device: bool,
}

impl Session {
    pub(super) fn hello(&mut self, hello: Hello, env: &mut Env<'_>) {
        let wall = env.now.wall;
        let Hello { id, token, device, resume } = hello;
        let (highest, epoch) = resume.map_or((None, None), |resume| (resume.highest, resume.epoch));
        if highest.is_some_and(|highest| !Floor::is_credible(highest, wall)) {
            let text =
                "is more than a day in the future; send the highest id that you have received";
            let field = Some("resume.highest".into());
            let error = Error { id: Some(id), field, ..Error::new(ErrorCode::BadField, text) };
            return self.refuse(error, env);
        }
        if device == DeviceId::backend() {
            let text = "is the name of what backends send; choose another one";
            let field = Some("device".into());
            let error = Error { id: Some(id), field, ..Error::new(ErrorCode::BadField, text) };
            return self.refuse(error, env);
        }
        // An epoch is a time. One from a far future is cut, so that no client can use up the numbers.
        let last_epoch = epoch.map(|epoch| epoch.min(wall.saturating_add(APPEND_WINDOW)));
        let greeting = Greeting { id, device, last_epoch, highest, new_device: false };
        self.state = State::AwaitHello(Opening::Verifying(Box::new(greeting)));
        env.effects.push(Effect::Verify { token });
    }

    /// The token of `hello` says whose connection it is.
    pub(super) fn introduced(&mut self, verified: Verified, env: &mut Env<'_>) {
        let State::AwaitHello(Opening::Verifying(greeting)) = &self.state else { return };
        let (user, token, issued) = match verified {
            Ok(verified) => verified,
            Err(error) => return self.refuse(Error { id: Some(greeting.id), ..error }, env),
        };
        (self.token, self.issued) = (token, issued);
        let device = Device { user, device: greeting.device.clone() };
        if let Some(highest) = greeting.highest {
            self.floor.see(highest, env.now.wall);
        }
        self.step_on();
        self.device = Some(device.clone());
        env.effects.push(Effect::Register { device, issued });
    }

    pub(super) fn registered(&mut self, result: Result<Registration, Away>, env: &mut Env<'_>) {
        let State::AwaitHello(Opening::Registering(greeting)) = &mut self.state else { return };
        greeting.new_device = result == Ok(Registration::New);
        let (id, last_epoch) = (Some(greeting.id), greeting.last_epoch);
        let (code, text, close) = match result {
            Ok(Registration::Known | Registration::New) => {
                self.step_on();
                return self.claim(last_epoch, env);
            }
            Ok(Registration::TooManyDevices) => (
                ErrorCode::TooManyDevices,
                "the user has as many devices as one may have",
                CloseCode::TooManyDevices,
            ),
            Err(Away) => (
                ErrorCode::Unavailable,
                "the message service did not answer; try again later",
                CloseCode::Unavailable,
            ),
        };
        self.write(&ServerFrame::Error(Error { id, ..Error::new(code, text) }), env);
        self.close(close, env);
    }

    /// The next step of the opening, with the same `hello`.
    fn step_on(&mut self) {
        let State::AwaitHello(opening) = &mut self.state else { return };
        let next = match std::mem::replace(opening, Opening::Hello(Duration::ZERO)) {
            Opening::Verifying(greeting) => Opening::Registering(greeting),
            Opening::Registering(greeting) => Opening::Claiming(greeting),
            other => other,
        };
        *opening = next;
    }

    /// The session is open, with or without a route: `self.epoch` is set.
    pub(super) fn welcome(&mut self, id: RequestId, env: &mut Env<'_>) {
        let Some(device) = &self.device else { return };
        let new_device = matches!(
            &self.state,
            State::AwaitHello(Opening::Claiming(greeting)) if greeting.new_device
        );
        let welcome = Welcome {
            id,
            user: device.user.clone(),
            device: device.device.clone(),
            new_device,
            session: self.name,
            epoch: self.epoch,
            heartbeat: env.heartbeat.as_millis() as u64,
            time: env.now.wall,
            expires: self.token.map(|token| token.says),
            limits: Limits::default(),
        };
        self.write(&ServerFrame::Welcome(welcome), env);
        self.state = State::CatchingUp(Box::new(CatchUp::new()));
        if planted(Bug::CaughtUpAtOnce) {
            self.told_caught_up = true;
            self.write(&ServerFrame::CaughtUp, env);
        }
        if planted(Bug::NoCatchUp) {
            self.state = State::Live;
        }
        self.advance(env);
    }
}
