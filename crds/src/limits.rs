//! `spec.gateways.limits`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much one user may ask of a gateway, and how often one address may knock. Each gateway counts by itself;
/// what is over a limit is refused with the time after which to come again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Messages that a user may send a second, over all their devices on one gateway; 0 is no limit. Default 20. Nobody
    /// types as fast; what is beyond is refused for now, and clients send it again.
    #[schemars(range(max = 10_000), transform = crate::schema::whole_number)]
    pub sends_per_second: u32,
    /// Messages that a user who has been quiet may send at once. Default 200. That is what a phone has to send that
    /// was without a network for days.
    #[schemars(range(min = 1, max = 100_000), transform = crate::schema::whole_number)]
    pub send_burst: u32,
    /// Requests for history, groups, receipts, marks, fresh tokens and presence that a user may make a second,
    /// likewise; 0 is no limit.
    /// Default 20. Each is a call of the message service, or the verification of a token;
    /// whom to watch is more, but bounded for all sessions together.
    #[schemars(range(max = 10_000), transform = crate::schema::whole_number)]
    pub requests_per_second: u32,
    /// Such requests that a user who has been quiet may make at once. Default 200. An app that starts asks for each
    /// conversation that it shows.
    #[schemars(range(min = 1, max = 100_000), transform = crate::schema::whole_number)]
    pub request_burst: u32,
    /// Connections that one address may open to a gateway a second, counting the files of a page; 0 is no
    /// limit. Default 0. A whole office may share one address, and behind a load balancer or proxy everybody
    /// has that one's: set it only where gateways see the addresses of clients. Of IPv6 the first 64 bits count.
    #[schemars(range(max = 10_000), transform = crate::schema::whole_number)]
    pub connections_per_second_per_address: u32,
    /// Connections that an address which has been quiet may open at once. Default 200. When a gateway goes, all its
    /// clients behind one address come to another one.
    #[schemars(range(min = 1, max = 100_000), transform = crate::schema::whole_number)]
    pub connection_burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let of_programs = chatcluster_config::Limits::default();
        Self {
            sends_per_second: of_programs.sends_per_second,
            send_burst: of_programs.send_burst,
            requests_per_second: of_programs.requests_per_second,
            request_burst: of_programs.request_burst,
            connections_per_second_per_address: of_programs.connections_per_second_per_address,
            connection_burst: of_programs.connection_burst,
        }
    }
}
