//! How often one address may knock.

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use super::{Rate, meter::Meter};

/// Addresses, and how many connections came from each lately. Of IPv6 that is the first 64 bits, which is what
/// one customer has; within them everybody has as many addresses as they like.
///
/// An address is remembered for as long as its burst takes to grow again. So the memory is bounded by the
/// connections that a gateway accepts in that time, wherever they come from: an address that is not known is
/// let in, and what bounds a crowd of those is the most connections of the gateway.
#[derive(Debug)]
pub struct Door {
    sockets: Meter<IpAddr>,
    connections: Meter<IpAddr>,
}

impl Door {
    /// Nobody has been there. `rate` is of connections from one address.
    pub fn new(rate: Rate) -> Self {
        let Rate { per_second, burst } = rate;
        let double =
            Rate { per_second: per_second.saturating_mul(2), burst: burst.saturating_mul(2) };
        Self { sockets: Meter::new(double), connections: Meter::new(rate) }
    }

    /// Is this socket worth a TLS handshake? Those beyond the rate are, so that they can be told to come later,
    /// up to as many again. More are closed without a word.
    pub fn hears(&mut self, from: IpAddr, now: Duration) -> bool {
        self.sockets.try_take(&customer(from), now).is_ok()
    }

    /// Takes another connection from this address, or says how long it has to wait.
    ///
    /// # Errors
    /// When the address has used up its rate.
    pub fn opens(&mut self, from: IpAddr, now: Duration) -> Result<(), Duration> {
        self.connections.try_take(&customer(from), now)
    }
}

/// The part of an address that one customer has.
fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_beyond_its_rate_is_told_to_come_later_and_then_not_even_that() {
        let mut door = Door::new(Rate { per_second: 2, burst: 5 });
        let (now, from) = (Duration::from_secs(9), address("192.0.2.1"));
        let mut outcomes = Vec::new();
        for _ in 0..12 {
            outcomes.push(door.hears(from, now).then(|| door.opens(from, now)));
        }
        let second = Duration::from_secs(1);
        assert_eq!(outcomes[..5], [Some(Ok(())); 5]);
        assert_eq!(outcomes[5..10], [Some(Err(second)); 5]);
        assert_eq!(outcomes[10..], [None; 2]);
        let later = now + second;
        assert!(door.hears(from, later) && door.opens(from, later).is_ok());
        let other = address("192.0.2.2");
        assert!(door.hears(other, now) && door.opens(other, now).is_ok());
    }

    #[test]
    fn what_one_customer_has_counts_as_one_address() {
        for (one, other, same) in [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
        ] {
            let mut door = Door::new(Rate { per_second: 1, burst: 1 });
            assert!(door.opens(address(one), Duration::ZERO).is_ok());
            let refused = door.opens(address(other), Duration::ZERO).is_err();
            assert_eq!(refused, same, "{one} and {other}");
        }
    }

    #[test]
    fn without_a_limit_everybody_may_come() {
        let mut door = Door::new(Rate::NONE);
        let from = address("192.0.2.1");
        assert!((0..1000).all(|_| door.hears(from, Duration::ZERO)));
        assert!((0..1000).all(|_| door.opens(from, Duration::ZERO).is_ok()));
    }
}
