//! What clients have to trust, for everybody to read.

use k8s_openapi::api::core::v1::ConfigMap;

use crate::kubernetes::{cluster::Cluster, names::Part};

/// The ConfigMap with `ca.crt`.
pub(super) fn config_map(cluster: &Cluster, bundle: &str) -> ConfigMap {
    let names = &cluster.names;
    super::config_map(names.meta(Part::Gateway, names.trust()), "ca.crt", bundle.to_owned())
}
