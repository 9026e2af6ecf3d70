//! The client's decisions: when to dial and where, what to send again, what to show, what to
//! acknowledge, when to give a connection up. No socket, no clock, no task: the shell brings time and
//! events in and carries the effects out.
//!
//! - inputs: [`Core::opened`], [`Core::ended`], [`Core::frame`], [`Core::heard`], [`Core::renewed`],
//!   [`Core::tick`], and the application's [`Core::send`], [`Core::read`], [`Core::typing`], [`Core::watch`],
//!   [`Core::privacy`], [`Core::ask`], [`Core::take`], [`Core::close`]
//! - outputs: [`Core::poll_effect`], [`Core::poll_event`], [`Core::deadline`]
//!
//! Times are durations since the client began, of a clock that never goes back.

mod backoff;
mod closing;
mod frames;
mod heartbeat;
mod inbox;
mod link;
mod marks;
mod outbox;
mod queries;
mod renewal;
#[cfg(test)]
mod tests;
mod typing;
mod watching;

use std::{collections::VecDeque, time::Duration};

pub use backoff::Backoff;
use backoff::Jitter;
use chatcluster_protocol::{
    client::{Ack, ClientFrame, Content, PresenceTo, Recipient, RequestId, Send, Sent},
    id::{ConversationId, DeviceId, MessageId, Reference},
};
use inbox::Inbox;
use link::Link;
use marks::Marks;
use outbox::{Entry, Outbox, Rejected};
pub(crate) use queries::{Answer, Question};
use queries::{Queries, Ticket};
use typing::Typing;
use watching::Watching;

use crate::{
    error::{PrivacyError, QueryError, SendError},
    event::{Cause, Event, Fatal},
    resume::Resume,
};

/// Events that the application has not taken. At this many the client stops reading, so that the
/// gateway's window of pushes fills and the rest waits in the inbox.
const EVENTS: usize = 256;

/// What the core needs to know beforehand.
#[derive(Debug)]
pub(crate) struct Options {
    /// URLs of gateways, tried in turn; at least one.
    pub(crate) endpoints: Vec<String>,
    pub(crate) device: DeviceId,
    pub(crate) resume: Resume,
    pub(crate) backoff: Backoff,
    /// Most sends without an answer.
    pub(crate) outbox: usize,
    /// The token can be had anew, so that an expired one is worth another attempt.
    pub(crate) token_renews: bool,
}

/// What the shell is to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    /// Get a token and open a connection to this URL; report by [`Core::opened`] or [`Core::ended`].
    Dial(String),
    /// Write a text frame on the open connection.
    Write(String),
    /// Get a token for the open session; report by [`Core::renewed`]. One that is being got already is
    /// given up.
    Renew,
    /// Drop the connection or the attempt.
    Drop,
    /// Write what is queued, close with 1000, and end.
    Goodbye,
    /// A send has its answer.
    Answered(Reference, Result<Sent, SendError>),
    /// A question has its answer.
    Told(Ticket, Result<Answer, QueryError>),
    /// A question or a wish about who may see the user has its answer.
    Privacy(Ticket, Result<PresenceTo, PrivacyError>),
}

/// The client's state, across connections.
#[derive(Debug)]
pub(crate) struct Core {
    options: Options,
    jitter: Jitter,
    link: Link,
    /// Which endpoint is next.
    endpoint: usize,
    /// Connections in a row that brought nothing.
    failures: u32,
    /// The last token was accepted, so a refusal means that it has expired since.
    token_worked: bool,
    outbox: Outbox,
    inbox: Inbox,
    marks: Marks,
    queries: Queries,
    typing: Typing,
    watching: Watching,
    requests: u64,
    highest: Option<MessageId>,
    epoch: Option<u64>,
    /// What to keep for the next run is not what it was when it was last asked for.
    resume_changed: bool,
    /// Nobody takes events any more: messages stay in the inbox, unacknowledged.
    deaf: bool,
    effects: VecDeque<Effect>,
    events: VecDeque<Event>,
}

/// A message that the application sends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outgoing {
    pub(crate) reference: Reference,
    pub(crate) to: Recipient,
    pub(crate) content: Content,
}

/// What the application has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Message(MessageId),
    Receipt(MessageId),
}

impl Core {
    pub(crate) fn new(options: Options, seed: u64) -> Self {
        Self {
            jitter: Jitter::new(seed),
            link: Link::Waiting { until: Duration::ZERO },
            endpoint: 0,
            failures: 0,
            token_worked: false,
            outbox: Outbox::new(options.outbox),
            inbox: Inbox::new(&options.resume),
            marks: Marks::default(),
            queries: Queries::default(),
            typing: Typing::default(),
            watching: Watching::default(),
            requests: 0,
            highest: options.resume.highest,
            epoch: options.resume.epoch,
            resume_changed: false,
            deaf: false,
            effects: VecDeque::new(),
            events: VecDeque::new(),
            options,
        }
    }

    /// What to keep for the next run.
    pub(crate) fn resume(&self) -> Resume {
        Resume { highest: self.highest, epoch: self.epoch, recent: self.inbox.recent() }
    }

    /// The same, once after each change.
    pub(crate) fn changed_resume(&mut self) -> Option<Resume> {
        std::mem::take(&mut self.resume_changed).then(|| self.resume())
    }

    /// Whether [`Core::changed_resume`] has something.
    pub(crate) fn resume_has_changed(&self) -> bool {
        self.resume_changed
    }

    /// Why the client has stopped, if it was not the application that closed it.
    pub(crate) fn fatal(&self) -> Option<&Fatal> {
        match &self.link {
            Link::Stopped(fatal) => fatal.as_ref(),
            _ => None,
        }
    }

    /// Whether another [`Core::send`] finds room.
    pub(crate) fn has_room(&self) -> bool {
        self.outbox.has_room()
    }

    /// Whether frames should be read now; else the application has to take something first.
    pub(crate) fn wants_frames(&self) -> bool {
        self.events.len() < EVENTS && self.inbox.has_room()
    }

    /// Nothing more will happen.
    pub(crate) fn has_stopped(&self) -> bool {
        matches!(self.link, Link::Stopped(_))
    }

    /// The application sends. Once taken in, the answer comes as [`Effect::Answered`].
    pub(crate) fn send(&mut self, send: Outgoing) -> Result<(), SendError> {
        if let Link::Stopped(fatal) = &self.link {
            return Err(SendError::stopped(fatal.as_ref()));
        }
        let to = send.to.clone();
        self.outbox.push(Entry::new(send)).map_err(|why| match why {
            Rejected::InUse => SendError::ReferenceInUse,
            Rejected::Full => SendError::Full,
        })?;
        self.typing.sent(&to);
        Ok(())
    }

    /// The application asks something. Once taken in, the answer comes as [`Effect::Told`].
    pub(crate) fn ask(&mut self, ticket: Ticket, question: Question) -> Result<(), QueryError> {
        if let Link::Stopped(fatal) = &self.link {
            return Err(QueryError::stopped(fatal.as_ref()));
        }
        self.queries.push(ticket, question).map_err(QueryError::Full)
    }

    /// The application has taken a message or a receipt, which is therefore acknowledged.
    pub(crate) fn take(&mut self, taken: Taken) {
        self.resume_changed = true;
        match taken {
            Taken::Message(id) => self.inbox.messages.take(id.identity(), id),
            Taken::Receipt(id) => self.inbox.receipts.take(id, id),
        }
    }

    /// The user has read a conversation so far.
    pub(crate) fn read(&mut self, conversation: ConversationId, up_to: MessageId) {
        self.marks.set(conversation, up_to);
    }

    /// Nobody takes events any more.
    pub(crate) fn deafen(&mut self) {
        self.deaf = true;
        self.events.clear();
    }

    /// The application is done: what is owed is written, then the connection closed.
    pub(crate) fn close(&mut self, now: Duration) {
        if self.has_stopped() {
            return;
        }
        if let Link::Live(live) = &self.link {
            let limits = live.limits.clone();
            while let Some(ack) = self.next_ack(limits.ack_ids) {
                self.effects.push_back(ack);
            }
            while let Some(read) = self.next_mark(now, limits.reads_in_flight) {
                self.effects.push_back(read);
            }
        }
        self.effects.push_back(Effect::Goodbye);
        self.stop(None);
    }

    /// The next thing to do. With `writable` false only what must not wait: the shell's queue of
    /// frames is full.
    pub(crate) fn poll_effect(&mut self, now: Duration, writable: bool) -> Option<Effect> {
        let effect = self.effects.pop_front();
        let effect = effect.or_else(|| writable.then(|| self.next_write(now)).flatten());
        if let (Some(Effect::Write(_)), Link::Live(live)) = (&effect, &mut self.link) {
            live.heartbeat.sent(now);
        }
        effect
    }

    fn next_write(&mut self, now: Duration) -> Option<Effect> {
        let Link::Live(live) = &self.link else { return None };
        let limits = live.limits.clone();
        if let Some(ack) = self.next_ack(limits.ack_ids) {
            return Some(ack);
        }
        let id = self.request_id();
        if let Some(entry) = self.outbox.next(now, id, limits.sends_in_flight) {
            let Outgoing { reference, to, content } = entry.send.clone();
            let body = content.body.as_str().len();
            // One connection at a time: what is seen is seen over this one, or told in its `hello`.
            let send = Send { id, reference: reference.clone(), to, content, seen: None };
            let frame = ClientFrame::Send(send).encode();
            if frame.len() <= limits.frame && body <= limits.body {
                return Some(Effect::Write(frame));
            }
            // The gateway would end the connection, and the next one too.
            self.outbox.remove(&reference);
            let error = SendError::TooLarge { size: frame.len(), limit: limits.frame };
            return Some(Effect::Answered(reference, Err(error)));
        }
        if let Some(read) = self.next_mark(now, limits.reads_in_flight) {
            return Some(read);
        }
        if let Some(frame) = self.watching.next(now, id) {
            return Some(Effect::Write(frame.encode()));
        }
        Some(Effect::Write(self.queries.next(now, id)?.encode()))
    }

    fn next_ack(&mut self, limit: usize) -> Option<Effect> {
        let (messages, receipts) = self.inbox.next_ack(limit)?;
        Some(Effect::Write(ClientFrame::Ack(Ack { id: None, messages, receipts }).encode()))
    }

    fn next_mark(&mut self, now: Duration, at_once: usize) -> Option<Effect> {
        let id = self.request_id();
        let read = self.marks.next(now, id, at_once)?;
        Some(Effect::Write(ClientFrame::Read(read).encode()))
    }

    /// The next event, for the application.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether [`Core::poll_event`] has one.
    pub(crate) fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    fn tell(&mut self, event: Event) {
        if !self.deaf {
            self.events.push_back(event);
        }
    }

    fn saw(&mut self, id: MessageId) {
        if self.highest < Some(id) {
            self.highest = Some(id);
            self.resume_changed = true;
        }
    }

    fn request_id(&mut self) -> RequestId {
        self.requests += 1;
        // Below 2^53 for more requests than a program can make.
        RequestId::try_from(self.requests).unwrap_or(RequestId::MAX)
    }

    /// Ends everything: each request gets its answer.
    fn stop(&mut self, fatal: Option<Fatal>) {
        for reference in self.outbox.drain().collect::<Vec<_>>() {
            let error = SendError::stopped(fatal.as_ref());
            self.effects.push_back(Effect::Answered(reference, Err(error)));
        }
        for ticket in self.queries.drain().collect::<Vec<_>>() {
            let error = QueryError::stopped(fatal.as_ref());
            self.effects.push_back(Effect::Told(ticket, Err(error)));
        }
        for ticket in self.watching.drain() {
            let error = PrivacyError::stopped(fatal.as_ref());
            self.effects.push_back(Effect::Privacy(ticket, Err(error)));
        }
        if let Some(fatal) = &fatal {
            self.tell(Event::Fatal(fatal.clone()));
        }
        self.link = Link::Stopped(fatal);
    }
}
