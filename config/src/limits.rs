//! How much a gateway takes.

use serde::{Deserialize, Serialize};

/// How much one user may ask of a gateway, and how often one address may knock. Each gateway counts by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Messages that a user may send a second, over all their devices on one gateway; 0 is no limit. Nobody
    /// types as fast; what is beyond is refused for now, and clients send it again.
    pub sends_per_second: u32,
    /// Messages that a user who has been quiet may send at once. That is what a phone has to send that
    /// was without a network for days.
    pub send_burst: u32,
    /// Requests for history, groups, receipts, marks, fresh tokens and presence that a user may make a second,
    /// likewise; 0 is no limit. Each is a call of the message service, or the verification of a token;
    /// whom to watch is more, but bounded for all sessions together.
    pub requests_per_second: u32,
    /// Such requests that a user who has been quiet may make at once. An app that starts asks for each
    /// conversation that it shows.
    pub request_burst: u32,
    /// Connections that one address may open to a gateway a second, counting the files of a page; 0 is no
    /// limit. A whole office may share one address, and behind a load balancer or proxy everybody
    /// has that one's: set it only where gateways see the addresses of clients. Of IPv6 the first 64 bits count.
    pub connections_per_second_per_address: u32,
    /// Connections that an address which has been quiet may open at once. When a gateway goes, all its
    /// clients behind one address come to another one.
    pub connection_burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sends_per_second: 20,
            send_burst: 200,
            requests_per_second: 20,
            request_burst: 200,
            connections_per_second_per_address: 0,
            connection_burst: 200,
        }
    }
}

impl Limits {
    /// Of nothing: for programs that send and connect faster than people.
    pub fn none() -> Self {
        Self { sends_per_second: 0, requests_per_second: 0, ..Self::default() }
    }
}
