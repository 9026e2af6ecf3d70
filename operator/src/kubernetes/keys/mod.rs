//! The keys of a ChatCluster on Kubernetes: its CA, the certificates of roles and server, the secrets that
//! sign tokens. Each is in a Secret of its own, which the operator makes, keeps good and never prunes.
//!
//! What to write follows from the Secrets as they are: [`plan()`] is pure and never writes two steps at
//! once, so that a crash between any two writes leaves a state from which the next look goes on.
//! [`Keeper`] does the I/O. `rotation` is how a CA is replaced without a refused handshake.
//!
//! Pods read the Secrets as files and load them again when they change. So nothing here appears in a pod
//! template, and nothing here restarts a pod. The CA's Secret is never mounted.

mod draft;
mod error;
mod event;
mod keeper;
mod plan;
mod rotation;
mod secret;
mod settling;
mod wanted;

pub use error::{KeyError, KeyProblem};
pub use event::{Begun, KeyEvent};
pub use keeper::Keeper;
pub use plan::{KeyPlan, Keys, Planned, SeenKeys, plan};
pub use rotation::RotationPhase;
pub use secret::Write;
pub use settling::Settling;
pub use wanted::{JwtKey, Part, ServerCertificate, WantedKeys};
