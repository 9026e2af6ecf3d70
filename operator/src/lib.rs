//! The operator: runs a ChatCluster on this machine, from the same file that Kubernetes gets.
//!
//! [`local`] is the shell for one machine: processes instead of pods. [`kubernetes`] is the shell for
//! pods. What both decide alike about keys is in [`keys`]; decisions on the Redis Cluster are
//! `operator-plan`'s. [`guard`] makes sure that no process outlives the operator.

pub mod guard;
pub mod keys;
pub mod kubernetes;
pub mod local;
