//! What the operator did about keys, for people: events and logs.

use std::fmt;

use crate::keys::Stale;

/// One write, as people want to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyEvent {
    /// The first CA was made.
    CaCreated,
    /// A next CA was made, which everybody is to trust before anything is issued by it.
    RotationBegan(Begun),
    /// The next CA cannot be used any more and was replaced by another.
    NextCaReplaced,
    /// The next CA is the current one from here on, and everything is issued anew.
    CaChanged,
    /// The old CA is no longer trusted.
    RotationEnded,
    /// A certificate was issued.
    Issued {
        /// Its Secret.
        secret: String,
        /// Why the one before was not good; `None` if there was none.
        why: Option<Stale>,
    },
    /// A certificate stays, and is given another set of CAs to trust.
    TrustChanged {
        /// Its Secret.
        secret: String,
    },
    /// A secret that signs tokens was made.
    SecretCreated {
        /// Its Secret.
        secret: String,
    },
}

/// Why a rotation began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// A third or less of the CA's life is left, or it is not valid yet.
    Due,
    /// The annotation `chatcluster.io/rotate-ca` has a new value.
    Asked,
}

impl KeyEvent {
    /// The event's reason, as Kubernetes wants it: one word, stable.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::CaCreated => "CaCreated",
            Self::RotationBegan(_) => "CaRotationBegan",
            Self::NextCaReplaced => "NextCaReplaced",
            Self::CaChanged => "CaChanged",
            Self::RotationEnded => "CaRotationEnded",
            Self::Issued { .. } => "CertificateIssued",
            Self::TrustChanged { .. } => "TrustChanged",
            Self::SecretCreated { .. } => "SecretCreated",
        }
    }
}

impl fmt::Display for KeyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CaCreated => f.write_str("made a CA"),
            Self::RotationBegan(Begun::Due) => {
                f.write_str("made the next CA, since the current one's end comes near")
            }
            Self::RotationBegan(Begun::Asked) => f.write_str("made the next CA, as asked for"),
            Self::NextCaReplaced => {
                f.write_str("made another next CA, since the first is not valid at this time")
            }
            Self::CaChanged => f.write_str("the next CA is now the current one"),
            Self::RotationEnded => f.write_str("the previous CA is no longer trusted"),
            Self::Issued { secret, why: None } => write!(f, "issued the certificate {secret}"),
            Self::Issued { secret, why: Some(why) } => {
                write!(f, "issued the certificate {secret} anew: {why}")
            }
            Self::TrustChanged { secret } => write!(f, "{secret} has other CAs to trust"),
            Self::SecretCreated { secret } => write!(f, "made the secret {secret}"),
        }
    }
}
