//! Certificates: one CA per ChatCluster, one certificate per role. No I/O.
