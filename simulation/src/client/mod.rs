//! A device of a user, as the protocol's rules want it. What it keeps over a restart: what it has shown,
//! the highest id, its last epoch, and what it has written and nobody has confirmed.

mod connection;
mod groups;
mod history;
mod marks;
mod reading;
mod receipts;
pub(crate) mod sending;
mod token;
mod typing;
mod watching;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chatcluster_protocol::{
    Millis,
    client::{Content, Recipient, RequestId},
    id::{ConversationId, DeviceId, Identity, MessageId, Reference, UserId},
};
use connection::Link;
use gateway_core::Device;
use history::Look;
use marks::Mark;
use receipts::Counted;
use watching::Watching;

use crate::{
    clock::Time,
    network::{StreamId, Wire},
    shape::Shape,
};

/// A device and its app.
pub(crate) struct Client {
    pub(crate) home: Device,
    /// Which user it is of.
    pub(crate) user: usize,
    /// What the person sees.
    pub(crate) shown: BTreeMap<Identity, MessageId>,
    pub(crate) highest: Option<MessageId>,
    epoch: Option<u64>,
    pub(crate) outbox: VecDeque<Draft>,
    next_reference: u64,
    /// A gateway has asked to send nothing again before.
    limited_until: Time,
    /// The connection in use.
    pub(crate) link: Option<Link>,
    /// It wants to be connected.
    pub(crate) online: bool,
    /// Nobody has it any more.
    pub(crate) lost: bool,
    /// The last token that was had for it.
    token: Option<token::Issued>,
    /// When that was issued, also after it was forgotten.
    pub(crate) issued: Option<Millis>,
    failures: u32,
    dials: u64,
    /// When it opened the connection before the one in use, and that one.
    pub(crate) dialed_before: Time,
    dialed: Time,
    next_request: u64,
    acks: BTreeSet<(bool, MessageId)>,
    /// What arrives is read then, in the order in which it has come.
    pub(crate) reads_from: Time,
    unread: VecDeque<(StreamId, Wire)>,
    pub(crate) look: Option<Look>,
    pub(crate) marks: BTreeMap<ConversationId, Mark>,
    pub(crate) counted: Option<Counted>,
    pub(crate) watching: Watching,
}

/// A message that was written and has no answer.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) reference: Reference,
    pub(crate) to: Recipient,
    pub(crate) content: Content,
    pub(crate) state: State,
    /// How often it was sent.
    pub(crate) tries: u32,
    /// It uses a reference that was used for something else.
    pub(crate) forged: bool,
}

/// How far a draft is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It has not been sent over this connection.
    Fresh,
    /// It has been sent.
    Flying,
    /// An error says to send it again.
    Failed,
}

impl Client {
    /// The devices of all users.
    pub(crate) fn all(shape: &Shape) -> Vec<Self> {
        let users = shape.users.iter().enumerate();
        let devices = users.flat_map(|(user, devices)| (0..*devices).map(move |n| (user, n)));
        devices.map(|(user, device)| Self::new(user, device)).collect()
    }

    fn new(user: usize, device: usize) -> Self {
        Self {
            home: Device { user: user_id(user), device: device_id(device) },
            user,
            shown: BTreeMap::new(),
            highest: None,
            epoch: None,
            outbox: VecDeque::new(),
            next_reference: 0,
            limited_until: 0,
            link: None,
            online: false,
            lost: false,
            token: None,
            issued: None,
            failures: 0,
            dials: 0,
            dialed_before: 0,
            dialed: 0,
            next_request: 0,
            acks: BTreeSet::new(),
            reads_from: 0,
            unread: VecDeque::new(),
            look: None,
            marks: BTreeMap::new(),
            counted: None,
            watching: Watching::default(),
        }
    }

    /// It has a session, as far as it knows.
    fn is_welcomed(&self) -> bool {
        self.link.as_ref().is_some_and(Link::is_welcomed)
    }

    /// The device sees an id, over the connection in use or another one.
    fn saw(&mut self, id: MessageId, current: bool) {
        self.highest = self.highest.max(Some(id));
        if let Some(link) = self.link.as_mut().filter(|_| current) {
            link.known = link.known.max(Some(id));
        }
    }

    /// The highest id it has seen, if the gateway may not know of it.
    fn untold(&mut self) -> Option<MessageId> {
        let link = self.link.as_mut()?;
        let told = std::mem::replace(&mut link.known, self.highest);
        self.highest.filter(|highest| Some(*highest) > told)
    }

    fn request(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId::try_from(self.next_request).unwrap_or(RequestId::MAX)
    }
}

/// The name of a user. It is always valid.
pub(crate) fn user_id(user: usize) -> UserId {
    UserId::new(format!("user-{user}")).unwrap_or_else(|error| panic!("{error}"))
}

fn device_id(device: usize) -> DeviceId {
    DeviceId::new(format!("d{device}")).unwrap_or_else(|error| panic!("{error}"))
}
