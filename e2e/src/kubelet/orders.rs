//! What the test tells its kubelet.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;

/// What holds from now on.
#[derive(Clone)]
pub(super) struct Orders {
    /// Nodes that are dead.
    pub(super) lost: BTreeSet<usize>,
    /// Whose readiness is held back.
    pub(super) held: fn(&Pod) -> bool,
    /// The end.
    pub(super) stop: bool,
    /// The test has failed: what processes said is worth showing.
    pub(super) failed: bool,
}

impl Default for Orders {
    fn default() -> Self {
        Self { lost: BTreeSet::new(), held: |_| false, stop: false, failed: false }
    }
}
