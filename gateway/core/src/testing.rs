//! Names, routes and clocks for tests.

use std::time::Duration;

use chatcluster_protocol::{
    Millis,
    client::{Content, Message, Recipient},
    id::{ConversationId, DeviceId, Identity, MessageId, Reference, Stamp, UserId},
};
use uuid::Uuid;

use crate::{ConnectionId, Device, Gateway, Incarnation, Local, Now, Push, Route};

/// The wall clock at the start of every test.
pub(crate) const START: Millis = 1_700_000_000_000;

pub(crate) fn at(monotonic: Duration) -> Now {
    Now { monotonic, wall: START + monotonic.as_millis() as u64 }
}

pub(crate) fn seconds(seconds: u64) -> Now {
    at(Duration::from_secs(seconds))
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(crate) fn device(user: &str, device: &str) -> Device {
    Device { user: self::user(user), device: DeviceId::new(device).unwrap() }
}

pub(crate) fn incarnation(n: u64) -> Incarnation {
    Incarnation(Uuid::from_u64_pair(0, n))
}

pub(crate) fn gateway(n: u64) -> Gateway {
    let host = format!("gateway-{n}").into();
    Gateway { incarnation: incarnation(n), host, port: 8444 }
}

pub(crate) fn route(gateway: u64, connection: u64, epoch: u64) -> Route {
    let connection = ConnectionId(connection);
    Route { gateway: self::gateway(gateway), connection, epoch }
}

pub(crate) fn claimed(connection: u64, epoch: u64) -> Local {
    Local { connection: ConnectionId(connection), epoch, claimed: true }
}

/// The id of alice's send `reference`, stamped at this millisecond of the test.
pub(crate) fn id(reference: &str, millis: Millis) -> MessageId {
    let alice = device("alice", "laptop");
    let reference = Reference::new(reference).unwrap();
    let identity = Identity::of(&alice.user, &alice.device, &reference);
    MessageId::new(Stamp::new(START + millis, 0), identity)
}

/// A message from alice to bob.
pub(crate) fn message(id: MessageId) -> Push {
    let (alice, bob) = (device("alice", "laptop"), user("bob"));
    Push::message(Message {
        message: id,
        conversation: ConversationId::between(&alice.user, &bob),
        from: alice.user,
        device: alice.device,
        to: Recipient::User(bob),
        at: id.millis(),
        content: Content::text("hello").unwrap(),
    })
}

/// The `n`th message from alice to bob.
pub(crate) fn nth(n: u64) -> Push {
    message(id(&n.to_string(), n))
}
