//! The operator on a real API server: objects, owners, garbage collection and admission are real, and no
//! pod runs but for those that a test makes run.
#![allow(clippy::unwrap_used)] // in the helpers too
#![allow(clippy::print_stdout, reason = "how long healing took is worth knowing")]

mod convergence;
mod leaders;
mod living_with_others;
mod manager;
mod quiet;
mod rights;
mod world;
