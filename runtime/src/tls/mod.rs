//! TLS by rustls and aws-lc-rs, with certificates that are read again when their files change.
//!
//! [`ServerCertificate`] is for ports that clients without certificates reach. [`RoleCertificate`] is for
//! both ends of mutual TLS between programs of one ChatCluster: who the other side is, the CA and the
//! URI SAN decide; its address does not.

mod files;
mod listener;
mod reloaded;
mod role;
mod server;
mod stream;
mod verify;

pub use listener::{Handshake, Handshakes, TlsListener};
pub use role::{RoleCertificate, RoleConnector};
pub use server::ServerCertificate;
pub use stream::ServerStream;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use rustls::crypto::CryptoProvider;

/// Certificates could not be loaded or used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read.
    #[error("reading {} failed: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file has no usable content.
    #[error("{}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// rustls refused what was set up.
    #[error("setting up TLS failed: {0}")]
    Setup(#[from] rustls::Error),
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    PROVIDER.clone()
}

fn protocols(alpn: &[&str]) -> Vec<Vec<u8>> {
    alpn.iter().map(|name| name.as_bytes().to_vec()).collect()
}
