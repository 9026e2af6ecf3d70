//! What a ChatCluster may say: to a real API server, and where there is none.
#![allow(clippy::unwrap_used)] // in the helpers too

mod local;
mod wrong;
