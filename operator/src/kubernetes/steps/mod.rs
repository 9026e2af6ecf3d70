//! The steps of a reconcile that talk to somebody.

mod apply;
mod gateways;
mod keys;
mod manager;
mod overdue;
mod volume;

pub(crate) use apply::apply;
pub(crate) use keys::keys;
pub(crate) use manager::tend_manager;
pub(crate) use overdue::give_up_gateways;
use overdue::give_up_overdue;
pub(crate) use volume::grow;
