//! The shell for Kubernetes.

pub mod keys;
