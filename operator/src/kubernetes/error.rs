//! Why a ChatCluster could not be reconciled. The variant is the metric's label, and says whether trying
//! again soon can help.

use std::{fmt, time::Duration};

use super::{cluster::NotFromAServer, keys::KeyError};

/// What was being done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // kind and name
pub enum Doing {
    Apply(String, String),
    Change(String, String),
    Delete(String, String),
    Status,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apply(kind, name) => write!(f, "applying {kind} {name}"),
            Self::Change(kind, name) => write!(f, "changing {kind} {name}"),
            Self::Delete(kind, name) => write!(f, "deleting {kind} {name}"),
            Self::Status => f.write_str("writing the status"),
        }
    }
}

/// Why a ChatCluster could not be reconciled.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The object on the server cannot be read: it was written under another version of the resource.
    #[error("the ChatCluster cannot be read: {0}")]
    Unreadable(String),
    /// The object lacks what every object has.
    #[error(transparent)]
    NotFromAServer(#[from] NotFromAServer),
    /// Keys or certificates are missing or damaged, or could not be read or made.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The API server refused, and will refuse again until something changes.
    #[error("{doing} was refused: {reason}")]
    Refused {
        /// What was tried.
        doing: Doing,
        /// The server's words.
        reason: String,
    },
    /// The API server did not do it, and may do it the next time.
    #[error("{doing} failed: {error}")]
    Api {
        /// What was tried.
        doing: Doing,
        /// Why.
        error: Box<kube::Error>,
    },
    /// An object cannot be written as JSON.
    #[error("{0} failed: it cannot be written as JSON: {1}")]
    Unwritable(Doing, serde_json::Error),
}

impl ReconcileError {
    pub(crate) fn api(doing: Doing, error: kube::Error) -> Self {
        match error {
            // Forbidden, also by a quota or an admission policy; invalid.
            kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422) => {
                Self::Refused { doing, reason: status.message.clone() }
            }
            error => Self::Api { doing, error: error.into() },
        }
    }

    pub(crate) fn unwritable(doing: &Doing, error: serde_json::Error) -> Self {
        Self::Unwritable(doing.clone(), error)
    }

    /// The label of metrics.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::NotFromAServer(_) => "not_from_a_server",
            Self::Keys(_) => "keys",
            Self::Refused { .. } => "refused",
            Self::Api { .. } => "api",
            Self::Unwritable(..) => "unwritable",
        }
    }

    /// The reason of the condition that tells of it.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Keys(KeyError::Problem(_)) => "SecretWrong",
            Self::Refused { .. } => "Refused",
            _ => "ReconcileFailed",
        }
    }

    /// When to try again after this many failures in a row; `None` when only a change of the object can
    /// help.
    pub(crate) fn again_in(&self, failures: u32) -> Option<Duration> {
        let soon = Duration::from_secs(1 << failures.min(5));
        match self {
            Self::Unreadable(_) | Self::NotFromAServer(_) | Self::Unwritable(..) => None,
            // Somebody has to do something, and nothing tells us when a Secret or a quota changes.
            Self::Keys(_) | Self::Refused { .. } => Some(soon.min(Duration::from_secs(15))),
            Self::Api { .. } => Some(soon),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::keys::KeyProblem;

    #[test]
    fn only_a_secret_that_was_read_is_called_wrong() {
        let secret = || ("chat".to_owned(), "main-ca".to_owned());
        let (namespace, secret_name) = secret();
        let wrong =
            KeyProblem::NotOurs { namespace, secret: secret_name, owner: "nobody's".into() };
        assert_eq!(ReconcileError::from(KeyError::from(wrong)).reason(), "SecretWrong");
        let (namespace, secret) = secret();
        let unreachable = KeyError::Api {
            action: "reading",
            namespace,
            secret,
            source: Box::new(kube::Error::LinesCodecMaxLineLengthExceeded),
        };
        assert_eq!(ReconcileError::from(unreachable).reason(), "ReconcileFailed");
    }
}
