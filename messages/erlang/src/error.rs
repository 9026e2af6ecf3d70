//! What goes wrong between us and a node.

use std::io;

use crate::term::Term;

/// Why a call has no value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// There is no connection: the node has not heard of the call.
    #[error("not connected: {0}")]
    Unconnected(String),
    /// The deadline passed while there was no room for the call: the node has not heard of it.
    #[error("too much is under way")]
    Overloaded,
    /// The deadline passed: whether the node has carried it out is not known.
    #[error("no answer in time")]
    Deadline,
    /// The connection ended: whether the node has carried it out is not known.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// The function did not return.
    #[error("{0}")]
    Raised(Box<Raised>),
    /// The arguments take more bytes than a call may have.
    #[error("the arguments take {0} bytes, more than a call may have")]
    TooLarge(usize),
}

/// What a function raised instead of returning.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the function raised {class} {reason:?}")]
pub struct Raised {
    /// `error`, `exit` or `throw`; `spawn` where the node did not even begin.
    pub class: String,
    /// What was raised.
    pub reason: Term,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The network.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Nothing came in time.
    #[error("no answer in time")]
    Deadline,
    /// The node, or what is there in its place, does not speak as an Erlang node does.
    #[error("it is no Erlang node that we can talk to: {0}")]
    Protocol(String),
    /// The node does not want us.
    #[error("the node refused: {0}")]
    Refused(String),
    /// It proved no knowledge of the cookie, or hung up on ours.
    #[error("the cookies differ")]
    Cookie,
}
