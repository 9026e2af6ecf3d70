//! `spec.gateways`.

use chatcluster_config::GoDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Limits, Pod, Service, Tls, Webhook};

/// The servers that clients connect to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self.limits.connectionsPerSecondPerAddress == 0 || self.tls.type != 'Terminated'",
        "message": "limits.connectionsPerSecondPerAddress cannot work with tls.type Terminated: all connections have the address of what ends TLS; limit them there",
    },
    {
        "rule": "self.limits.connectionsPerSecondPerAddress == 0 || !has(self.service.externalTrafficPolicy) || self.service.externalTrafficPolicy != 'Cluster'",
        "message": "limits.connectionsPerSecondPerAddress needs the clients' addresses, which service.externalTrafficPolicy Cluster hides: use Local",
    },
]))]
pub struct Gateways {
    /// How many there are. Default 2: one may go without anybody noticing. More carry more connections;
    /// a message takes one hop between two gateways however many there are.
    #[schemars(range(min = 1, max = 1000), transform = crate::schema::whole_number)]
    pub replicas: u32,
    /// Most connections of one gateway; further clients are asked to come back later. Default 10000.
    /// Larger gateways are cheaper per connection, and more clients move when one goes.
    #[schemars(range(min = 1, max = 1_000_000), transform = crate::schema::whole_number)]
    pub connections_per_pod: u32,
    /// How gateways let go of their clients when they stop.
    pub drain: Drain,
    /// How much one user may ask of a gateway, and how often one address may connect.
    pub limits: Limits,
    /// Whom to tell that something waits for a user without a connected device. Default nobody.
    #[schemars(with = "Webhook")] // never null: rules ask whether it is there
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// Web origins that browsers may connect from, such as `https://chat.example.com`; `*` is any. Default
    /// none: the gateways' own origin is always allowed, and clients that are no browsers need none.
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    /// The certificate that clients see. Ignored locally, where it is made.
    pub tls: Tls,
    /// How clients reach the gateways. Ignored locally, where each gateway has a port.
    pub service: Service,
    /// How the gateways' pods run. Ignored locally.
    pub pod: Pod,
}

impl Default for Gateways {
    fn default() -> Self {
        Self {
            replicas: 2,
            connections_per_pod: 10_000,
            drain: Drain::default(),
            limits: Limits::default(),
            webhook: None,
            origins: Vec::new(),
            tls: Tls::default(),
            service: Service::default(),
            pod: Pod::default(),
        }
    }
}

/// How gateways let go of their clients when they stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Drain {
    /// Clients asked to move per second, over all gateways that stop at the same time. Default 1000.
    /// More ends a rollout sooner, and loads the gateways that remain with more logins per second.
    #[schemars(range(min = 1, max = 100_000), transform = crate::schema::whole_number)]
    pub rate_per_second: u32,
    /// After this a gateway ends with whatever is left; those clients come back on their own, all at
    /// once. Default 10m. Hours, minutes and seconds as in `1h30m`, at most 1h; locally never more than 5s.
    #[schemars(schema_with = "crate::schema::duration_up_to_1h")]
    pub timeout: GoDuration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { rate_per_second: 1000, timeout: GoDuration::from_secs(600) }
    }
}
