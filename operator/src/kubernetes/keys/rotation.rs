//! The CA, and how another takes its place.
//!
//! The Secret of the CA says where a rotation stands; nothing else does. Each phase is left only when every
//! certificate's Secret says what the phase wants, and has for the pause in which pods take it:
//!
//! | phase | in the Secret | certificates are by | trusted | left when |
//! |---|---|---|---|---|
//! | steady | `ca.crt`, `ca.key` | `ca` | `ca` | the CA is due, or a rotation is asked for |
//! | trust both | and `next.crt`, `next.key` | `ca` | `ca`, `next` | everybody trusts `next` |
//! | reissue | and `previous.crt` | `ca` (that was `next`) | `ca`, `previous` | nobody has a certificate by `previous` |
//!
//! So every certificate in use is of a CA that everybody trusts, also while some pods have the Secrets of
//! the phase before. A wrong wall clock may begin a rotation, and cannot hurry one.

use std::time::{Duration, SystemTime};

use chatcluster_pki::{Ca, Certificate, PkiError, Validity};
use k8s_openapi::api::core::v1::Secret;

use super::{
    Begun, KeyEvent, KeyProblem, Part, WantedKeys,
    secret::{self, put, remove, text},
};

/// The annotation of the CA's Secret with the last answered value of the ChatCluster's annotation of the
/// same name.
const ANSWERED: &str = "chatcluster.io/rotate-ca";

/// Where a rotation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationPhase {
    /// There is one CA.
    Steady,
    /// There is a next CA, and everybody is to trust it.
    TrustBoth,
    /// The next CA has become the current one, and everything is to be issued by it.
    Reissue,
}

/// The content of the CA's Secret.
#[derive(Debug)]
pub(super) struct Authority {
    current: Ca,
    rotation: Rotation,
    answered: Option<String>,
}

#[derive(Debug)]
enum Rotation {
    Steady,
    TrustBoth { next: Box<Ca> },
    Reissue { previous: String },
}

/// What is to be done about the CA once all certificates are as its phase wants.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing, before this much time has passed.
    Wait(Duration),
    /// To write this, which is a step further.
    Move(Box<Authority>, KeyEvent),
}

impl Authority {
    /// The first CA.
    pub(super) fn new(wanted: &WantedKeys, now: SystemTime) -> Result<Self, PkiError> {
        let current = generate(wanted, now)?;
        Ok(Self { current, rotation: Rotation::Steady, answered: wanted.rotate.clone() })
    }

    /// What the Secret says.
    pub(super) fn read(wanted: &WantedKeys, secret: &Secret) -> Result<Self, KeyProblem> {
        let pair = |keys: [&'static str; 2], remedy| {
            let [certificate, key] = keys.map(|key| text(secret, key));
            Ca::from_pem(certificate, key).map_err(|error| {
                let key = match error {
                    PkiError::Certificate(_) => keys[0],
                    _ => keys[1],
                };
                damaged(wanted, key, error.to_string(), remedy)
            })
        };
        let current = pair(["ca.crt", "ca.key"], RESTORE_CA)?;
        let has = |key| secret.data.as_ref().is_some_and(|data| data.contains_key(key));
        let rotation = match (has("next.crt") || has("next.key"), has("previous.crt")) {
            (false, false) => Rotation::Steady,
            (true, false) => {
                Rotation::TrustBoth { next: pair(["next.crt", "next.key"], REMOVE_NEXT)?.into() }
            }
            (false, true) => {
                let previous = text(secret, "previous.crt").to_owned();
                Certificate::from_pem(&previous).map_err(|error| {
                    damaged(wanted, "previous.crt", error.to_string(), REMOVE_PREVIOUS)
                })?;
                Rotation::Reissue { previous }
            }
            (true, true) => {
                let reason = "there is a previous.crt, too".to_owned();
                return Err(damaged(wanted, "next.crt", reason, REMOVE_NEXT));
            }
        };
        let annotations = secret.metadata.annotations.as_ref();
        let answered = annotations.and_then(|annotations| annotations.get(ANSWERED)).cloned();
        Ok(Self { current, rotation, answered })
    }

    /// A Secret with this content: a new one, or the one that is there with another content.
    pub(super) fn write(&self, wanted: &WantedKeys, found: Option<&Secret>) -> Secret {
        let mut secret =
            found.cloned().unwrap_or_else(|| secret::create(wanted, Part::Ca, secret::OPAQUE, []));
        put(&mut secret, "ca.crt", self.current.certificate().to_owned());
        put(&mut secret, "ca.key", self.current.key());
        for key in ["next.crt", "next.key", "previous.crt"] {
            remove(&mut secret, key);
        }
        match &self.rotation {
            Rotation::Steady => {}
            Rotation::TrustBoth { next } => {
                put(&mut secret, "next.crt", next.certificate().to_owned());
                put(&mut secret, "next.key", next.key());
            }
            Rotation::Reissue { previous } => put(&mut secret, "previous.crt", previous.clone()),
        }
        if let Some(answered) = &self.answered {
            let annotations = secret.metadata.annotations.get_or_insert_default();
            annotations.insert(ANSWERED.to_owned(), answered.clone());
        }
        secret
    }

    /// The CA that issues.
    pub(super) fn current(&self) -> &Ca {
        &self.current
    }

    pub(super) fn phase(&self) -> RotationPhase {
        match self.rotation {
            Rotation::Steady => RotationPhase::Steady,
            Rotation::TrustBoth { .. } => RotationPhase::TrustBoth,
            Rotation::Reissue { .. } => RotationPhase::Reissue,
        }
    }

    /// The certificates of all CAs to trust, in PEM.
    pub(super) fn bundle(&self) -> String {
        let other = match &self.rotation {
            Rotation::Steady => None,
            Rotation::TrustBoth { next } => Some(next.certificate()),
            Rotation::Reissue { previous } => Some(previous.as_str()),
        };
        let line = |pem: &str| format!("{}\n", pem.trim_end());
        [Some(self.current.certificate()), other].into_iter().flatten().map(line).collect()
    }

    /// What comes next, where every certificate is as this phase wants and has been for `unchanged`.
    pub(super) fn step(
        self,
        wanted: &WantedKeys,
        unchanged: Duration,
        now: SystemTime,
    ) -> Result<Step, PkiError> {
        let Self { current, rotation, answered } = self;
        let wait = wanted.pause.saturating_sub(unchanged);
        let (to, event) = match rotation {
            Rotation::Steady => {
                let certificate = Certificate::from_pem(current.certificate())?;
                let asked = wanted.rotate.is_some() && wanted.rotate != answered;
                let begun = match (asked, certificate.is_due(now)) {
                    (true, _) => Begun::Asked,
                    (false, true) => Begun::Due,
                    (false, false) => {
                        let left = certificate.due_at().duration_since(now);
                        return Ok(Step::Wait(left.unwrap_or_default()));
                    }
                };
                let rotation = Rotation::TrustBoth { next: generate(wanted, now)?.into() };
                let answered = wanted.rotate.clone().or(answered);
                (Self { current, rotation, answered }, KeyEvent::RotationBegan(begun))
            }
            _ if !wait.is_zero() => return Ok(Step::Wait(wait)),
            // Made by a clock that was wrong, or long ago: nothing may be issued by it.
            Rotation::TrustBoth { next }
                if Certificate::from_pem(next.certificate())?.is_due(now) =>
            {
                let rotation = Rotation::TrustBoth { next: generate(wanted, now)?.into() };
                (Self { current, rotation, answered }, KeyEvent::NextCaReplaced)
            }
            Rotation::TrustBoth { next } => {
                let rotation = Rotation::Reissue { previous: current.certificate().to_owned() };
                (Self { current: *next, rotation, answered }, KeyEvent::CaChanged)
            }
            Rotation::Reissue { .. } => {
                (Self { current, rotation: Rotation::Steady, answered }, KeyEvent::RotationEnded)
            }
        };
        Ok(Step::Move(to.into(), event))
    }
}

const RESTORE_CA: &str = "restore the Secret, or delete it: then another CA is made, and programs refuse \
                          each other for some minutes, until all have a certificate by it";
const REMOVE_NEXT: &str =
    "remove next.crt and next.key from it: if a rotation is still needed, ask for one again";
const REMOVE_PREVIOUS: &str = "restore it, or remove it: then programs may refuse each other for some \
                               minutes, until all have a certificate by the current CA";

fn damaged(
    wanted: &WantedKeys,
    key: &'static str,
    reason: String,
    remedy: &'static str,
) -> KeyProblem {
    let secret = Part::Ca.secret_name(&wanted.name);
    KeyProblem::Damaged { namespace: wanted.namespace.clone(), secret, key, reason, remedy }
}

fn generate(wanted: &WantedKeys, now: SystemTime) -> Result<Ca, PkiError> {
    Ca::generate(&wanted.name, Validity::years_10(now))
}
