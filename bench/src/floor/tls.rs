//! Accepts connections over TLS and keeps them. The configuration is the gateway's own: the same kind of
//! key, the same tickets.

use chatcluster_config::ServerTls;
use chatcluster_runtime::tls::ServerCertificate;
use tokio::{io::AsyncReadExt, net::TcpListener};
use tokio_rustls::TlsAcceptor;

pub(super) async fn run(listener: TcpListener, tls: ServerTls) -> anyhow::Result<()> {
    let config = ServerCertificate::load(&tls)?.server_config(&["http/1.1"])?;
    let acceptor = TlsAcceptor::from(config);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut stream = Box::pin(acceptor.accept(stream)).await?;
            // Nothing comes but the end.
            stream.read(&mut [0]).await
        });
    }
}
