//! How routes and leases are written down in Redis.
//!
//! ```text
//! route: VERSION EPOCH ["gateway","host",port,connection,"incarnation"]
//! lease: VERSION LIFE  ["gateway","host",port]
//! ```
//!
//! In every version the first word is the version and the second the epoch or life, which is what the
//! scripts look at. A release that brings a new version reads both and writes the old one.

use uuid::Uuid;

use crate::{Incarnation, Lease, Route};

const VERSION: &str = "1";

/// What was read is no value of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Undecodable {
    /// Written by a newer release.
    #[error("format version {0:?} is not known to this release, which knows {VERSION}")]
    Version(String),
    /// Damaged, or not written by us.
    #[error("{0:?} is not a {1}")]
    Damaged(String, &'static str),
}

/// A route without version and epoch, which the claim script puts in front.
pub(crate) fn encode_route(lease: &Lease, connection: u64) -> String {
    let Lease { incarnation, gateway, host, port } = lease;
    json(&(gateway, host, port, connection, incarnation))
}

/// A route as the claim script wrote it.
pub(crate) fn decode_route(text: &str) -> Result<Route, Undecodable> {
    let damaged = || Undecodable::Damaged(text.to_owned(), "route");
    let (epoch, rest) = split(text).ok_or_else(damaged)??;
    let epoch = epoch.parse().map_err(|_| damaged())?;
    let (gateway, host, port, connection, incarnation) =
        serde_json::from_str(rest).map_err(|_| damaged())?;
    Ok(Route { gateway, host, port, connection, incarnation, epoch })
}

/// A lease without version and life, which the lease script puts in front.
pub(crate) fn encode_lease(lease: &Lease) -> String {
    json(&(&lease.gateway, &lease.host, lease.port))
}

/// The lease of an incarnation as the lease script wrote it.
pub(crate) fn decode_lease(incarnation: Incarnation, text: &str) -> Result<Lease, Undecodable> {
    let damaged = || Undecodable::Damaged(text.to_owned(), "lease");
    let (_life, rest) = split(text).ok_or_else(damaged)??;
    let (gateway, host, port) = serde_json::from_str(rest).map_err(|_| damaged())?;
    Ok(Lease { incarnation, gateway, host, port })
}

/// An incarnation as it stands in keys.
pub(crate) fn decode_incarnation(text: &str) -> Option<Incarnation> {
    Uuid::try_parse(text).ok().map(Incarnation)
}

fn split(text: &str) -> Option<Result<(&str, &str), Undecodable>> {
    let (version, rest) = text.split_once(' ')?;
    if version != VERSION {
        return Some(Err(Undecodable::Version(version.to_owned())));
    }
    rest.split_once(' ').map(Ok)
}

fn json(tuple: &impl serde::Serialize) -> String {
    // Strings and numbers: writing them cannot fail.
    serde_json::to_string(tuple).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn routes_and_leases_are_read_as_they_were_written(
            gateway: String, host: String, port: u16, connection: u64, epoch in 0u64..1 << 53, bits: u128,
        ) {
            let incarnation = Incarnation(Uuid::from_u128(bits));
            let lease = Lease { incarnation, gateway: gateway.clone(), host: host.clone(), port };
            let text = format!("1 {epoch} {}", encode_route(&lease, connection));
            let route = Route { gateway, host, port, connection, incarnation, epoch };
            prop_assert_eq!(decode_route(&text), Ok(route));
            let text = format!("1 life {}", encode_lease(&lease));
            prop_assert_eq!(decode_lease(incarnation, &text), Ok(lease));
        }

        #[test]
        fn any_text_is_decoded_or_refused(text: String) {
            let _ = decode_route(&text);
            let _ = decode_lease(Incarnation(Uuid::nil()), &text);
        }
    }

    #[test]
    fn a_newer_version_is_refused_by_its_number() {
        assert_eq!(decode_route("2 17 {}"), Err(Undecodable::Version("2".into())));
    }
}
