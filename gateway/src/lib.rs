//! The gateway: holds clients' connections over wss and routes their messages.
//!
//! Everything that is decided is decided in `gateway-core`; here is what carries it out.
//!
//! | module | owns |
//! |---|---|
//! | [`listener`], [`upgrade`], [`page`] | sockets, until they are WebSockets |
//! | [`connection`] | frames between a socket and its session |
//! | [`auth`] | whose token it is |
//! | [`sessions`] | the sessions, found by connection |
//! | [`hub`] | the machines of the core, and their effects |
//! | [`peers`] | links to other gateways, in both directions |
//! | [`backend`] | what backends ask for, over HTTP |
//! | [`messages`] | calls of the message service |
//! | [`run`] | a gateway from its configuration |

pub mod auth;
pub mod backend;
pub mod clock;
pub mod connection;
pub mod hub;
pub mod listener;
pub mod messages;
pub mod metrics;
pub mod page;
pub mod peers;
pub mod run;
pub mod sessions;
pub mod upgrade;
pub mod webhook;
