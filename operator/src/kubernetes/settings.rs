//! What the operator itself was told: `chatcluster-operator run`.

use std::net::SocketAddr;

use chatcluster_config::GoDuration;

/// The options of `chatcluster-operator run`.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Image of gateways and message service, for ChatClusters that name none
    #[arg(long, env = "CHATCLUSTER_IMAGE", value_name = "IMAGE")]
    pub image: String,
    /// Image of Redis 7.0 or newer, for ChatClusters that name none
    #[arg(
        long,
        env = "CHATCLUSTER_REDIS_IMAGE",
        value_name = "IMAGE",
        default_value = "docker.io/library/redis:7.0.15"
    )]
    pub redis_image: String,
    /// When nodes pull images: Always, IfNotPresent, Never; by default Kubernetes decides by the tag
    #[arg(long, env = "CHATCLUSTER_IMAGE_PULL_POLICY", value_name = "POLICY")]
    pub image_pull_policy: Option<PullPolicy>,
    /// Secret that nodes pull images with, in the ChatCluster's namespace; repeatable
    #[arg(long = "image-pull-secret", value_name = "NAME")]
    pub image_pull_secrets: Vec<String>,
    /// Namespace to look after; repeatable, or with commas; by default all
    #[arg(
        long = "watch-namespace",
        env = "CHATCLUSTER_WATCH_NAMESPACES",
        value_name = "NAMESPACE",
        value_delimiter = ','
    )]
    pub watch_namespaces: Vec<String>,
    /// Namespace of this operator, where the lease of the leader is
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE", default_value = "default")]
    pub namespace: String,
    /// Name of this operator among its replicas
    #[arg(long, env = "POD_NAME", value_name = "NAME", default_value_t = whoami())]
    pub name: String,
    /// The domain of this Kubernetes cluster
    #[arg(long, env = "CHATCLUSTER_CLUSTER_DOMAIN", default_value = "cluster.local")]
    pub cluster_domain: String,
    /// ChatClusters worked on at the same time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// How long a rotation of a CA waits before each of its steps
    #[arg(long, value_name = "DURATION", default_value = "5m", hide = true)]
    pub rotation_pause: GoDuration,
    /// Where `/livez`, `/readyz` and `/metrics` are served
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9090")]
    pub admin: SocketAddr,
}

/// When nodes pull images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
#[allow(missing_docs)] // Kubernetes' own words
pub enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

impl PullPolicy {
    /// As Kubernetes writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// Tells two operators on one machine apart.
fn whoami() -> String {
    format!("operator-{}", std::process::id())
}
