//! The operator's chart: what Helm makes of it, and what an API server makes of that.
#![allow(clippy::unwrap_used)] // in the helpers too

mod definition;
mod mistakes;
mod renders;
mod rights;
mod runs;
mod values;
mod world;
