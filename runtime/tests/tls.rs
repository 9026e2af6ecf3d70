//! Real TLS on loopback: who gets in, what a change of files does, what slow handshakes cost.
#![allow(clippy::unwrap_used)] // in the helpers too

use std::{io, sync::Arc, time::Duration};

use chatcluster_config::{MutualTls, Role};
use chatcluster_pki::{Names, Validity};
use chatcluster_runtime::tls::{Handshakes, RoleCertificate, ServerCertificate, TlsListener};
use chatcluster_testkit::certificates::{Certificates, IDENTITY};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;

const DEADLINE: Duration = Duration::from_secs(20);

/// Echoes one byte per connection until it is dropped.
struct Echo {
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Echo {
    async fn start(config: Arc<ServerConfig>, limits: Handshakes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mut listener = TlsListener::new(listener, config, limits);
        let port = listener.local_addr().expect("an address").port();
        let task = tokio::spawn(async move {
            loop {
                let (mut connection, _) = listener.accept().await;
                tokio::spawn(async move {
                    let byte = connection.read_u8().await?;
                    connection.write_u8(byte).await?;
                    connection.shutdown().await
                });
            }
        });
        Self { port, task }
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.expect("a connection")
    }

    /// Connects as a role and has a byte echoed.
    async fn ask_as(&self, tls: &MutualTls, server: Role) -> io::Result<u8> {
        let connector = RoleCertificate::load(tls).unwrap().connector(server, &[]).unwrap();
        let stream = connector.connect(self.tcp().await).await?;
        echo(stream).await
    }

    /// Connects as a client that trusts the CA, and has a byte echoed.
    async fn ask_trusting(&self, ca: &Certificates) -> io::Result<u8> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(ca.ca().certificate().as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, self.tcp().await).await?;
        echo(stream).await
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn echo(mut stream: tokio_rustls::client::TlsStream<TcpStream>) -> io::Result<u8> {
    stream.write_u8(7).await?;
    stream.read_u8().await
}

fn server(certificates: &Certificates) -> RoleCertificate {
    RoleCertificate::load(&certificates.role("server", Role::Messages).unwrap()).unwrap()
}

async fn for_gateways(certificates: &Certificates) -> Echo {
    let config = server(certificates).server_config(&[Role::Gateway], &[]).unwrap();
    Echo::start(config, Handshakes::default()).await
}

#[tokio::test]
async fn roles_meet_by_their_uri_whatever_their_address() {
    let certificates = Certificates::new().unwrap();
    let echo = for_gateways(&certificates).await;
    let gateway = certificates.role("gateway", Role::Gateway).unwrap();
    assert_eq!(echo.ask_as(&gateway, Role::Messages).await.unwrap(), 7);
}

#[tokio::test]
async fn a_client_of_another_role_is_refused() {
    let certificates = Certificates::new().unwrap();
    let echo = for_gateways(&certificates).await;
    let messages = certificates.role("messages", Role::Messages).unwrap();
    echo.ask_as(&messages, Role::Messages).await.unwrap_err();
}

#[tokio::test]
async fn a_server_of_another_role_is_refused() {
    let certificates = Certificates::new().unwrap();
    let echo = for_gateways(&certificates).await;
    let gateway = certificates.role("gateway", Role::Gateway).unwrap();
    let error = echo.ask_as(&gateway, Role::Gateway).await.unwrap_err().to_string();
    assert!(error.contains("/messages") && error.contains("/gateway"), "{error}");
}

#[tokio::test]
async fn a_role_of_another_chatcluster_is_refused_even_under_the_same_ca() {
    let certificates = Certificates::new().unwrap();
    let echo = for_gateways(&certificates).await;
    let mut gateway = certificates.role("gateway", Role::Gateway).unwrap();
    let other = Names::role("spiffe://cluster.local/ns/test/chatcluster/test2/gateway");
    let validity = Validity::days_397(std::time::SystemTime::now());
    let issued = certificates.ca().issue_role(&other, validity).unwrap();
    std::fs::write(&gateway.certificate, issued.certificate).unwrap();
    std::fs::write(&gateway.key, issued.key).unwrap();
    echo.ask_as(&gateway, Role::Messages).await.unwrap_err();
    // The other way round: its certificate is right, but it expects another ChatCluster.
    gateway = certificates.role("gateway", Role::Gateway).unwrap();
    gateway.identity = IDENTITY.replace("/test", "/test2");
    echo.ask_as(&gateway, Role::Messages).await.unwrap_err();
}

#[tokio::test]
async fn a_second_uri_is_refused_even_beside_a_right_one() {
    let certificates = Certificates::new().unwrap();
    let echo = for_gateways(&certificates).await;
    let gateway = certificates.role("gateway", Role::Gateway).unwrap();
    let mut names = Names::role(Role::Gateway.uri(IDENTITY));
    names.uris.push(Role::Messages.uri(IDENTITY));
    let validity = Validity::days_397(std::time::SystemTime::now());
    let issued = certificates.ca().issue_role(&names, validity).unwrap();
    std::fs::write(&gateway.certificate, issued.certificate).unwrap();
    std::fs::write(&gateway.key, issued.key).unwrap();
    echo.ask_as(&gateway, Role::Messages).await.unwrap_err();
}

#[tokio::test]
async fn another_ca_and_an_expired_certificate_are_refused() {
    let (certificates, others) = (Certificates::new().unwrap(), Certificates::new().unwrap());
    let echo = for_gateways(&certificates).await;
    let mut stranger = others.role("gateway", Role::Gateway).unwrap();
    echo.ask_as(&stranger, Role::Messages).await.unwrap_err();
    stranger.ca = certificates.ca_file(); // trusts the server, but is not trusted
    echo.ask_as(&stranger, Role::Messages).await.unwrap_err();

    let gateway = certificates.role("gateway", Role::Gateway).unwrap();
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(86_400);
    let validity = Validity::starting(long_ago, Duration::from_secs(3600));
    let names = Names::role(Role::Gateway.uri(IDENTITY));
    let issued = certificates.ca().issue_role(&names, validity).unwrap();
    std::fs::write(&gateway.certificate, issued.certificate).unwrap();
    std::fs::write(&gateway.key, issued.key).unwrap();
    echo.ask_as(&gateway, Role::Messages).await.unwrap_err();
}

#[tokio::test]
async fn a_client_without_certificate_and_a_server_certificate_pass_for_no_role() {
    let certificates = Certificates::new().unwrap();
    let echo = for_gateways(&certificates).await;
    echo.ask_trusting(&certificates).await.unwrap_err();
    let server = certificates.server("client-facing").unwrap();
    let mut gateway = certificates.role("gateway", Role::Gateway).unwrap();
    (gateway.certificate, gateway.key) = (server.certificate, server.key);
    echo.ask_as(&gateway, Role::Messages).await.unwrap_err();
}

#[tokio::test]
async fn a_replaced_server_certificate_is_used_without_restart() {
    let (old, new) = (Certificates::new().unwrap(), Certificates::new().unwrap());
    let files = old.server("server").unwrap();
    let certificate = ServerCertificate::load(&files).unwrap();
    let config = certificate.server_config(&["http/1.1"]).unwrap();
    let echo = Echo::start(config, Handshakes::default()).await;
    assert_eq!(echo.ask_trusting(&old).await.unwrap(), 7);
    assert!(!certificate.reload().unwrap(), "nothing changed");

    let replacement = new.server("server").unwrap();
    std::fs::copy(&replacement.certificate, &files.certificate).unwrap();
    let error = certificate.reload().unwrap_err().to_string();
    assert!(error.contains("server.key: no key for"), "{error}");
    assert_eq!(echo.ask_trusting(&old).await.unwrap(), 7, "half a change leaves the old in use");

    std::fs::copy(&replacement.key, &files.key).unwrap();
    assert!(certificate.reload().unwrap());
    assert_eq!(echo.ask_trusting(&new).await.unwrap(), 7);
    echo.ask_trusting(&old).await.unwrap_err();

    std::fs::remove_file(&files.certificate).unwrap();
    let error = certificate.reload().unwrap_err().to_string();
    assert!(error.starts_with("reading ") && error.contains("server.pem"), "{error}");
    assert_eq!(echo.ask_trusting(&new).await.unwrap(), 7);
}

#[tokio::test]
async fn a_changed_ca_is_used_by_both_ends_without_restart() {
    let (old, new) = (Certificates::new().unwrap(), Certificates::new().unwrap());
    let role = server(&old);
    let config = role.server_config(&[Role::Gateway], &[]).unwrap();
    let echo = Echo::start(config, Handshakes::default()).await;
    let mut gateway = new.role("gateway", Role::Gateway).unwrap();
    gateway.ca = old.ca_file();
    echo.ask_as(&gateway, Role::Messages).await.unwrap_err();
    let both = format!("{}{}", old.ca().certificate(), new.ca().certificate());
    std::fs::write(old.ca_file(), both).unwrap();
    assert!(role.reload().unwrap());
    assert_eq!(echo.ask_as(&gateway, Role::Messages).await.unwrap(), 7);
}

#[tokio::test]
async fn changes_are_noticed_by_themselves() {
    let (old, new) = (Certificates::new().unwrap(), Certificates::new().unwrap());
    let files = old.server("server").unwrap();
    let certificate = ServerCertificate::load(&files).unwrap();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let watching = tokio::spawn(certificate.clone().keep_current(shutdown.clone()));
    let echo = Echo::start(certificate.server_config(&[]).unwrap(), Handshakes::default()).await;
    let replacement = new.server("server").unwrap();
    std::fs::copy(&replacement.certificate, &files.certificate).unwrap();
    std::fs::copy(&replacement.key, &files.key).unwrap();
    let noticed = async {
        while echo.ask_trusting(&new).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(DEADLINE, noticed).await.expect("the new certificate in use");
    shutdown.cancel();
    timeout(DEADLINE, watching).await.expect("the watch ends").unwrap();
}

#[tokio::test]
async fn silent_connections_end_and_keep_nobody_out() {
    let certificates = Certificates::new().unwrap();
    let config = ServerCertificate::load(&certificates.server("server").unwrap());
    let limits = Handshakes {
        timeout: Duration::from_secs(3600),
        concurrent: 8,
        patience: Duration::from_millis(50),
    };
    let echo = Echo::start(config.unwrap().server_config(&[]).unwrap(), limits).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(echo.tcp().await);
    }
    let asked = timeout(DEADLINE, echo.ask_trusting(&certificates)).await;
    assert_eq!(asked.expect("an answer in spite of 50 silent connections").unwrap(), 7);
    let mut byte = [0];
    let ended = timeout(DEADLINE, silent[0].read(&mut byte)).await.expect("the oldest has ended");
    assert!(matches!(ended, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_given_up() {
    let certificates = Certificates::new().unwrap();
    let config = ServerCertificate::load(&certificates.server("server").unwrap());
    let limits = Handshakes { timeout: Duration::from_millis(100), ..Handshakes::default() };
    let echo = Echo::start(config.unwrap().server_config(&[]).unwrap(), limits).await;
    let begun = Instant::now();
    let mut stream = echo.tcp().await;
    stream.write_all(&[0x16, 3, 1]).await.unwrap();
    let ended = timeout(DEADLINE, stream.read(&mut [0])).await.expect("it ends");
    assert!(matches!(ended, Ok(0) | Err(_)));
    assert!(begun.elapsed() >= limits.timeout);
}

#[test]
fn files_without_content_are_named() {
    let certificates = Certificates::new().unwrap();
    let files = certificates.server("server").unwrap();
    std::fs::write(&files.certificate, "").unwrap();
    let error = ServerCertificate::load(&files).unwrap_err().to_string();
    assert!(error.ends_with("server.pem: no certificate in PEM"), "{error}");
}
