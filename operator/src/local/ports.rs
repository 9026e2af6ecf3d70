//! Ports on loopback for what only this cluster uses.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, TcpListener},
};

use super::LocalError;

/// Below the range that Linux takes the ports of outgoing connections from (32768 and up), so that no
/// connection sits on a port while its server is being restarted.
const RANGE: std::ops::Range<u16> = 12_000..32_000;

/// Hands out ports on which nothing listens, each once.
#[derive(Debug, Default)]
pub(super) struct FreePorts(HashSet<u16>);

impl FreePorts {
    /// None of `taken` is handed out.
    pub(super) fn except(taken: impl IntoIterator<Item = u16>) -> Self {
        Self(taken.into_iter().collect())
    }

    /// Another one. Somebody else may take it before its server does; then the server says so.
    pub(super) fn next(&mut self) -> Result<u16, LocalError> {
        for _ in 0..1000 {
            let port = rand::random_range(RANGE);
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() && self.0.insert(port) {
                return Ok(port);
            }
        }
        Err(LocalError::NoFreePort)
    }
}
