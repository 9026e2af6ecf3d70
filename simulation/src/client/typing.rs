//! People type, now and then more hastily than anybody should.

use chatcluster_protocol::{
    client::{ClientFrame, IsTyping, TypedTo, Typing},
    id::ConversationId,
};

use super::user_id;
use crate::{
    clock::{MS, S},
    network::Node,
    trace::trace,
    world::World,
};

impl World {
    /// The person types to somebody, again and again until all is healed.
    pub(super) fn type_on(&mut self, device: usize) {
        if self.now > self.shape.trouble {
            return;
        }
        let wait = self.typing.between(10 * S, 60 * S);
        let to = self.typing.index(self.shape.users.len());
        let hasty = self.typing.one_in(12);
        self.later(Node::Device(device), wait, move |world| {
            for n in 0..if hasty { 10 } else { 1 } {
                world.later(Node::Device(device), n * 300 * MS, move |world| {
                    world.types(device, to)
                });
            }
            world.type_on(device);
        });
    }

    fn types(&mut self, device: usize, to: usize) {
        let active = !self.typing.one_in(3);
        if self.clients[device].is_welcomed() {
            let to = TypedTo::User(user_id(to));
            self.say(device, ClientFrame::Typing(Typing { id: None, to, active }));
        }
    }

    /// A device reads that somebody is typing: to its user, and in their conversation.
    pub(super) fn shows_typing(&mut self, device: usize, typing: &IsTyping) {
        trace!(self, Node::Device(device), "sees {} typing, {} ms", typing.from, typing.expires_in);
        let user = &self.clients[device].home.user;
        let conversation = ConversationId::between(&typing.from, user);
        if typing.from == *user || typing.conversation != conversation {
            let what = format!("{user} sees {typing:?}");
            self.violated("typing", what);
        }
    }
}
