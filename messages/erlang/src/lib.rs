//! A client of Erlang nodes.
//!
//! It speaks the distribution protocol (handshake version 6 of OTP 23 and newer) as a hidden node: it is no
//! part of the nodes' cluster, needs no epmd, and only calls functions. Many calls share one connection, each
//! with a deadline of its own; the memory of what is under way is bounded.
//!
//! ```no_run
//! # use std::{sync::Arc, time::Duration};
//! # use chatcluster_erlang::{Node, Settings, Term};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::new(Settings::new("127.0.0.1:4370", "cookie"));
//! node.connected(Duration::from_secs(5)).await?;
//! let five = node.call("erlang", "+", &[Term::from(2), Term::from(3)], Duration::from_secs(1)).await?;
//! assert_eq!(five, Term::from(5));
//! # Ok(())
//! # }
//! ```
//!
//! Whoever has the cookie can run any code on the node. So the cookie is a secret, and outside of one machine
//! the connection is TLS in which both sides prove who they are ([`Settings::tls`]).
//!
//! Why not a crate that is there: the ones that speak the protocol were too slow for us or failed on
//! OTP 25, and the decoder of the best known one allocates what a length says before it has seen the bytes.

mod error;
mod handshake;
mod link;
mod node;
pub mod passing;
mod term;

pub use error::{CallError, ConnectError, Raised};
pub use node::{Node, Settings};
pub use term::{Malformed, Term};
