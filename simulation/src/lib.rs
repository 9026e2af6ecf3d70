//! A whole fleet in one thread: gateways, replicas, the manager, the network and the users with their
//! devices, all made from a seed. The same seed gives the same world, event by event.
//!
//! What decides is the product's own: `gateway-core`, `messages-core` and the manager's memory home. Here
//! is what stands around them elsewhere: clocks, sockets, calls with deadlines, disks, processes that
//! die, and clients that keep the protocol. After every event the promises are checked ([`oracle`]).
//!
//! - [`shape`]: what a seed decides about its world; [`faults`]: what goes wrong in it, and when
//! - [`world`]: the events in their order, and who is there
//! - [`network`], [`executor`], [`clock`]: what worlds are made of
//! - [`gateway`], [`storage`], [`directory`], [`client`], [`backend`]: those who live in it
//! - [`campaign`]: many seeds on all cores; [`shrink`]: a failure made small
//! - `bugs` (feature `planted`): whether planted bugs are found

mod backend;
#[cfg(feature = "planted")]
pub mod bugs;
pub mod campaign;
mod chance;
mod client;
mod clock;
pub mod coverage;
mod directory;
mod executor;
pub mod faults;
mod gateway;
mod network;
pub mod oracle;
mod processes;
mod queue;
pub mod shape;
pub mod shrink;
mod storage;
mod trace;
pub mod world;

pub use shape::Shape;
pub use world::{Outcome, World};

/// A world is made of small boxes that live for a moment: this one gives and takes them in half the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
