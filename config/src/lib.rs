//! The configuration files of the programs: one typed YAML each, given by `--config FILE`. The operator
//! renders them by the same functions for pods and for local processes; the programs read them.
//!
//! No I/O: `chatcluster-runtime` reads the file. What the environment says about places on this machine
//! is read here too, for local mode and the tests.

mod duration;
mod gateway;
mod known;
mod limits;
mod messages;
mod places;
mod read;
mod tls;
mod words;

pub use duration::GoDuration;
pub use gateway::{
    Auth, ClientPort, Drain, GatewayConfig, JwtAlgorithm, JwtKey, ManagerHome, MessagesClient,
    PeerPort, WebhookTarget,
};
pub use limits::Limits;
pub use messages::{BackendPort, Devices, GrpcPort, MessagesConfig, Storage};
pub use places::{Program, cache_folder};
pub use read::{InvalidYaml, Mistake, from_yaml, line_of};
pub use tls::{MutualTls, Role, ServerTls};
