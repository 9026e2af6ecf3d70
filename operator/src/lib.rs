//! The operator: runs a ChatCluster on this machine, from the same file that Kubernetes gets.
//!
//! [`local`] is the shell for one machine: processes instead of pods. [`kubernetes`] is the shell for
//! pods. What both share: keys ([`keys`]), Redis nodes ([`redis`], where `operator-plan` decides), and the
//! programs' configuration. [`guard`] makes sure that no process outlives the operator.

mod ask;
pub mod guard;
pub mod keys;
pub mod kubernetes;
pub mod local;
pub mod redis;
mod render;

pub use ask::{NoAnswer, ask};
