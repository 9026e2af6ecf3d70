//! The gateway: holds clients' connections over wss and routes their messages.

pub mod auth;
pub mod connection;
pub mod page;
pub mod upgrade;
