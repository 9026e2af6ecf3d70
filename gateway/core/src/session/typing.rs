//! Who types to whom. Nothing of it is owed to anybody: what is too much, or comes at a bad moment, is
//! dropped, and the next one comes in seconds.

use std::time::Duration;

use bytes::Bytes;
use chatcluster_protocol::{
    client::{IsTyping, ServerFrame, TypedTo, Typing as Frame},
    id::{ConversationId, UserId},
    limits::{TYPING_CHANGES, TYPING_EVERY, TYPING_LIFETIME, TYPING_RECIPIENTS},
};

use super::{Effect, Env, Opening, Session, State, window};

const EVERY: Duration = Duration::from_millis(TYPING_EVERY);
const LIFETIME: Duration = Duration::from_millis(TYPING_LIFETIME);

/// What became of what was to be shown to the client: that somebody types, or is online.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// [`Effect::WriteIfIdle`] or [`Effect::WritePresence`] says the rest.
    Handed,
    /// Not now: the session catches up, or its client is behind, or silent. Typing is dropped then; presence is
    /// told again, also where it came too late ([`crate::Presence::missed`]).
    Busy,
    /// It is not the session that was meant, or it ends.
    NotHere,
}

/// To whom the client types. At most [`TYPING_RECIPIENTS`]; full means that another one is told nothing.
/// Most sessions type to nobody most of the time, and then it has no memory.
#[derive(Debug, Default)]
#[allow(clippy::box_collection, reason = "a session that types to nobody has one word for it")]
pub(super) struct Typing(Option<Box<Vec<Told>>>);

/// What a user was told last.
#[derive(Debug)]
struct Told {
    to: UserId,
    active: bool,
    at: Duration,
    /// How much was told since when, to bound how fast it may change.
    since: Duration,
    changes: u8,
}

impl Told {
    /// Whether it still says anything about what may be told next.
    fn counts(&self, now: Duration) -> bool {
        now < self.since + EVERY || (self.active && now < self.at + LIFETIME)
    }

    fn tells(&mut self, active: bool, now: Duration) -> bool {
        if now >= self.since + EVERY {
            (self.since, self.changes) = (now, 0);
        }
        let news = active != self.active || (active && now >= self.at + EVERY);
        if !news || self.changes >= TYPING_CHANGES {
            return false;
        }
        (self.active, self.at) = (active, now);
        self.changes += 1;
        true
    }
}

impl Typing {
    /// Whether this user is to be told. What they know already is not told again so soon.
    fn tells(&mut self, to: &UserId, active: bool, now: Duration) -> bool {
        self.forget(now);
        let known = self.0.iter_mut().flat_map(|all| all.iter_mut()).find(|told| told.to == *to);
        if let Some(told) = known {
            return told.tells(active, now);
        }
        let room = self.0.as_ref().is_none_or(|all| all.len() < TYPING_RECIPIENTS);
        if !active || !room {
            return false;
        }
        let told = Told { to: to.clone(), active, at: now, since: now, changes: 1 };
        self.0.get_or_insert_default().push(told);
        true
    }

    /// A message says to its recipient that the typing has ended.
    pub(super) fn sent(&mut self, to: &UserId) {
        for told in self.0.iter_mut().flat_map(|all| all.iter_mut()).filter(|told| told.to == *to) {
            told.active = false;
        }
    }

    /// Somebody was told lately.
    #[cfg(test)]
    pub(super) fn has_memory(&self) -> bool {
        self.0.is_some()
    }

    /// Gives back the memory of what is over.
    pub(super) fn forget(&mut self, now: Duration) {
        if let Some(all) = &mut self.0 {
            all.retain(|told| told.counts(now));
            if all.is_empty() {
                self.0 = None;
            }
        }
    }
}

impl Session {
    /// The client types to somebody. To themself, people need not be told.
    pub(super) fn types(&mut self, frame: &Frame, env: &mut Env<'_>) {
        let (Some(device), TypedTo::User(to)) = (&self.device, &frame.to) else { return };
        if *to == device.user {
            return;
        }
        if !self.typing.tells(to, frame.active, env.now.monotonic) {
            return env.effects.push(Effect::TypingDropped);
        }
        let push = ServerFrame::Typing(IsTyping {
            from: device.user.clone(),
            conversation: ConversationId::between(&device.user, to),
            expires_in: if frame.active { TYPING_LIFETIME } else { 0 },
        });
        env.effects.push(Effect::Typing { to: to.clone(), frame: push.encode().into() });
    }

    /// Somebody types to the client. It goes past everything that is owed to it, so it must not take the
    /// place of any of that: only a session that has nothing else to do takes it.
    pub(super) fn shows_typing(&self, epoch: u64, frame: Bytes, env: &mut Env<'_>) -> Shown {
        match &self.state {
            State::AwaitHello(Opening::Claiming(_)) | State::CatchingUp(_) => return Shown::Busy,
            State::AwaitHello(_) | State::Closing => return Shown::NotHere,
            State::Live if epoch != self.epoch => return Shown::NotHere,
            State::Live => {}
        }
        if self.pinged.is_some() || self.window.room() < window::ENTRIES / 2 {
            return Shown::Busy;
        }
        env.effects.push(Effect::WriteIfIdle(frame));
        Shown::Handed
    }
}
