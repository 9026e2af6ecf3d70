//! How far the person has read: a mark per conversation, sent until there is an answer. It is kept over a
//! restart.

use chatcluster_protocol::{
    client::{ClientFrame, Marked, Read, RequestId},
    id::{ConversationId, MessageId},
};

use crate::{
    clock::{S, Time},
    coverage::hit,
    network::Node,
    trace::trace,
    world::World,
};

/// How long a client waits before it sends a mark again that was refused for now.
const AGAIN: Time = S;

/// How far the person has read a conversation on this device.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) up_to: MessageId,
    /// Sent over this connection, and not answered.
    asked: Option<RequestId>,
    confirmed: Option<MessageId>,
}

impl Mark {
    pub(crate) fn is_confirmed(&self) -> bool {
        self.confirmed >= Some(self.up_to)
    }
}

impl World {
    /// A message is shown; some are read soon.
    pub(super) fn may_read(&mut self, device: usize, conversation: ConversationId, id: MessageId) {
        if self.chance.one_in(16) {
            let wait = self.chance.between(0, 3 * S);
            let read = move |world: &mut World| world.reads(device, conversation, id);
            self.later(Node::Device(device), wait, read);
        }
    }

    fn reads(&mut self, device: usize, conversation: ConversationId, up_to: MessageId) {
        trace!(self, Node::Device(device), "has read {conversation} up to {up_to}");
        let user = self.clients[device].home.user.clone();
        self.oracle.reads(self.now, user, conversation, up_to);
        let fresh = Mark { up_to, asked: None, confirmed: None };
        let mark = self.clients[device].marks.entry(conversation).or_insert(fresh);
        mark.up_to = mark.up_to.max(up_to);
        self.send_mark(device, conversation);
    }

    fn send_mark(&mut self, device: usize, conversation: ConversationId) {
        let client = &mut self.clients[device];
        if !client.is_welcomed() {
            return;
        }
        let id = client.request();
        let Some(mark) = client.marks.get_mut(&conversation) else { return };
        if mark.asked.is_none() && !mark.is_confirmed() {
            mark.asked = Some(id);
            let up_to = mark.up_to;
            self.say(device, ClientFrame::Read(Read { id, conversation, up_to }));
        }
    }

    /// On a new connection everything without an answer is sent again.
    pub(super) fn send_marks(&mut self, device: usize) {
        let marks = &mut self.clients[device].marks;
        marks.values_mut().for_each(|mark| mark.asked = None);
        for conversation in marks.keys().copied().collect::<Vec<_>>() {
            self.send_mark(device, conversation);
        }
    }

    pub(super) fn marked(&mut self, device: usize, marked: &Marked) {
        hit("mark: answered");
        let Marked { id, conversation, up_to } = *marked;
        trace!(self, Node::Device(device), "its mark in {conversation} is at {up_to}");
        let Some(mark) = self.clients[device].marks.get_mut(&conversation) else { return };
        if mark.asked.take_if(|asked| *asked == id).is_some() {
            mark.confirmed = mark.confirmed.max(Some(up_to));
            self.check_marked(device, conversation, up_to);
            self.send_mark(device, conversation);
        }
    }

    /// Whether the error is for a mark at a message that one replica alone had under this id: the others do
    /// not know of it.
    pub(super) fn is_unread_copy(&self, device: usize, id: Option<RequestId>) -> bool {
        let mut marks = self.clients[device].marks.values();
        !self.receipts_are_exact() && marks.any(|mark| mark.asked.is_some() && mark.asked == id)
    }

    /// The mark that this answers is in a group that the user has left, if only for a while.
    pub(super) fn has_left_what_is_read(&self, device: usize, id: Option<RequestId>) -> bool {
        let client = &self.clients[device];
        let mut marks = client.marks.iter();
        let asked = marks.find(|(_, mark)| mark.asked.is_some() && mark.asked == id);
        let group = asked.is_some_and(|(conversation, _)| conversation.group().is_some());
        group && self.oracle.may_have_left(&client.home.user)
    }

    /// Nobody is told of it any more.
    pub(super) fn leave_mark(&mut self, device: usize, id: Option<RequestId>) {
        let marks = self.clients[device].marks.values_mut();
        for mark in marks.filter(|mark| mark.asked == id) {
            (mark.asked, mark.confirmed) = (None, Some(mark.up_to));
        }
    }

    pub(super) fn give_mark_up(&mut self, device: usize, id: Option<RequestId>) {
        self.clients[device].marks.retain(|_, mark| mark.asked != id);
    }

    /// Whether the error was for a mark.
    pub(super) fn mark_failed(&mut self, device: usize, id: Option<RequestId>) -> bool {
        let mut marks = self.clients[device].marks.iter_mut();
        let Some((conversation, mark)) =
            marks.find(|(_, mark)| mark.asked.is_some() && mark.asked == id)
        else {
            return false;
        };
        hit("mark: refused for now");
        mark.asked = None;
        let conversation = *conversation;
        let again = move |world: &mut World| world.send_mark(device, conversation);
        self.later(Node::Device(device), AGAIN, again);
        true
    }
}
