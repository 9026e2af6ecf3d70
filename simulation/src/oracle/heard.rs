//! What clients are told, checked as they are told.

use chatcluster_protocol::{
    Millis,
    client::{ErrorCode, Message, Receipt, ReceiptKind, Recipient, Sent, ServerFrame},
    id::MessageId,
};

use crate::{
    client::Draft,
    clock::{MS, S, Time},
    coverage::hit,
    world::World,
};

/// Ids are above what a client has seen unless clocks are further apart than this: `FOLLOWED` of the
/// gateway's sessions, less what a message may be on its way.
const CLOCKS: i64 = 25_000;

impl World {
    /// A gateway writes a frame to a client. `sent` comes after the storing.
    pub(crate) fn check_written(&mut self, frame: &[u8]) {
        if !frame.starts_with(br#"{"type":"sent""#) {
            return;
        }
        let Ok(ServerFrame::Sent(sent)) = serde_json::from_slice(frame) else { return };
        let number = self.oracle.by_identity.get(&sent.message.identity()).copied();
        let stored = number.is_some_and(|number| self.oracle.messages[number].stored.is_some());
        if !stored {
            self.violated("P1", format!("{} was answered before it was stored", sent.reference));
        }
    }

    /// A client reads that its message is stored.
    pub(crate) fn check_sent(&mut self, device: usize, sent: &Sent) {
        let key = (device, sent.reference.clone());
        let Some(number) = self.oracle.by_reference.get(&key).copied() else {
            return self.violated("P2", format!("{} was never sent", sent.reference));
        };
        let id = sent.message;
        let message = &mut self.oracle.messages[number];
        if message.id.is_some_and(|told| told != id) {
            let what = format!("m{number} is {:?} and then {id}", message.id);
            return self.violated("P2", what);
        }
        message.id = Some(id);
        self.oracle.latest = self.oracle.latest.max(id.millis());
        let change = message.change.clone();
        let (seen, conversation) = (message.seen, message.conversation);
        if let Some(seen) = seen.filter(|seen| *seen >= id && self.clocks_are_close()) {
            let what = format!("m{number} is {id}, not above {seen}, which its device had seen");
            return self.violated("P3", what);
        }
        self.check_order(device, conversation, number, id);
        if let Some(change) = change {
            self.changed(number, &change);
        }
    }

    /// Ids rise in the order in which a device has sent.
    fn check_order(
        &mut self,
        device: usize,
        conversation: chatcluster_protocol::id::ConversationId,
        number: usize,
        id: MessageId,
    ) {
        let Some(order) = self.oracle.order.get(&(device, conversation)) else { return };
        let place = order.partition_point(|other| *other < number);
        let id_of = |other: &usize| self.oracle.messages[*other].id.map(|id| (*other, id));
        let before = order[..place].iter().rev().find_map(id_of);
        let after = order[place + 1..].iter().find_map(id_of);
        let before = before.filter(|(_, before)| *before >= id);
        if let Some((other, wrong)) = before.or(after.filter(|(_, after)| *after <= id)) {
            let what = format!("m{number} is {id} and m{other} is {wrong}, against their order");
            self.violated("P3", what);
        }
    }

    /// Each of several replicas places the receipts that follow from what it has itself, and what one of
    /// them placed is read by union: it may claim too much, and what should be claimed may not be placed.
    pub(crate) fn receipts_are_exact(&self) -> bool {
        self.replicas.len() == 1
    }

    fn clocks_are_close(&self) -> bool {
        self.shape.clocks_apart() <= CLOCKS
    }

    /// A client gets a message: it must be one, as it was written, and for this user.
    pub(crate) fn check_shown(&mut self, device: usize, message: &Message) {
        let id = message.message;
        let number = self.oracle.by_identity.get(&id.identity()).copied();
        let Some(number) = number else {
            return self.violated("P2", format!("{id} was never written"));
        };
        let written = &self.oracle.messages[number];
        let body = message.content.body.as_str();
        let forged = body == "forged" && self.may_be_forged(number);
        let said = match &written.change {
            Some(change) => message.content == *change,
            None => body == format!("m{number}"),
        };
        let right =
            (forged || said) && message.from == written.from.user && message.to == written.to;
        let home = &self.clients[device].home;
        let theirs = match &written.to {
            Recipient::User(to) => *to == home.user || written.from.user == home.user,
            Recipient::Group(_) => self.oracle.group.may_have_had(&home.user, written.at),
        };
        if !right || !theirs || written.from == *home {
            let what = format!("{home:?} gets {message:?}, which is {written:?}");
            self.violated("P2", what);
        }
    }

    /// `caught_up`: what was stored before the connection was opened has been pushed.
    pub(crate) fn check_caught_up(&mut self, device: usize) {
        let client = &self.clients[device];
        let Some(link) = &client.link else { return };
        let before = |stored: Option<Time>| stored.is_some_and(|stored| stored < link.since);
        let missing = self.oracle.messages.iter().enumerate().find(|(number, message)| {
            before(message.stored)
                && message.owed.contains(&client.home)
                && !client.shown.contains_key(&self.oracle.identity(*number))
        });
        if let Some((number, _)) = missing {
            let what = format!("{:?} is caught up without m{number}", client.home);
            self.violated("rule 18", what);
        }
    }

    /// A receipt says no more than one device of the receiver has said.
    pub(crate) fn check_receipt(&mut self, device: usize, receipt: &Receipt) {
        let Receipt { kind, conversation, user, up_to, .. } = receipt;
        if *kind == ReceiptKind::Read {
            return self.check_read(device, receipt);
        }
        if conversation.group().is_some() {
            let home = &self.clients[device].home;
            let what = format!("{home:?} is told who has received what in a group: {receipt:?}");
            return self.violated("receipts", what);
        }
        if !self.receipts_are_exact() {
            return;
        }
        let home = self.clients[device].home.clone();
        let to = Recipient::User(user.clone());
        let placed = self.oracle.placed.get(&receipt.receipt).copied().unwrap_or_default();
        let about: Vec<_> = self
            .oracle
            .messages
            .iter()
            .enumerate()
            .filter(|(_, m)| m.conversation == *conversation && m.from.user == home.user)
            // A message of another device may be stored later than that, under a lower id.
            .filter(|(_, m)| m.stored.is_some_and(|stored| stored < placed))
            .filter(|(_, m)| m.to == to && m.id.is_some_and(|id| id <= *up_to))
            .map(|(number, m)| (number, &m.owed))
            .collect();
        let has_all = |client: usize, device: &gateway_core::Device| {
            let mut owed = about.iter().filter(|(_, owed)| owed.contains(device));
            owed.all(|(number, _)| {
                self.oracle.has_acknowledged(client, self.oracle.identity(*number))
            })
        };
        let clients = self.clients.iter().enumerate();
        let mut receivers = clients.filter(|(_, client)| client.home.user == *user);
        if !receivers.any(|(at, client)| has_all(at, &client.home)) {
            let what = format!("{home:?} is told that {user} has everything up to {up_to}");
            return self.violated("receipts", what);
        }
        let told = (device, *conversation, user.clone());
        self.oracle.told.entry(told).or_default().insert(*up_to, placed);
    }

    /// Only what a device has left behind is closed for good, and what was revoked.
    pub(crate) fn check_close(&mut self, device: usize, code: u16, current: bool) {
        let client = &self.clients[device];
        let token = client.link.as_ref().map_or(0, |link| link.token.issued);
        let revoked = code == 4206 && self.may_be_refused(&client.home, token);
        let expected = !current || code < 4200 || code == 4201 || revoked;
        if !expected {
            let home = &self.clients[device].home;
            let what = format!("the connection that {home:?} uses was closed with {code}");
            self.violated("close codes", what);
        }
    }

    /// A session has ended by its token: not before that has expired, as far as clocks agree.
    pub(crate) fn check_expired(&mut self, device: usize, current: bool) {
        let client = &self.clients[device];
        let Some(link) = client.link.as_ref().filter(|_| current) else { return };
        let (expires, home) = (link.token.expires, &client.home);
        if self.now + self.clock_error() < expires {
            let what = format!("the session of {home:?} ended before its token, at {expires}");
            self.violated("tokens", what);
        }
    }

    /// A gateway goes on with a token.
    pub(crate) fn check_refreshed(&mut self, device: usize, good: bool) {
        if !good {
            let home = &self.clients[device].home;
            let what = format!("a session of {home:?} goes on with a token that is none of theirs");
            self.violated("tokens", what);
        }
    }

    /// A token was refused; one that expires then and is younger than what was revoked should have been taken,
    /// as far as clocks agree.
    pub(crate) fn check_refused_refresh(
        &mut self,
        device: usize,
        token: Option<(Time, Millis)>,
        code: ErrorCode,
    ) {
        let Some((expires, issued)) = token else { return };
        let home = &self.clients[device].home;
        let right = match code {
            ErrorCode::TokenExpired => self.now + self.clock_error() > expires,
            ErrorCode::Revoked => self.may_be_refused(home, issued),
            ErrorCode::RateLimited => self.shape.limits.is_some(),
            _ => false,
        };
        if code == ErrorCode::Revoked {
            hit("refresh: revoked");
        }
        if !right {
            self.violated("tokens", format!("a good token of {home:?} was refused: {code:?}"));
        }
    }

    /// How far a gateway's idea of a token's end may be from the world's: jumps of clocks, and 2 s for
    /// what is the same for all and for drift, 500 parts in a million over 20 minutes.
    pub(super) fn clock_error(&self) -> Time {
        self.shape.clocks_apart() as Time * MS + 2 * S
    }

    /// A request was refused for good: so it was one that had to be.
    pub(crate) fn check_refused(&mut self, device: usize, draft: &Draft) {
        let Draft { reference, forged, tries, .. } = draft;
        // Where there are several replicas, the gateway itself may have tried before.
        let again = *tries > 1 || self.replicas.len() > 1;
        let number = self.oracle.by_reference.get(&(device, reference.clone())).copied();
        if let Some(message) = number.and_then(|number| self.oracle.messages.get_mut(number)) {
            message.refused |= again && !forged;
        }
        if !forged && !self.may_be_forbidden(device, reference) {
            let home = &self.clients[device].home;
            self.violated("P1", format!("a send of {home:?} was refused for good"));
        }
    }
}
