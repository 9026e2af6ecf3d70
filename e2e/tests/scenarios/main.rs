//! What a cluster has to do, and what ChatCluster does on it. `make e2e` runs these, one after the
//! other, on the cluster of `chatcluster-e2e up`, or on any other that `E2E_KUBECONFIG` names (its
//! nodes must have the image `localhost/probe:dev`, or be able to pull the one that `E2E_PROBE_IMAGE`
//! names; and those of `scripts/images chatcluster redis erlang traffic`, under the names that
//! `IMAGE_PREFIX` and `IMAGE_TAG` gave them).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "a scenario says what it did")]

mod cluster;
mod docs;
mod first;
mod helm_test;
mod images;
mod kills;
mod load_balancer;
mod lost_nodes;
mod mistakes;
mod network;
mod nodes;
mod operator;
mod rolling;
mod scaling;
mod tenants;
mod traffic;
mod upgrade;
mod volumes;
mod world;
