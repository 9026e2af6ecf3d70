//! The certificate of a port that clients without certificates reach.

use std::{fmt, sync::Arc};

use chatcluster_config::ServerTls;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::Ticketer,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_util::sync::CancellationToken;

use super::{TlsError, files, protocols, provider, reloaded::Reloaded};

/// A server's certificate, kept current. Clones share it.
#[derive(Clone)]
pub struct ServerCertificate(Arc<Reloaded<Arc<CertifiedKey>>>);

impl ServerCertificate {
    /// Reads the files.
    pub fn load(tls: &ServerTls) -> Result<Self, TlsError> {
        let (chain, key) = (tls.certificate.clone(), tls.key.clone());
        let watched = vec![chain.clone(), key.clone()];
        let load = Box::new(move || files::certified_key(&chain, &key));
        Ok(Self(Arc::new(Reloaded::new(watched, load)?)))
    }

    /// A configuration for a server: TLS 1.3 and 1.2, and the application protocols in the order of
    /// preference (`http/1.1` for WebSocket). It stays good when the certificate changes.
    ///
    /// Sessions are resumed by tickets, whose keys turn over every 6 hours and never leave the process:
    /// a client that comes back saves the server a signature, and the server keeps nothing per client.
    pub fn server_config(&self, alpn: &[&str]) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = protocols(alpn);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Ticketer::new()?;
        config.send_tls13_tickets = 1;
        Ok(Arc::new(config))
    }

    /// Reads the files again if they changed, and says whether the new content is in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        self.0.reload()
    }

    /// Looks for changes every few seconds until the token is cancelled; logs what it finds.
    pub async fn keep_current(self, shutdown: CancellationToken) {
        self.0.keep_current(shutdown).await;
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.get().as_ref().clone())
    }
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerCertificate")
    }
}
