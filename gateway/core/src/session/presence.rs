//! Whom the client watches, and who may see when its user is online.

use chatcluster_protocol::{
    client::{Error, ErrorCode, Presence, PresenceTo, Privacy, PrivacyIs, RequestId, ServerFrame},
    id::{Identity, MessageId},
};

use super::{Effect, Env, Session, Shown, State, window};
use crate::{Away, presence::Tell};

impl Session {
    pub(super) fn watches(&mut self, request: Presence, env: &mut Env<'_>) {
        let Some(device) = &self.device else { return };
        let (user, Presence { id, users }) = (device.user.clone(), request);
        env.effects.push(Effect::Watch { user, request: id, users });
    }

    /// Who is online: an answer, or a change, which must not take the place of anything that is owed. Each may
    /// come late, behind newer ones; what it says of its users is told again then.
    pub(super) fn shows_presence(&mut self, tell: &Tell, env: &mut Env<'_>) -> Shown {
        let Tell { number, presences } = tell;
        let frame = || ServerFrame::Presence(presences.clone()).encode().into();
        let late = *number < self.presence_told;
        match &self.state {
            State::AwaitHello(_) | State::Closing => return Shown::NotHere,
            State::CatchingUp(_) | State::Live if presences.id.is_some() => {
                env.effects.push(Effect::Write(frame()));
            }
            State::Live
                if !late && self.pinged.is_none() && self.window.room() >= window::ENTRIES / 2 =>
            {
                env.effects.push(Effect::WritePresence(frame(), presences.users.clone()));
            }
            State::CatchingUp(_) | State::Live => return Shown::Busy,
        }
        self.presence_told = self.presence_told.max(*number);
        if late { Shown::Busy } else { Shown::Handed }
    }

    pub(super) fn presence_refused(&mut self, request: RequestId, env: &mut Env<'_>) {
        if !matches!(self.state, State::AwaitHello(_) | State::Closing) {
            let text = "this gateway watches as many users as it can; watch fewer, or ask later";
            let error = Error::new(ErrorCode::Overloaded, text);
            self.refuse(Error { id: Some(request), ..error }, env);
        }
    }

    pub(super) fn privacy(&mut self, request: Privacy, env: &mut Env<'_>) {
        let Some(device) = self.device.clone() else { return };
        if self.privacy {
            let text = "at most 1 privacy may be without an answer";
            return self.too_many(request.id, text, env);
        }
        self.privacy = true;
        let stamp = MessageId::new(env.clock.next(env.now.wall), Identity::default());
        let (user, Privacy { id, presence_to }) = (device.user, request);
        env.effects.push(Effect::Privacy { user, request: id, presence_to, stamp });
    }

    pub(super) fn privacy_is(
        &mut self,
        id: RequestId,
        result: Result<PresenceTo, Away>,
        env: &mut Env<'_>,
    ) {
        self.privacy = false;
        if matches!(self.state, State::Closing) {
            return;
        }
        match result {
            Ok(presence_to) => {
                self.write(&ServerFrame::Privacy(PrivacyIs { id, presence_to }), env);
            }
            Err(Away) => {
                let text = "the message service did not answer; send the same again";
                let error = Error::new(ErrorCode::Unavailable, text);
                self.refuse(Error { id: Some(id), ..error }, env);
            }
        }
    }
}
