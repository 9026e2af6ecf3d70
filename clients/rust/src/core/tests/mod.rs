//! The core against a scripted gateway (`connection`, `renewal`) and against a lossy world (`world`).

mod bench;
mod connection;
mod limited;
mod renewal;
mod watching;
mod world;

use chatcluster_protocol::{
    client::{self, ServerFrame, Welcome},
    limits::Limits,
};
use uuid::Uuid;

use super::*;

pub(super) const URLS: [&str; 2] = ["wss://one", "wss://two"];

pub(super) fn options() -> Options {
    Options {
        endpoints: URLS.map(str::to_owned).to_vec(),
        device: DeviceId::new("phone").unwrap(),
        resume: Resume::default(),
        backoff: Backoff::default(),
        outbox: 64,
        token_renews: false,
    }
}

pub(super) fn outgoing(reference: &str, to: &str) -> Outgoing {
    Outgoing {
        reference: Reference::new(reference).unwrap(),
        to: Recipient::User(to.parse().unwrap()),
        content: Content::text(reference).unwrap(),
    }
}

pub(super) fn welcome(hello: &client::Hello, limits: Limits) -> ServerFrame {
    ServerFrame::Welcome(Welcome {
        id: hello.id,
        user: "alice".parse().unwrap(),
        device: hello.device.clone(),
        new_device: false,
        session: Uuid::nil(),
        epoch: hello.resume.as_ref().and_then(|resume| resume.epoch).unwrap_or(0) + 1,
        heartbeat: 25_000,
        time: 0,
        expires: None,
        limits,
    })
}

/// Reads what the core wrote, as a gateway would.
pub(super) fn read(text: &str) -> ClientFrame {
    client::decode(text).expect("the client writes frames that a gateway reads")
}
