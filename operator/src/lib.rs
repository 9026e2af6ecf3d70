//! The operator: reconciles ChatClusters on Kubernetes, or runs one on this machine.
