//! The WebSocket manager's Redis Cluster on pods: which nodes there are ([`nodes`]), and which pods to
//! give up ([`overdue`], [`give_up`]). Forming and healing it is [`crate::redis`].

mod overdue;
mod pods;

pub use overdue::{give_up, overdue};
pub use pods::{BUS_PORT, CONTAINER, PORT, Site, nodes};
