//! Who, where and which: the identifiers of the protocol, and the clock that orders messages.

mod clock;
mod conversation;
mod group;
mod identity;
mod message;
mod name;

pub use clock::{HybridClock, Stamp};
pub use conversation::{ConversationId, InvalidConversationId};
pub use group::{GroupId, InvalidGroupId};
pub use identity::Identity;
pub use message::{InvalidMessageId, MessageId};
pub use name::{DeviceId, InvalidName, Reference, UserId};
