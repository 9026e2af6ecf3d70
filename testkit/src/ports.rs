//! Ports for servers that cannot bind port 0 themselves.

use std::{
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, TcpListener},
};

/// Below the range that Linux takes the ports of outgoing connections from (32768 and up), so that
/// no connection of another test sits on the port between the look and the use, or while a server is
/// down between kill and restart.
const RANGE: std::ops::Range<u16> = 12_000..32_000;

/// A TCP port of loopback on which nothing listens now. Another process may still be quicker: whoever
/// starts a server on it checks that the one that answers is its own, or tries again.
pub fn free_port() -> u16 {
    let random = RandomState::new();
    let size = u64::from(RANGE.end - RANGE.start);
    (0u32..1000)
        .map(|attempt| RANGE.start + (random.hash_one(attempt) % size) as u16)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("no free port on loopback in 1000 tries")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_port_is_not_handed_out_while_somebody_listens_on_it() {
        // A bind may fail: a child that another test forks right now shares our sockets until it
        // becomes its program.
        let bound =
            (0..500).filter_map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).ok());
        let held: HashMap<_, _> = bound.map(|l| (l.local_addr().unwrap().port(), l)).collect();
        assert!(held.len() > 400);
        assert!((0..5000).all(|_| !held.contains_key(&free_port())));
    }
}
