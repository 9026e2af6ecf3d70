//! The WebSocket manager's Redis Cluster on pods: which nodes there are ([`nodes`]). Forming and healing
//! it is [`crate::redis`].

mod pods;

pub use pods::{BUS_PORT, CONTAINER, PORT, Site, nodes};
