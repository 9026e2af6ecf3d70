//! Writing: in order, again after failures and over new connections, until there is an answer.

use chatcluster_protocol::{
    client::{Body, ClientFrame, Content, ContentType, Error, ErrorCode, Recipient, Send, Sent},
    id::Reference,
    limits::SENDS_IN_FLIGHT,
};

use super::{Draft, State, user_id};
use crate::{clock::MS, coverage::hit, network::Node, oracle::Writing, trace::trace, world::World};

/// Sends without an answer: a few more than the protocol allows, so that some are refused.
const IN_FLIGHT: usize = SENDS_IN_FLIGHT + 8;

/// Some of what is written says that it is a picture.
pub(crate) fn kind_of(body: &str) -> ContentType {
    let kind = if body.ends_with(['1', '4', '7']) { "image/png" } else { "text/plain" };
    ContentType::new(kind).unwrap_or_else(|error| panic!("{error}"))
}

/// What a message says.
fn said(body: &str) -> Content {
    let kind = kind_of(body);
    Content { kind, body: Body::new(body).unwrap_or_else(|error| panic!("{error}")) }
}

impl World {
    /// The person writes to a user.
    pub(crate) fn write_message(&mut self, device: usize, to: usize) -> usize {
        let device = self.who_writes(device);
        self.write(device, Recipient::User(user_id(to)), None)
    }

    /// A device writes this, or else what nobody has written before.
    pub(super) fn write(
        &mut self,
        device: usize,
        to: Recipient,
        content: Option<Content>,
    ) -> usize {
        let client = &mut self.clients[device];
        client.next_reference += 1;
        let name = format!("{}-{}-{}", client.home.user, client.home.device, client.next_reference);
        let reference = Reference::new(name).unwrap_or_else(|error| panic!("{error}"));
        let (highest, home) = (client.highest, client.home.clone());
        let writing = Writing { by: device, from: &home, reference: &reference, to: &to };
        let number = self.oracle.written(self.now, writing, content.clone(), highest);
        let content = content.unwrap_or_else(|| said(&format!("m{number}")));
        let (state, tries, forged) = (State::Fresh, 0, false);
        self.draft(device, Draft { reference, to, content, state, tries, forged });
        number
    }

    /// On a device that is lost nobody writes, but on another one.
    fn who_writes(&self, device: usize) -> usize {
        let all = self.clients.len();
        let mut from = (device..device + all).map(|at| at % all);
        from.find(|at| !self.clients[*at].lost).unwrap_or(device)
    }

    /// An app that uses a reference twice, for different things.
    pub(crate) fn write_forged(&mut self, device: usize) {
        let client = &self.clients[device];
        let Some((reference, to)) = self.oracle.any_sent(device) else { return };
        if client.lost || client.outbox.iter().any(|draft| draft.reference == reference) {
            return;
        }
        self.oracle.forged(device, &reference);
        self.draft(
            device,
            Draft {
                reference,
                to,
                content: said("forged"),
                state: State::Fresh,
                tries: 0,
                forged: true,
            },
        );
    }

    fn draft(&mut self, device: usize, draft: Draft) {
        self.clients[device].outbox.push_back(draft);
        self.pump(device);
    }

    /// Sends what has not been sent, unless something before it in the conversation has to go again.
    fn pump(&mut self, device: usize) {
        let client = &self.clients[device];
        if !client.is_welcomed() {
            return;
        }
        let flying = client.outbox.iter().filter(|draft| draft.state == State::Flying).count();
        let room = IN_FLIGHT.saturating_sub(flying);
        let mut held = Vec::new();
        let mut due = Vec::new();
        for (place, draft) in client.outbox.iter().enumerate() {
            match draft.state {
                State::Failed => held.push(&draft.to),
                State::Fresh if !held.contains(&&draft.to) => due.push(place),
                State::Fresh | State::Flying => {}
            }
        }
        for place in due.into_iter().take(room) {
            self.send_draft(device, place);
        }
    }

    fn send_draft(&mut self, device: usize, place: usize) {
        let client = &mut self.clients[device];
        let (id, seen) = (client.request(), client.untold());
        let draft = &mut client.outbox[place];
        draft.state = State::Flying;
        draft.tries += 1;
        if draft.tries > 1 {
            hit("client: repeated send");
        }
        let Draft { reference, to, content, .. } = draft.clone();
        let send = Send { id, reference, to, content, seen };
        trace!(
            self,
            Node::Device(device),
            "sends {} to {:?} ({})",
            send.reference,
            send.to,
            send.content.body.as_str()
        );
        self.say(device, ClientFrame::Send(send));
    }

    /// All that has no answer goes again over a new connection, in the order written. (Who would have gone on after
    /// a limit may have restarted since.)
    pub(super) fn send_again(&mut self, device: usize) {
        self.clients[device].limited_until = 0;
        for draft in &mut self.clients[device].outbox {
            draft.state = State::Fresh;
        }
        self.pump(device);
    }

    pub(super) fn sent(&mut self, device: usize, sent: &Sent) {
        let client = &mut self.clients[device];
        let of = |draft: &Draft| draft.reference == sent.reference && !draft.forged;
        let Some(place) = client.outbox.iter().position(of) else { return };
        client.outbox.remove(place);
        client.saw(sent.message, true);
        self.check_sent(device, sent);
        self.may_count(device, sent.message);
        self.pump(device);
    }

    pub(super) fn send_failed(&mut self, device: usize, reference: Reference, error: &Error) {
        let client = &mut self.clients[device];
        let of = |draft: &Draft| draft.reference == reference;
        let Some(place) = client.outbox.iter().position(of) else { return };
        if !error.temporary {
            let Some(draft) = client.outbox.remove(place) else { return };
            return self.check_refused(device, &draft);
        }
        let draft = &mut client.outbox[place];
        draft.state = State::Failed;
        let to = draft.to.clone();
        let wait = error.retry_after.unwrap_or(1_000) * MS + self.chance.between(0, 500 * MS);
        let client = &mut self.clients[device];
        let stream = client.link.as_ref().map(|link| link.stream);
        if client.limited_until > self.now {
            return;
        }
        if error.code == ErrorCode::RateLimited {
            client.limited_until = self.now + wait;
            return self.later(Node::Device(device), wait, move |world| world.goes_on(device));
        }
        self.later(Node::Device(device), wait, move |world| {
            let client = &world.clients[device];
            let link = client.link.as_ref().filter(|link| link.is_welcomed());
            if link.map(|link| link.stream) != stream || client.limited_until > world.now {
                return;
            }
            world.again(device, |draft| draft.to == to);
        });
    }

    /// The gateway takes sends again: all that failed, in the order written.
    fn goes_on(&mut self, device: usize) {
        if self.clients[device].is_welcomed() {
            self.again(device, |_| true);
        }
    }

    /// Those that failed go again, in the order written, and what waits behind them.
    fn again(&mut self, device: usize, which: impl Fn(&Draft) -> bool) {
        let drafts = self.clients[device].outbox.iter().enumerate();
        let failed = drafts.filter(|(_, draft)| draft.state == State::Failed && which(draft));
        for place in failed.map(|(place, _)| place).collect::<Vec<_>>() {
            self.send_draft(device, place);
        }
        self.pump(device);
    }
}
