//! Now and then a person looks who has received and read what they sent last, until all who have it are known to.

use chatcluster_protocol::{
    client::{ClientFrame, Receipts, ReceiptsRequest, RequestId},
    id::MessageId,
};

use crate::{
    clock::{S, Time},
    coverage::hit,
    network::Node,
    trace::trace,
    world::World,
};

/// How often.
const EVERY: Time = 10 * S;

/// The message that is looked at.
#[derive(Debug)]
pub(crate) struct Counted {
    message: MessageId,
    /// Asked over this connection, and not answered.
    asked: Option<RequestId>,
    /// The last answer lacked nothing.
    pub(crate) complete: bool,
}

impl World {
    /// A message is stored: it may be the one to look at from now on.
    pub(super) fn may_count(&mut self, device: usize, message: MessageId) {
        if self.chance.one_in(8) {
            let fresh = Counted { message, asked: None, complete: false };
            self.clients[device].counted = Some(fresh);
        }
    }

    /// Asks again and again, for as long as the app runs.
    pub(super) fn count_on(&mut self, device: usize) {
        self.later(Node::Device(device), EVERY, move |world| world.count_on(device));
        let client = &mut self.clients[device];
        if !client.is_welcomed() {
            return;
        }
        let id = client.request();
        let Some(counted) = client.counted.as_mut().filter(|counted| !counted.complete) else {
            return;
        };
        counted.asked = Some(id);
        let request = ReceiptsRequest { id, message: counted.message, members: true };
        self.say(device, ClientFrame::Receipts(request));
    }

    pub(super) fn receipts(&mut self, device: usize, receipts: &Receipts) {
        let Some(counted) = &mut self.clients[device].counted else { return };
        if counted.asked.take_if(|asked| *asked == receipts.id).is_none() {
            return;
        }
        hit("receipts: counted");
        trace!(self, Node::Device(device), "is told who has {}: {receipts:?}", receipts.message);
        let complete = self.check_counted(device, receipts);
        if let Some(counted) = &mut self.clients[device].counted {
            counted.complete = complete;
        }
    }

    /// Whether the error is for such a request: the sender of a message may always ask, or has left the group.
    pub(super) fn count_failed(
        &mut self,
        device: usize,
        id: Option<RequestId>,
        forbidden: bool,
    ) -> bool {
        let client = &mut self.clients[device];
        let Some(counted) = &mut client.counted else { return false };
        if counted.asked.is_none() || counted.asked != id {
            return false;
        }
        counted.asked = None;
        if forbidden {
            counted.complete = true;
            let message = counted.message;
            self.check_uncounted(device, message);
        }
        true
    }
}
