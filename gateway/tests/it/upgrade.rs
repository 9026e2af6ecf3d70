use std::sync::Arc;

use chatcluster_config::GoDuration;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{client_async, tungstenite::client::IntoClientRequest};

use crate::world::{Gateway, World};

async fn secure(world: &World) -> Gateway {
    let page = world.folder.path().join("page");
    std::fs::create_dir(&page).unwrap();
    std::fs::write(page.join("index.html"), "<!doctype html><p>chat").unwrap();
    let mut config = world.config("one");
    config.client.tls = Some(world.certificates.server("wss").unwrap());
    config.client.page = Some(page);
    config.client.heartbeat = GoDuration::from_secs(25);
    world.run(config, world.manager.clone()).await
}

async fn tls(world: &World, gateway: &Gateway) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(world.certificates.ca_file()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = TcpStream::connect(gateway.client).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_and_websocket_share_the_origin() {
    let world = World::new().await;
    let one = secure(&world).await;
    let mut stream = tls(&world, &one).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    assert!(page.ends_with("<!doctype html><p>chat"), "{page}");
    assert!(page.contains("content-security-policy: "), "{page}");

    for (origin, accepted) in [("https://localhost:8443", true), ("https://evil.example", false)] {
        let mut request = "wss://localhost:8443/".into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "chatcluster.v1".parse().unwrap());
        headers.insert("origin", origin.parse().unwrap());
        let answer = client_async(request, tls(&world, &one).await).await;
        assert_eq!(answer.is_ok(), accepted, "{origin}");
    }
}
