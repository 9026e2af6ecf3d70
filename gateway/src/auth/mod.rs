//! Who a client is: the JWT of its `hello`.
//!
//! Owns the checks of a token and the keys that verify it. When a session ends because its token ran
//! out is a decision of the session.

mod keys;
mod token;

pub use keys::{KeyError, Keyring};
pub use token::{TokenError, TokenUser, Verifier};

#[cfg(test)]
mod tests;
