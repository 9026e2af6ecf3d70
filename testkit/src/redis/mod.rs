//! Real Redis: single nodes in cluster mode, and whole clusters of them on loopback.

mod cluster;
mod find;
mod node;

pub use cluster::RedisCluster;
pub use find::redis_server;
pub use node::{NODE_TIMEOUT, RedisNode};
