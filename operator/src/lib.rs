//! The operator: runs a ChatCluster on this machine, from the same file that Kubernetes gets.
//!
//! [`local`] is the shell for one machine: processes instead of pods. Decisions on the Redis Cluster are
//! `operator-plan`'s. [`guard`] makes sure that no process outlives the operator.

pub mod guard;
pub mod local;
