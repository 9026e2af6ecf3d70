//! Why a request did not succeed.

use chatcluster_protocol::{client, limits::WATCHED};

use crate::event::Fatal;

/// Why a send has no message. Only [`SendError::Refused`], [`SendError::TooLarge`],
/// [`SendError::ReferenceInUse`] and [`SendError::Full`] say that there is no message; after the others its outcome is
/// unknown, and sending the same reference again is safe for 7 days.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SendError {
    /// The servers refuse it, and would again.
    #[error("the message was refused: {}", .0.text)]
    Refused(Box<client::Error>),
    /// Larger than the gateway takes.
    #[error("the message is too large: {size} bytes as a frame, at most {limit} are allowed")]
    TooLarge {
        /// Bytes of the frame.
        size: usize,
        /// The gateway's limit.
        limit: usize,
    },
    /// Another send of this reference waits for its answer.
    #[error("another send under the same reference has no answer yet")]
    ReferenceInUse,
    /// As many sends wait as the client keeps ([`Config::outbox`](crate::Config::outbox)).
    #[error("too many sends wait for their answers already")]
    Full,
    /// No answer came for so long that the reference may be forgotten.
    #[error("no answer came within the lifetime of the reference; the outcome is unknown")]
    Expired,
    /// The client was closed before an answer came.
    #[error("the client was closed before an answer came; the outcome is unknown")]
    Closed,
    /// The client has stopped.
    #[error("{0}; the outcome is unknown")]
    Fatal(Fatal),
}

/// Why there is no page of history, or no group.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum QueryError {
    /// The gateway answered with an error; `temporary` says whether the same request may succeed later.
    #[error("the request was refused: {}", .0.text)]
    Refused(Box<client::Error>),
    /// Too many requests for history, groups or receipts wait for their answers.
    #[error("{0} requests for history, groups or receipts wait already")]
    Full(usize),
    /// The gateway gave an answer to something else.
    #[error("the gateway answered something else than was asked")]
    Odd,
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
    /// The client has stopped.
    #[error(transparent)]
    Fatal(Fatal),
}

/// Why the user's setting is not known to be stored.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PrivacyError {
    /// The servers refuse it, and would again.
    #[error("the setting was refused: {}", .0.text)]
    Refused(Box<client::Error>),
    /// The gateway named a setting that this client does not know.
    #[error("the gateway answered with a setting that this client does not know")]
    Odd,
    /// Too many wait for the setting.
    #[error("{0} wait for the setting already")]
    Full(usize),
    /// The client was closed before an answer came; the outcome is unknown.
    #[error("the client was closed before an answer came")]
    Closed,
    /// The client has stopped; the outcome is unknown.
    #[error(transparent)]
    Fatal(Fatal),
}

impl PrivacyError {
    pub(crate) fn stopped(fatal: Option<&Fatal>) -> Self {
        fatal.cloned().map_or(Self::Closed, Self::Fatal)
    }
}

/// More users than a connection may watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} users are to be watched, at most {WATCHED} can be")]
pub struct TooManyWatched(pub usize);

impl SendError {
    pub(crate) fn stopped(fatal: Option<&Fatal>) -> Self {
        fatal.cloned().map_or(Self::Closed, Self::Fatal)
    }
}

impl QueryError {
    pub(crate) fn stopped(fatal: Option<&Fatal>) -> Self {
        fatal.cloned().map_or(Self::Closed, Self::Fatal)
    }
}

/// Why a client could not be made of a [`Config`](crate::Config).
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// `endpoints` is empty.
    #[error("endpoints: at least one URL is needed")]
    NoEndpoint,
    /// Not a URL that a client can use.
    #[error("endpoints: {url:?} {problem}")]
    Endpoint {
        /// The URL.
        url: String,
        /// What is wrong with it and what would be right.
        problem: &'static str,
    },
    /// The CA file cannot be used.
    #[error("CA file {path}: {problem}")]
    Ca {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The system's certificates cannot be used.
    #[error("the system's trusted certificates: {0}")]
    SystemTrust(String),
}
