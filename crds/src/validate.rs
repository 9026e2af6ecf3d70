//! The rules that values keep. The API server knows them from the schema; where there is none, in local
//! mode, they are checked here. A test holds the two together.

use std::{fmt, ops::RangeInclusive, time::Duration};

use crate::ChatClusterSpec;

/// The longest drain: Kubernetes' grace period follows from it, and a node that is drained waits for it.
const LONGEST_DRAIN: Duration = Duration::from_secs(3600);

/// A value that a rule forbids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The path of the field: `spec.gateways.replicas`.
    pub field: &'static str,
    /// The rule.
    pub reason: String,
}

impl ChatClusterSpec {
    /// All values that a rule forbids.
    pub fn validate(&self) -> Vec<Invalid> {
        let (gateways, managed) = (&self.gateways, &self.manager.managed);
        let checks = [
            within("spec.gateways.replicas", gateways.replicas, 1..=1000),
            within("spec.gateways.connectionsPerPod", gateways.connections_per_pod, 1..=1_000_000),
            within(
                "spec.gateways.drain.ratePerSecond",
                gateways.drain.rate_per_second,
                1..=100_000,
            ),
            check(
                "spec.gateways.drain.timeout",
                *gateways.drain.timeout <= LONGEST_DRAIN,
                format_args!("{} is more than 1h", gateways.drain.timeout),
            ),
            within("spec.manager.managed.shards", managed.shards, 3..=100),
            within("spec.manager.managed.replicasPerShard", managed.replicas_per_shard, 0..=5),
            not_empty("spec.auth.jwt.issuer", self.auth.jwt.issuer.as_deref()),
            not_empty("spec.auth.jwt.audience", Some(&self.auth.jwt.audience)),
        ];
        checks.into_iter().flatten().collect()
    }
}

/// The rule for the name of a ChatCluster: names of objects and certificates are made from it.
pub fn validate_name(name: &str) -> Option<Invalid> {
    let edges = [name.bytes().next(), name.bytes().next_back()];
    let good = name.len() <= 40
        && edges.iter().all(|edge| edge.is_some_and(|byte| byte.is_ascii_alphanumeric()))
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let rule = "is not 1 to 40 lower-case letters, digits or inner hyphens";
    check("metadata.name", good, format_args!("{name:?} {rule}"))
}

fn within(field: &'static str, value: u32, range: RangeInclusive<u32>) -> Option<Invalid> {
    let (least, most) = (range.start(), range.end());
    check(field, range.contains(&value), format_args!("{value} is not between {least} and {most}"))
}

fn not_empty(field: &'static str, value: Option<&str>) -> Option<Invalid> {
    check(field, value != Some(""), format_args!("is empty; leave the field out for the default"))
}

fn check(field: &'static str, good: bool, reason: fmt::Arguments<'_>) -> Option<Invalid> {
    (!good).then(|| Invalid { field, reason: reason.to_string() })
}
