//! Asks gateways how many clients they hold, on their admin ports. I/O.

use std::sync::Arc;

use futures_util::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::{desired::ADMIN_PORT, seen::Connections};
use crate::ask::ask;

/// The metric.
const CONNECTIONS: &str = "chatcluster_gateway_connections ";

/// The clients of those that answer.
pub(crate) async fn connections(pods: impl Iterator<Item = &Arc<Pod>>) -> Connections {
    let asked = pods.filter_map(|pod| {
        let address = pod.status.as_ref()?.pod_ip.clone()?;
        Some(async move { Some((pod.name_any(), ask_gateway(&address).await?)) })
    });
    join_all(asked).await.into_iter().flatten().collect()
}

async fn ask_gateway(address: &str) -> Option<u64> {
    let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    read(&ask(&format!("http://{host}:{ADMIN_PORT}/metrics")).await.ok()?)
}

/// The number in the text of metrics.
fn read(metrics: &str) -> Option<u64> {
    metrics.lines().find_map(|line| line.strip_prefix(CONNECTIONS))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_found_among_others() {
        let text = "# TYPE chatcluster_gateway_connections gauge\n\
                    chatcluster_gateway_connections_total 9\n\
                    chatcluster_gateway_connections 42\n# EOF\n";
        assert_eq!(read(text), Some(42));
        assert_eq!(read("# EOF\n"), None);
        assert_eq!(read("chatcluster_gateway_connections -1\n"), None);
    }
}
