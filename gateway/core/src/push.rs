//! A frame on its way to devices: encoded once, shared by all of them.

use bytes::Bytes;
use chatcluster_protocol::{
    Millis,
    client::{Message, Receipt, ServerFrame},
    id::{Identity, MessageId},
};

/// A `message` or `receipt` push; or a [`Push::look`]. Cloning it shares the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// Id of the message or receipt.
    pub id: MessageId,
    /// It is a receipt and not a message.
    pub receipt: bool,
    /// The frame as JSON text (UTF-8), empty for a look.
    pub frame: Bytes,
}

impl Push {
    /// Encodes a message.
    pub fn message(message: Message) -> Self {
        let id = message.message;
        Self { id, receipt: false, frame: ServerFrame::Message(message).encode().into() }
    }

    /// Encodes a receipt.
    pub fn receipt(receipt: Receipt) -> Self {
        let id = receipt.receipt;
        Self { id, receipt: true, frame: ServerFrame::Receipt(receipt).encode().into() }
    }

    /// For a device whose session has ended with something that its client may not have: whichever session
    /// the device has now reads its inbox again.
    pub fn look(now: Millis) -> Self {
        Self { id: MessageId::floor(now), receipt: false, frame: Bytes::new() }
    }

    pub(crate) fn is_look(&self) -> bool {
        self.frame.is_empty()
    }

    pub(crate) fn key(&self) -> Key {
        if self.receipt { Key::Receipt(self.id) } else { Key::Message(self.id.identity()) }
    }
}

/// What makes two pushes the same one: a message by its identity, so that two copies of one send are
/// one; a receipt by its id, whose identity bits mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Message(Identity),
    Receipt(MessageId),
}
