//! What can be wrong with keys. Texts are for the ChatCluster's status: they say what to do.

use chatcluster_pki::PkiError;

/// Something is wrong with one Secret, and a person has to put it right.
#[derive(Debug, thiserror::Error)]
pub enum KeyProblem {
    /// The user's Secret is not there.
    #[error("Secret {namespace}/{secret} does not exist: create it with {key}, or change {field}")]
    NoUserSecret {
        /// The namespace.
        namespace: String,
        /// The Secret.
        secret: String,
        /// The keys that it needs.
        key: String,
        /// The field that names it.
        field: &'static str,
    },
    /// The user's Secret lacks a key, or the key is empty.
    #[error("Secret {namespace}/{secret} has no key {key}: add it, or change {field}")]
    NoUserKey {
        /// The namespace.
        namespace: String,
        /// The Secret.
        secret: String,
        /// The key.
        key: String,
        /// The field that names the Secret.
        field: &'static str,
    },
    /// A Secret of the operator's does not hold what it wrote, and making it anew would do harm.
    #[error("Secret {namespace}/{secret}, key {key}: {reason}; {remedy}")]
    Damaged {
        /// The namespace.
        namespace: String,
        /// The Secret.
        secret: String,
        /// The key.
        key: &'static str,
        /// What is wrong.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A Secret has the name of one of the operator's and belongs to somebody else.
    #[error(
        "Secret {namespace}/{secret} is not this ChatCluster's but {owner}: it is left alone; rename or \
         delete it, and one is made"
    )]
    NotOurs {
        /// The namespace.
        namespace: String,
        /// The Secret.
        secret: String,
        /// Whose it is: `nobody's`, or kind and name of its controller.
        owner: String,
    },
    /// The server's certificate cannot be issued.
    #[error(
        "the certificate in Secret {namespace}/{secret} cannot be issued: {source}; change {field}"
    )]
    NotIssued {
        /// The namespace.
        namespace: String,
        /// The Secret.
        secret: String,
        /// The field that has the names.
        field: &'static str,
        /// Why.
        source: PkiError,
    },
}

impl KeyProblem {
    /// The Secret that is wrong.
    pub fn secret(&self) -> &str {
        match self {
            Self::NoUserSecret { secret, .. }
            | Self::NoUserKey { secret, .. }
            | Self::Damaged { secret, .. }
            | Self::NotOurs { secret, .. }
            | Self::NotIssued { secret, .. } => secret,
        }
    }
}

/// The keys are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A Secret without which nothing can be issued is wrong.
    #[error(transparent)]
    Problem(#[from] KeyProblem),
    /// A certificate of the ChatCluster's own could not be made.
    #[error("making the content of Secret {namespace}/{secret} failed: {source}")]
    Make {
        /// The namespace.
        namespace: String,
        /// The Secret.
        secret: String,
        /// Why.
        source: PkiError,
    },
    /// The API server did not do what was asked. Trying again may help.
    #[error("{action} Secret {namespace}/{secret} failed: {source}")]
    Api {
        /// What was asked.
        action: &'static str,
        /// The namespace.
        namespace: String,
        /// The Secret.
        secret: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// Somebody else wrote the same Secrets all the time. Trying again may help.
    #[error(
        "keeping the Secrets of ChatCluster {namespace}/{name} failed: {passes} times somebody else wrote them first"
    )]
    Contended {
        /// The namespace.
        namespace: String,
        /// The ChatCluster.
        name: String,
        /// How often it was tried.
        passes: u32,
    },
}
