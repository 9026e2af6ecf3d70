//! What every ChatCluster program has around its own job: configuration file, certificates, admin port, logs, shutdown.
