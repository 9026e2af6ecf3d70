//! Real servers for tests: Redis processes, Erlang nodes, certificates, free ports, child processes that never outlive their test.
//!
//! Everything here panics when it cannot do its work, with what it wanted and what it got, because a
//! test has nobody to hand an error to. What fails shows the output of the processes that it started.

pub mod certificates;
pub mod erlang;
mod ports;
mod process;
mod programs;
pub mod redis;
mod wait;

pub use ports::free_port;
pub use process::{Process, wait_until_stopped};
pub use wait::{wait_for, wait_until};
