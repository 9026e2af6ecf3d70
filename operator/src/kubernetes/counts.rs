//! Asks gateways how many clients they hold, on their admin ports. I/O.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tokio::time::timeout;

use super::{desired::ADMIN_PORT, seen::Connections};

/// A gateway answers at once, or something is wrong with it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The most that a gateway's metrics may be, in bytes. They are some kilobytes.
const MOST: usize = 1 << 20;

/// The metric.
const CONNECTIONS: &str = "chatcluster_gateway_connections ";

/// Asks gateways. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Asker(Client<HttpConnector, Empty<&'static [u8]>>);

impl Default for Asker {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(PATIENCE));
        // Asked every some seconds: a kept connection would mostly be kept for nothing.
        Self(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector))
    }
}

impl Asker {
    /// The clients of those that answer.
    pub(crate) async fn connections(&self, pods: impl Iterator<Item = &Arc<Pod>>) -> Connections {
        let asked = pods.filter_map(|pod| {
            let address = pod.status.as_ref()?.pod_ip.clone()?;
            Some(async move { Some((pod.name_any(), self.ask(&address).await?)) })
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    async fn ask(&self, address: &str) -> Option<u64> {
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let url = format!("http://{host}:{ADMIN_PORT}/metrics");
        let request = Request::get(url).body(Empty::new()).ok()?;
        let answer = async {
            let answer = self.0.request(request).await.ok()?;
            Limited::new(answer.into_body(), MOST).collect().await.ok().map(|body| body.to_bytes())
        };
        read(std::str::from_utf8(&timeout(PATIENCE, answer).await.ok()??).ok()?)
    }
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
