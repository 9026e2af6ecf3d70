//! The certificate of a role, for both ends of mutual TLS.

use std::{fmt, io, sync::Arc};

use chatcluster_config::{MutualTls, Role};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SignatureScheme,
    client::{ResolvesClientCert, Resumption},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
    version::TLS13,
};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{TlsError, files, protocols, provider, reloaded::Reloaded, verify::RoleVerifier};

/// A role's certificate and its CA, kept current. Clones share them: a program loads its own once and
/// uses it for every link.
///
/// All links speak TLS 1.3 and resume no sessions. They are few and live long, and a resumed session
/// would skip the check against a CA that has changed.
#[derive(Clone)]
pub struct RoleCertificate {
    identity: Arc<str>,
    current: Arc<Reloaded<Material>>,
}

/// What the files hold.
pub(super) struct Material {
    key: Arc<CertifiedKey>,
    pub(super) roots: Arc<RootCertStore>,
}

impl RoleCertificate {
    /// Reads the files.
    pub fn load(tls: &MutualTls) -> Result<Self, TlsError> {
        let (files, identity) = (tls.clone(), tls.identity.as_str().into());
        let watched = vec![files.certificate.clone(), files.key.clone(), files.ca.clone()];
        let load = Box::new(move || {
            Ok(Material {
                key: files::certified_key(&files.certificate, &files.key)?,
                roots: files::roots(&files.ca)?,
            })
        });
        Ok(Self { identity, current: Arc::new(Reloaded::new(watched, load)?) })
    }

    /// A configuration for a server that accepts these roles, and the application protocols in the order
    /// of preference (`h2` for gRPC). It stays good when the certificates change.
    pub fn server_config(
        &self,
        from: &[Role],
        alpn: &[&str],
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(self.verifier(from)))
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = protocols(alpn);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// What connects to servers of one role. It stays good when the certificates change.
    pub fn connector(&self, to: Role, alpn: &[&str]) -> Result<RoleConnector, TlsError> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .dangerous() // says rustls of every verifier that is not its own
            .with_custom_certificate_verifier(Arc::new(self.verifier(&[to])))
            .with_client_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = protocols(alpn);
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(RoleConnector(Arc::new(config).into()))
    }

    /// Reads the files again if they changed, and says whether the new content is in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        self.current.reload()
    }

    /// Looks for changes every few seconds until the token is cancelled; logs what it finds.
    pub async fn keep_current(self, shutdown: CancellationToken) {
        self.current.keep_current(shutdown).await;
    }

    fn verifier(&self, allowed: &[Role]) -> RoleVerifier {
        let uris = allowed.iter().map(|role| role.uri(&self.identity)).collect();
        RoleVerifier::new(self.current.clone(), uris)
    }

    fn key(&self) -> Arc<CertifiedKey> {
        self.current.get().key.clone()
    }
}

/// Connects to servers of one role.
#[derive(Clone)]
pub struct RoleConnector(TlsConnector);

impl RoleConnector {
    /// Shakes hands over a connection. No timeout: the caller's covers connecting too. The error of a
    /// server that refuses *this* side's certificate comes with the first read.
    pub async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        stream.set_nodelay(true)?;
        // Any name will do: it is neither sent nor checked.
        let name = ServerName::IpAddress(stream.peer_addr()?.ip().into());
        self.0.connect(name, stream).await
    }
}

impl ResolvesServerCert for RoleCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }
}

impl ResolvesClientCert for RoleCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl fmt::Debug for RoleCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleCertificate").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl fmt::Debug for RoleConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoleConnector")
    }
}
