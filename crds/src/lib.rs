//! The ChatCluster custom resource.
