//! Hash slots, as Redis Cluster counts them.

use chatcluster_protocol::id::UserId;

/// How many hash slots there are.
pub const SLOTS: u16 = 16384;

/// The hash slot of a user's routes. Their key is `route:{user}`: what stands in the braces decides,
/// and user ids contain none.
pub fn slot(user: &UserId) -> u16 {
    crc16(user.as_str().as_bytes()) % SLOTS
}

/// CRC-16/XMODEM, which the Redis Cluster specification prescribes.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |mut crc, byte| {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
        crc
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
    }

    #[test]
    fn slots_are_those_of_redis() {
        // As `CLUSTER KEYSLOT route:{…}` answers.
        assert_eq!(slot(&UserId::new("foo").unwrap()), 12182);
        assert_eq!(slot(&UserId::new("bar").unwrap()), 5061);
    }
}
