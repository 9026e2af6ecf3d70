//! ChatClusters on Kubernetes.
//!
//! `reconcile` reads as the list of steps. Those that talk to somebody: `caches` (watches), [`keys`]
//! (Secrets), `counts` (gateways), `manager` (Redis nodes), `apply` and `steps`, `tell` and `why`. Those
//! that decide, and are pure: `observe`, `cluster`, `desired`, `rollout`, `seen`, `trouble`, `status`. The
//! next step always follows from what is observed; the status only tells people.

mod apply;
mod caches;
mod cluster;
mod context;
mod controller;
mod counts;
mod desired;
mod differs;
mod error;
mod events;
mod facts;
mod index;
pub mod keys;
mod leader;
pub mod manager;
mod memory;
mod metrics;
mod names;
mod object;
mod observe;
mod overdue;
mod reconcile;
mod rollout;
mod run;
mod seen;
mod settings;
mod status;
mod steps;
mod tell;
mod trouble;
mod why;

pub use cluster::NotFromAServer;
pub use error::{Doing, ReconcileError};
pub use leader::LeaderError;
pub use run::{RunError, run};
pub use settings::{PullPolicy, Settings};
