//! Ports on loopback for what only this cluster uses.

use std::{
    collections::HashSet,
    iter,
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

    /// The wished one if it is free, else another one. Somebody else may take it before its server does;
    /// then the server says so.
    pub(super) fn next(&mut self, wish: Option<u16>) -> Result<u16, LocalError> {
        let others = iter::repeat_with(|| rand::random_range(RANGE)).take(1000);
        for port in wish.filter(|port| *port > 0).into_iter().chain(others) {
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() && self.0.insert(port) {
                return Ok(port);
            }
        }
        Err(LocalError::NoFreePort)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_granted_where_nobody_listens() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken_port = taken.local_addr().unwrap().port();
        let mut ports = FreePorts::default();
        assert!(RANGE.contains(&ports.next(Some(taken_port)).unwrap()));
        assert!(RANGE.contains(&ports.next(Some(0)).unwrap()));
        let free = FreePorts::default().next(None).unwrap();
        assert_eq!(ports.next(Some(free)).unwrap(), free);
        assert_ne!(ports.next(Some(free)).unwrap(), free, "each is handed out once");
    }
}
