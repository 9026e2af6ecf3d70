//! What gateways say.

use std::collections::BTreeSet;

use chatcluster_protocol::{
    client::{Ack, ClientFrame, ErrorCode, Message, Receipt, ServerFrame},
    id::MessageId,
    limits::ACK_IDS,
};

use crate::{
    clock::{MS, S},
    coverage::hit,
    network::{Node, StreamId, Wire},
    trace::trace,
    world::World,
};

impl World {
    pub(crate) fn device_hears(&mut self, device: usize, stream: StreamId, wire: Wire) {
        let client = &mut self.clients[device];
        client.unread.push_back((stream, wire));
        if client.unread.len() == 1 {
            self.read_on(device);
        }
    }

    fn read_on(&mut self, device: usize) {
        loop {
            let client = &mut self.clients[device];
            if client.unread.is_empty() {
                return;
            }
            if client.reads_from > self.now {
                hit("client: late reader");
                let wait = client.reads_from - self.now;
                return self.later(Node::Device(device), wait, move |world| world.read_on(device));
            }
            if let Some((stream, wire)) = client.unread.pop_front() {
                self.read(device, stream, wire);
            }
        }
    }

    fn read(&mut self, device: usize, stream: StreamId, wire: Wire) {
        let current = self.clients[device].link.as_ref().is_some_and(|link| link.stream == stream);
        match wire {
            Wire::Ping => self.send(stream, 0, Wire::Pong),
            Wire::Close(code) => self.close_frame(device, stream, code, current),
            Wire::End | Wire::Refused => self.lose(device, stream, true),
            Wire::Text(text) => {
                if current {
                    self.heard(device);
                }
                if let Ok(frame) = serde_json::from_slice(&text) {
                    self.frame(device, stream, frame, current);
                }
            }
            _ => {}
        }
    }

    fn close_frame(&mut self, device: usize, stream: StreamId, code: u16, current: bool) {
        trace!(
            self,
            Node::Device(device),
            "stream {stream} is closed with {code}; in use: {current}"
        );
        self.send(stream, 0, Wire::Close(code));
        match code {
            4000 => hit("close: 4000"),
            4001 => hit("close: 4001"),
            4103 => hit("close: 4103"),
            4201 => {
                hit("close: 4201");
                self.check_expired(device, current);
            }
            4204 => hit("close: 4204"),
            4206 => hit("close: 4206"),
            _ => {}
        }
        self.check_close(device, code, current);
        // Whoever got another token comes back, after a while.
        if current && code == 4206 {
            self.forget_token(device);
        }
        self.lose(device, stream, (4100..4200).contains(&code) || code == 4206);
    }

    fn frame(&mut self, device: usize, stream: StreamId, frame: ServerFrame, current: bool) {
        match frame {
            ServerFrame::Message(message) => self.shows(device, message, current),
            ServerFrame::Receipt(receipt) => self.told(device, &receipt),
            ServerFrame::Typing(typing) => self.shows_typing(device, &typing),
            // What else comes over a connection that is left behind is asked for again over the other.
            _ if !current => {}
            ServerFrame::Welcome(welcome) => {
                trace!(self, Node::Device(device), "is welcomed with epoch {}", welcome.epoch);
                if welcome.new_device {
                    hit("client: new device");
                }
                self.welcomed(device, welcome.epoch);
            }
            ServerFrame::CaughtUp => self.check_caught_up(device),
            ServerFrame::Sent(sent) => {
                trace!(
                    self,
                    Node::Device(device),
                    "{} is sent as {}",
                    sent.reference,
                    sent.message
                );
                self.sent(device, &sent);
            }
            ServerFrame::Marked(marked) => self.marked(device, &marked),
            ServerFrame::Presence(presences) => self.sees(device, presences),
            ServerFrame::Privacy(answer) => self.privacy_is(device, &answer),
            ServerFrame::History(page) => self.history_page(device, page),
            ServerFrame::Receipts(receipts) => self.receipts(device, &receipts),
            ServerFrame::Expiring(_) => self.expiring(device),
            ServerFrame::Refreshed(refreshed) => self.refreshed(device, &refreshed),
            ServerFrame::Reconnect(ask) => self.move_away(device, stream, ask.after),
            ServerFrame::Error(error) => {
                trace!(
                    self,
                    Node::Device(device),
                    "error {:?} for {:?}",
                    error.code,
                    error.reference
                );
                match (error.code, &error.reference) {
                    (ErrorCode::TooManyInFlight, _) => hit("client: too many in flight"),
                    (ErrorCode::Unavailable, Some(_)) if error.text.starts_with("an earlier") => {
                        hit("client: held back send");
                    }
                    (ErrorCode::BadField, _) if self.is_unread_copy(device, error.id) => {
                        return self.give_mark_up(device, error.id);
                    }
                    (ErrorCode::BadField | ErrorCode::Forbidden, None)
                        if self.has_left_what_is_read(device, error.id) =>
                    {
                        hit("mark: of a group that was left");
                        return self.leave_mark(device, error.id);
                    }
                    // Clients give up for good on what they may not have sent at all.
                    (code @ (ErrorCode::BadField | ErrorCode::BadFrame), _) => {
                        let home = &self.clients[device].home;
                        self.violated("P1", format!("a frame of {home:?} was refused: {code:?}"));
                    }
                    _ => {}
                }
                match error.reference.clone() {
                    Some(reference) => self.send_failed(device, reference, &error),
                    None if self.refused_refresh(device, &error) => {}
                    None if self.mark_failed(device, error.id) => {}
                    None if self.count_failed(device, error.id, !error.temporary) => {}
                    None if self.watch_failed(device, error.id) => {}
                    None if self.privacy_failed(device, error.id) => {}
                    None => self.look_failed(device, &error),
                }
            }
            ServerFrame::Group(_) | ServerFrame::Pong(_) | ServerFrame::Unknown => {}
        }
    }

    fn shows(&mut self, device: usize, message: Message, current: bool) {
        let id = message.message;
        trace!(
            self,
            Node::Device(device),
            "gets {id} of {}/{}: {}",
            message.from,
            message.device,
            message.content.body.as_str()
        );
        self.check_shown(device, &message);
        let client = &mut self.clients[device];
        client.saw(id, current);
        let shown = *client.shown.entry(id.identity()).or_insert(id);
        if shown != id {
            hit("client: copy of a message");
        }
        self.acknowledge(device, false, id);
        self.may_read(device, message.conversation, id);
    }

    fn told(&mut self, device: usize, receipt: &Receipt) {
        trace!(
            self,
            Node::Device(device),
            "gets receipt {}: {:?} by {} up to {}",
            receipt.receipt,
            receipt.kind,
            receipt.user,
            receipt.up_to
        );
        self.check_receipt(device, receipt);
        self.acknowledge(device, true, receipt.receipt);
    }

    fn acknowledge(&mut self, device: usize, receipt: bool, id: MessageId) {
        let client = &mut self.clients[device];
        let first = client.acks.is_empty();
        client.acks.insert((receipt, id));
        if first {
            // Some apps write to their disk first.
            let most = if self.chance.one_in(8) { 3 * S } else { 100 * MS };
            let wait = self.chance.between(0, most);
            self.later(Node::Device(device), wait, move |world| world.send_acks(device));
        }
    }

    fn send_acks(&mut self, device: usize) {
        let client = &mut self.clients[device];
        let all = std::mem::take(&mut client.acks);
        if !client.is_welcomed() {
            return;
        }
        let of = |receipts: bool| {
            let ids = all.iter().filter(|(receipt, _)| *receipt == receipts);
            ids.map(|(_, id)| *id).collect::<BTreeSet<_>>()
        };
        let (messages, receipts) = (of(false), of(true));
        self.oracle.acknowledged(device, &messages);
        let (messages, receipts) = (Vec::from_iter(messages), Vec::from_iter(receipts));
        let count = messages.len().max(receipts.len()).div_ceil(ACK_IDS);
        let mut messages = messages.chunks(ACK_IDS);
        let mut receipts = receipts.chunks(ACK_IDS);
        for _ in 0..count {
            let ids = |ids: Option<&[MessageId]>| ids.unwrap_or_default().to_vec();
            let ack =
                Ack { id: None, messages: ids(messages.next()), receipts: ids(receipts.next()) };
            self.say(device, ClientFrame::Ack(ack));
        }
    }
}
