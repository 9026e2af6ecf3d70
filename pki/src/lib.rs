//! Certificates: one CA per ChatCluster, one certificate per role. No I/O and no clock: the caller keeps
//! the PEM texts and says what time it is.
//!
//! All keys are ECDSA on P-256. A *role's* certificate names the role by a URI SAN and serves both ends
//! of mutual TLS; a *server's* has the names that clients connect to, and no URI, so that it can never
//! pass for a role.

mod ca;
mod inspect;
mod names;

pub use ca::{Ca, Issued};
pub use inspect::Certificate;
pub use names::Names;

use std::time::{Duration, SystemTime};

/// How far before the time of issue a certificate is valid: machines whose clocks run behind accept it.
const BACKDATED: Duration = Duration::from_secs(3600);

/// From when to when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: SystemTime,
    /// The last moment.
    pub until: SystemTime,
}

impl Validity {
    /// Valid until `lasting` after `now`, and from an hour before `now`.
    pub fn starting(now: SystemTime, lasting: Duration) -> Self {
        Self { from: now - BACKDATED, until: now + lasting }
    }

    /// 10 years, for a CA.
    pub fn years_10(now: SystemTime) -> Self {
        Self::starting(now, Duration::from_secs(3650 * 86_400))
    }

    /// 90 days, for what is issued anew by itself.
    pub fn days_90(now: SystemTime) -> Self {
        Self::starting(now, Duration::from_secs(90 * 86_400))
    }

    /// 397 days: the most that every browser accepts of a server's certificate.
    pub fn days_397(now: SystemTime) -> Self {
        Self::starting(now, Duration::from_secs(397 * 86_400))
    }
}

/// A certificate could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The name cannot stand in a certificate.
    #[error("{0:?} cannot be a name in a certificate")]
    Name(String),
    /// The text is not a certificate in PEM.
    #[error("reading a certificate failed: {0}")]
    Certificate(String),
    /// The text is not a private key in PEM, or of an unknown kind.
    #[error("reading a private key failed: {0}")]
    Key(String),
    /// The key is not the certificate's.
    #[error("the CA's key does not belong to its certificate")]
    KeyMismatch,
    /// Making the certificate failed.
    #[error("making a certificate failed: {0}")]
    Issue(String),
}
