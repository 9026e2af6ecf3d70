//! What one user, and one address, may ask of this gateway.

use std::{net::IpAddr, sync::PoisonError, time::Duration};

use chatcluster_manager::Manager;
use gateway_core::{Rate, session::RateLimited};

use super::Hub;
use crate::metrics::count;

/// What the configuration says, resolved.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Sends of one user.
    pub sends: Rate,
    /// Other requests of one user.
    pub requests: Rate,
    /// Connections from one address.
    pub connections: Rate,
}

impl From<&chatcluster_config::Limits> for Limits {
    fn from(limits: &chatcluster_config::Limits) -> Self {
        let rate = |per_second, burst| Rate { per_second, burst };
        Self {
            sends: rate(limits.sends_per_second, limits.send_burst),
            requests: rate(limits.requests_per_second, limits.request_burst),
            connections: rate(limits.connections_per_second_per_address, limits.connection_burst),
        }
    }
}

impl<M: Manager> Hub<M> {
    /// Whether a socket that was accepted is worth a handshake and an answer. One that is not comes from an
    /// address that has had as many answers as it may have.
    pub fn hears(&self, from: IpAddr) -> bool {
        let now = self.clock.now().monotonic;
        let hears = self.door.lock().unwrap_or_else(PoisonError::into_inner).hears(from, now);
        if !hears {
            count(&self.metrics.refused, "address_flooded");
        }
        hears
    }

    /// Whether another connection may come from this address now; it counts as one.
    pub(super) fn opens(&self, from: IpAddr) -> Result<(), Duration> {
        let now = self.clock.now().monotonic;
        self.door.lock().unwrap_or_else(PoisonError::into_inner).opens(from, now)
    }

    pub(super) fn rate_limited(&self, what: RateLimited) {
        let kind = match what {
            RateLimited::Send => "send",
            RateLimited::Request => "request",
        };
        count(&self.metrics.rate_limited, kind);
    }
}
