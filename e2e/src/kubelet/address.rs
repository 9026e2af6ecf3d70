//! Addresses for pods: loopback has 16 million.

use std::{
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, TcpListener},
};

/// An address that nobody else in this test has, and hardly anybody in another one: it is drawn from
/// nearly all of 127.0.0.0/8, and nothing listens on its `ports`.
pub(super) fn free_address(ports: &[u16]) -> Ipv4Addr {
    let random = RandomState::new();
    let is_free =
        |address: &Ipv4Addr| ports.iter().all(|port| TcpListener::bind((*address, *port)).is_ok());
    (0u32..100)
        .map(|attempt| address(random.hash_one(attempt)))
        .find(is_free)
        .unwrap_or_else(|| panic!("no address with free ports {ports:?} in 100 tries"))
}

/// 127.1.0.1 to 127.254.255.254: 127.0.0.1 is everybody's, and some ends mean something.
fn address(random: u64) -> Ipv4Addr {
    let [a, b, c, ..] = random.to_le_bytes();
    Ipv4Addr::new(127, 1 + a % 254, b, 1 + c % 254)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_whose_port_is_taken_is_not_handed_out() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let one = free_address(&[port]);
        let _held = TcpListener::bind((one, port)).unwrap();
        assert!(TcpListener::bind((one, port)).is_err());
        assert!((0..100).all(|_| free_address(&[port]) != one));
    }
}
