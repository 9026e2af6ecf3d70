//! The message service's gRPC interface for gateways: generated client and server.
//!
//! The definition in `proto/` carries the documentation. It has a version in its package; a service
//! serves gateways of its own version and of the one before.

/// Generated from `proto/chatcluster/messages/v1/messages.proto`.
#[allow(missing_docs, unreachable_pub, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("chatcluster.messages.v1");
}
