//! That the user is typing. The application says so with every key; a gateway is told as often as it passes
//! it on. Nothing is kept for later: without a session nobody is told.

use std::{collections::BTreeMap, time::Duration};

use chatcluster_protocol::{
    client::{ClientFrame, Recipient, RequestId, TypedTo, Typing as Frame},
    id::UserId,
    limits::{TYPING_EVERY, TYPING_LIFETIME, TYPING_RECIPIENTS},
};

use super::{Core, Effect, Link};

const EVERY: Duration = Duration::from_millis(TYPING_EVERY);
const LIFETIME: Duration = Duration::from_millis(TYPING_LIFETIME);

/// Of one session. At most [`TYPING_RECIPIENTS`]; others are told nothing.
#[derive(Debug, Default)]
pub(super) struct Typing {
    /// To whom the user was typing, and when they were told last.
    told: BTreeMap<UserId, Duration>,
    /// The last request. A gateway that does not know the frame refuses it, and is told no more.
    request: Option<RequestId>,
    unknown: bool,
}

impl Typing {
    /// Whether this is news.
    fn is_news(&mut self, to: &UserId, active: bool, now: Duration) -> bool {
        self.told.retain(|_, at| now < *at + LIFETIME);
        match (self.told.get(to), active) {
            _ if self.unknown => false,
            (Some(_), false) => self.told.remove(to).is_some(),
            (None, false) => false,
            (Some(at), true) if now < *at + EVERY => false,
            (None, true) if self.told.len() >= TYPING_RECIPIENTS => false,
            (_, true) => {
                self.told.insert(to.clone(), now);
                true
            }
        }
    }

    /// A message says by itself that the typing is over.
    pub(super) fn sent(&mut self, to: &Recipient) {
        if let Recipient::User(to) = to {
            self.told.remove(to);
        }
    }

    /// Whether an error is about a `typing`, which nobody waits for.
    pub(super) fn refused(&mut self, id: Option<RequestId>) -> bool {
        let refused = id.is_some() && id == self.request;
        self.unknown |= refused;
        refused
    }
}

impl Core {
    /// The user is typing to somebody, or has stopped. Groups are not told.
    pub(crate) fn typing(&mut self, now: Duration, to: Recipient, active: bool) {
        let id = self.request_id();
        let Recipient::User(user) = to else { return };
        if matches!(self.link, Link::Live(_)) && self.typing.is_news(&user, active, now) {
            self.typing.request = Some(id);
            let to = TypedTo::User(user);
            let frame = ClientFrame::Typing(Frame { id: Some(id), to, active });
            self.effects.push_back(Effect::Write(frame.encode()));
        }
    }
}
