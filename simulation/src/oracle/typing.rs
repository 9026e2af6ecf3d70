//! Typing: only to whom it is meant, and soon. That nothing of it is stored is seen in the end, when every
//! inbox is empty.

use chatcluster_protocol::{
    client::IsTyping,
    id::{ConversationId, UserId},
};
use gateway_core::Device;

use super::Oracle;
use crate::{
    clock::{S, Time},
    world::World,
};

/// How old it may be when it is written to a client, as far as clocks agree: `APART` of the router.
const LATEST: Time = 10 * S;

impl Oracle {
    /// A gateway has taken it that somebody types to a user, or has stopped.
    pub(crate) fn typed(&mut self, now: Time, from: UserId, to: UserId) {
        self.typed.insert((from, to), now);
    }
}

impl World {
    /// A gateway writes to a device that somebody is typing.
    pub(crate) fn check_typing(&mut self, typing: &IsTyping, device: &Device) {
        let IsTyping { from, conversation, .. } = typing;
        let last = self.oracle.typed.get(&(from.clone(), device.user.clone())).copied();
        let right =
            *from != device.user && *conversation == ConversationId::between(from, &device.user);
        let Some(last) = last.filter(|_| right) else {
            return self.violated("typing", format!("{device:?} is shown {typing:?}"));
        };
        if self.now > last + LATEST + self.clock_error() {
            let what = format!("{device:?} is shown {typing:?}, of {:.1} s", last as f64 / 1e6);
            self.violated("typing", what);
        }
    }
}
