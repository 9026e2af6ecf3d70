//! The steps of a reconcile that talk to somebody.

mod apply;
mod gateways;
mod keys;
mod manager;
mod volume;

pub(crate) use apply::apply;
pub(crate) use keys::keys;
pub(crate) use manager::tend_manager;
pub(crate) use volume::grow;
