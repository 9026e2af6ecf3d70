//! A ChatCluster on this machine: gateways, message service and Redis nodes as child processes.
//!
//! [`run`] reads as the list of steps: read the file ([`file`]), take the data folder ([`folder`]),
//! resolve names, paths and ports ([`cluster`]), write keys and configuration ([`keys`], [`render`]),
//! start and watch the children ([`fleet`], [`child`], [`probe`]), form and heal the WebSocket manager's
//! Redis Cluster ([`manager`]), and stop everything in order.

mod backoff;
mod child;
mod cluster;
mod endpoints;
mod error;
mod file;
mod fleet;
mod folder;
mod keys;
mod manager;
mod options;
mod ports;
mod probe;
mod programs;
mod render;
mod report;
mod run;

pub use error::LocalError;
pub use options::{Listen, Options};
pub use run::run;
