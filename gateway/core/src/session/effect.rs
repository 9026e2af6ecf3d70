//! What a session asks for.

use std::sync::Arc;

use bytes::Bytes;
use chatcluster_protocol::{
    Millis,
    client::{
        CloseCode, Content, GroupRequest, History, Message, PresenceTo, Read, ReceiptsRequest,
        Recipient, RequestId, UserPresence,
    },
    id::{ConversationId, HybridClock, Identity, MessageId, Reference, UserId},
};

use super::floor::Floor;
use crate::{Device, Push, Route};

/// What the shell does, in the order given. Those that ask for something say which [`super::Input`]
/// answers them.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Write a text frame to the client.
    Write(Bytes),
    /// Write a text frame to the client, or drop it if more than a few wait to be written: this client does
    /// not read as fast as it is written to, and the frame is worth less than what waits.
    WriteIfIdle(Bytes),
    /// The same, and where it is dropped say so with these: [`crate::Presence::missed`].
    WritePresence(Bytes, Vec<UserPresence>),
    /// Write a WebSocket ping to the client.
    Ping,
    /// Write what is queued, then a close frame; wait for the client's a little, then drop the socket
    /// and say `Closed`. After [`CloseCode::HeartbeatMissed`] nobody is there: drop it without waiting.
    Close(CloseCode),
    /// Is this token valid? Answered by `Verified`.
    Verify {
        /// The JWT. It belongs in no log.
        token: String,
    },
    /// Make the device known to the message service. Answered by `Registered`.
    Register {
        /// The device.
        device: Device,
        /// When the token was issued by which it comes; 0 where it does not say so.
        issued: Millis,
    },
    /// Claim the device's route at the manager, for this connection. Answered by `Claimed`.
    Claim {
        /// The device.
        device: Device,
        /// The epoch that the client had last.
        last_epoch: Option<u64>,
    },
    /// The same, unless a route with a higher epoch is there. Answered by `Reclaimed`.
    Reclaim {
        /// The device.
        device: Device,
        /// The epoch that this session had last.
        epoch: u64,
    },
    /// Is the route still there? Keeps it from expiring. Answered by `Touched`.
    Touch {
        /// The device.
        device: Device,
        /// The epoch of its route.
        epoch: u64,
    },
    /// Remove the route at the manager if it still has this epoch. Not answered.
    Release {
        /// The device.
        device: Device,
        /// The epoch of its route.
        epoch: u64,
    },
    /// This session holds the device: [`crate::Locals::hold`]. Not answered.
    Hold {
        /// The device.
        device: Device,
        /// The epoch that deliveries name.
        epoch: u64,
        /// The manager has the route. Where not, senders do not find it and probes do the work.
        claimed: bool,
    },
    /// This session holds the device no more: [`crate::Locals::remove`], and [`crate::Presence::unwatch`]. Not
    /// answered.
    Unhold(Device),
    /// Another connection held the device before: [`crate::Evictions::displace`]. Not answered.
    Displace {
        /// The device.
        device: Device,
        /// Where it was.
        previous: Route,
    },
    /// Read a page of the inbox. Answered by `Inbox`.
    ReadInbox {
        /// The device.
        device: Device,
        /// `next` of the page before; `None` for the first.
        cursor: Option<Bytes>,
        /// Most entries.
        limit: u32,
    },
    /// Append to one conversation at the message service. The shell may repeat the call under the
    /// same ids until its own deadline. Answered by `Appended`.
    Append {
        /// The conversation of all of them.
        conversation: ConversationId,
        /// In the order sent; ids rise.
        appends: Vec<Append>,
    },
    /// Remove from the device's inbox what the client has kept. The receipts that come back are
    /// routed by the shell ([`Push::receipt`], [`crate::Router::route`]). Answered by `Acknowledged`.
    Acknowledge {
        /// The device.
        device: Device,
        /// Messages, every copy of each.
        messages: Vec<MessageId>,
        /// Receipts.
        receipts: Vec<MessageId>,
        /// A fresh stamp of the gateway's clock; its identity bits mean nothing.
        stamp: MessageId,
    },
    /// The user has read a conversation. The receipts that come back are routed by the shell. Answered by
    /// `Marked`.
    MarkRead {
        /// The device on which it was read.
        device: Device,
        /// What.
        request: Read,
        /// As in `Acknowledge`.
        stamp: MessageId,
    },
    /// From now on the session watches these users: [`crate::Presence::watch`], which answers the request. It
    /// ends with `Unhold`.
    Watch {
        /// Who watches.
        user: UserId,
        /// The client's request.
        request: RequestId,
        /// Whom.
        users: Vec<UserId>,
    },
    /// Who may see when the user is online? Answered by `Privacy`.
    Privacy {
        /// Whose setting.
        user: UserId,
        /// The client's request.
        request: RequestId,
        /// What to set first.
        presence_to: Option<PresenceTo>,
        /// As in `Acknowledge`.
        stamp: MessageId,
    },
    /// Read a page of history for the session's user. Answered by `History` with the request's id.
    History {
        /// Who asks.
        device: Device,
        /// What; its limits have been checked.
        request: History,
    },
    /// Read who takes part in a group, for the session's user. Answered by `Group` with the request's id.
    ReadGroup {
        /// Who asks.
        device: Device,
        /// Which group.
        request: GroupRequest,
    },
    /// Read who has received and read a message of the session's user. Answered by `Receipts` with the
    /// request's id.
    ReadReceipts {
        /// Who asks.
        device: Device,
        /// Which message.
        request: ReceiptsRequest,
    },
    /// The user is typing: [`crate::Router::typing`]. Not answered.
    Typing {
        /// To whom.
        to: UserId,
        /// The push as JSON text.
        frame: Bytes,
    },
    /// The client says more often that the user is typing than is passed on, or to too many. For the figures.
    TypingDropped,
    /// A request was refused because the user has made too many lately. Not answered.
    RateLimited(RateLimited),
    /// A message is stored, or a device is to look into its inbox: [`crate::Router::route`]. Not answered.
    Route {
        /// The message, or a look.
        push: Push,
        /// The devices that it is for.
        devices: Vec<Device>,
    },
}

/// One message to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Append {
    /// Stamped for this attempt.
    pub id: MessageId,
    /// What is stored; the same for all attempts.
    pub send: Arc<Outgoing>,
}

/// What a client sends, as the message service is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The sending device.
    pub sender: Device,
    /// The client's reference.
    pub reference: Reference,
    /// Who gets it.
    pub to: Recipient,
    /// What it says.
    pub content: Content,
}

/// What there was too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimited {
    /// Sends.
    Send,
    /// Other requests.
    Request,
}

impl Outgoing {
    /// Where it belongs.
    pub(crate) fn conversation(&self) -> ConversationId {
        self.to.conversation(&self.sender.user)
    }

    /// Under a fresh id.
    pub(crate) fn stamp(
        self: &Arc<Self>,
        floor: &mut Floor,
        clock: &mut HybridClock,
        wall: Millis,
    ) -> Append {
        let Device { user, device } = &self.sender;
        let identity = Identity::of(user, device, &self.reference);
        Append { id: floor.stamp(identity, clock, wall), send: self.clone() }
    }

    /// What devices are shown of it, once it is stored.
    pub(crate) fn push(&self, message: MessageId) -> Push {
        Push::message(Message {
            message,
            conversation: self.conversation(),
            from: self.sender.user.clone(),
            device: self.sender.device.clone(),
            to: self.to.clone(),
            at: message.millis(),
            content: self.content.clone(),
        })
    }
}
