use std::{sync::LazyLock, time::Duration};

use chatcluster_testkit::certificates::Certificates;
use proptest::prelude::*;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion as Version,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio_rustls::{TlsConnector, client};

use super::*;
use crate::tls::ServerCertificate;

const DEADLINE: Duration = Duration::from_secs(60);

type Server = ServerStream<DuplexStream>;
type Client = client::TlsStream<DuplexStream>;

static CERTIFICATES: LazyLock<Certificates> = LazyLock::new(|| Certificates::new().unwrap());

fn server_config() -> Arc<ServerConfig> {
    static CONFIG: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
        let files = CERTIFICATES.server("stream").unwrap();
        ServerCertificate::load(&files).unwrap().server_config(&[]).unwrap()
    });
    CONFIG.clone()
}

fn client_config(version: &'static Version) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(CERTIFICATES.ca_file()).unwrap()).unwrap();
    ClientConfig::builder_with_provider(crate::tls::provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// Both ends of a connection. The pipe has room for the server's tickets, which nobody reads yet.
async fn pair(pipe: usize) -> (Client, Server) {
    let (near, far) = duplex(pipe);
    let client = TlsConnector::from(Arc::new(client_config(&TLS13))).connect(name(), near);
    let (client, server) = tokio::join!(client, ServerStream::accept(far, server_config()));
    (client.unwrap(), server.unwrap())
}

/// A socket that takes and gives a few bytes at a time.
struct Choppy(DuplexStream, usize);

impl AsyncRead for Choppy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut piece = vec![0; self.1.min(buffer.remaining())];
        let mut piece = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut piece))?;
        buffer.put_slice(piece.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Choppy {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let most = self.1.min(bytes.len());
        Pin::new(&mut self.0).poll_write(cx, &bytes[..most])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A client by hand: what it sends can be altered on its way.
struct ByHand {
    connection: ClientConnection,
    socket: DuplexStream,
}

impl ByHand {
    async fn connect() -> (Self, Server) {
        let (socket, far) = duplex(64 * 1024);
        let config = Arc::new(client_config(&TLS13));
        let mut client =
            Self { connection: ClientConnection::new(config, name()).unwrap(), socket };
        let accept = tokio::spawn(ServerStream::accept(far, server_config()));
        while client.connection.is_handshaking() {
            client.send(|_| ()).await;
            if client.connection.is_handshaking() {
                client.receive().await.unwrap();
            }
        }
        client.send(|_| ()).await;
        (client, accept.await.unwrap().unwrap())
    }

    /// Sends what is ready, in one write.
    async fn send(&mut self, alter: impl FnOnce(&mut Vec<u8>)) {
        let mut wire = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut wire).unwrap();
        }
        alter(&mut wire);
        self.socket.write_all(&wire).await.unwrap();
    }

    async fn receive(&mut self) -> Result<(), Error> {
        let mut wire = [0; 4096];
        let length = self.socket.read(&mut wire).await.unwrap();
        assert!(length > 0, "the server hung up without a word");
        let mut wire = &wire[..length];
        while !wire.is_empty() {
            self.connection.read_tls(&mut wire).unwrap();
            self.connection.process_new_packets()?;
        }
        Ok(())
    }

    fn say(&mut self, text: &[u8]) {
        std::io::Write::write_all(&mut self.connection.writer(), text).unwrap();
    }
}

fn bytes(length: usize, salt: u8) -> Vec<u8> {
    (0..length).map(|i| (i as u8).wrapping_mul(31).wrapping_add(salt)).collect()
}

/// Sends `data` in pieces and then the end; meanwhile receives until the end.
async fn exchange<S>(stream: S, data: Vec<u8>, piece: usize) -> (Vec<u8>, S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut reader, mut writer) = split(stream);
    // Two tasks: each has to be woken for its own direction.
    let writing = tokio::spawn(async move {
        for piece in data.chunks(piece) {
            writer.write_all(piece).await.unwrap();
        }
        writer.shutdown().await.unwrap();
        writer
    });
    let mut received = Vec::new();
    let mut buffer = vec![0; piece];
    loop {
        // A read that is given up and asked for again loses nothing.
        let read = tokio::select! {
            biased;
            read = reader.read(&mut buffer) => read.unwrap(),
            () = tokio::task::yield_now() => continue,
        };
        if read == 0 {
            break;
        }
        received.extend_from_slice(&buffer[..read]);
    }
    (received, reader.unsplit(writing.await.unwrap()))
}

fn run<F: Future>(work: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, work).await.expect("in time") })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_the_pieces_both_sides_read_what_the_other_wrote(
        tls12: bool,
        pipe in prop_oneof![16..100usize, 100..40_000usize],
        chop in prop_oneof![1..10usize, 10..20_000usize],
        piece in prop_oneof![1..100usize, 100..100_000usize],
        fragment in prop_oneof![Just(None), (32..3000usize).prop_map(Some)],
        up in 0..90_000usize,
        down in 0..90_000usize,
    ) {
        run(async {
            // Small pieces take a wake or a record per few bytes.
            let most = 100 * chop.min(piece);
            let (up, down) = (up.min(most), down.min(most));
            let mut config = client_config(if tls12 { &TLS12 } else { &TLS13 });
            config.max_fragment_size = fragment;
            let (near, far) = duplex(pipe);
            let client = async {
                let client = TlsConnector::from(Arc::new(config)).connect(name(), near).await;
                exchange(client.unwrap(), bytes(up, 1), piece).await
            };
            let server = async {
                let far = Choppy(far, chop);
                let server = ServerStream::accept(far, server_config()).await;
                exchange(server.unwrap(), bytes(down, 2), piece).await
            };
            let ((at_client, _), (at_server, _)) = tokio::join!(client, server);
            assert!(at_client == bytes(down, 2) && at_server == bytes(up, 1));
        });
    }
}

#[tokio::test]
async fn idle_connections_hold_no_bytes() {
    let (mut client, mut server) = pair(1 << 20).await;
    for _ in 0..3 {
        client.write_all(&bytes(40_000, 0)).await.unwrap();
        client.flush().await.unwrap();
        let mut piece = [0; 100];
        for _ in 0..400 {
            server.read_exact(&mut piece).await.unwrap();
        }
        server.write_all(&bytes(200_000, 0)).await.unwrap();
        server.flush().await.unwrap();
        client.read_exact(&mut vec![0; 200_000]).await.unwrap();
    }
    let tls = &server.tls;
    assert_eq!((tls.plain.capacity(), tls.unsent.capacity()), (0, 0));
    assert_eq!(tls.records.partial().len(), 0);
}

#[tokio::test]
async fn a_client_that_reads_nothing_stops_the_writer() {
    let (mut client, mut server) = pair(1000).await;
    let piece = bytes(1 << 20, 3);
    let taken = server.write(&piece).await.unwrap();
    assert!(taken <= WRITE);
    for _ in 0..10 {
        assert!(futures_util::poll!(std::pin::pin!(server.write(&piece))).is_pending());
    }
    let held = server.tls.unsent.bytes().len();
    assert!(held > 0 && held < WRITE + 1024, "{held}");
    // Nothing is lost by it.
    let reading = async {
        let mut received = vec![0; taken];
        client.read_exact(&mut received).await.unwrap();
        received
    };
    let (received, flushed) = tokio::join!(reading, server.flush());
    flushed.unwrap();
    assert!(received == piece[..taken]);
}

#[tokio::test]
async fn a_client_that_is_done_can_still_be_written_to() {
    let (mut client, mut server) = pair(1000).await;
    client.write_all(b"last words").await.unwrap();
    client.shutdown().await.unwrap();
    let mut received = Vec::new();
    server.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"last words");
    assert_eq!(server.read(&mut [0; 10]).await.unwrap(), 0);
    let answer = async {
        server.write_all(&bytes(50_000, 4)).await.unwrap();
        server.shutdown().await.unwrap();
    };
    let (mut received, ()) = (Vec::new(), ());
    let (read, ()) = tokio::join!(client.read_to_end(&mut received), answer);
    // Without our close_notify the client would report a truncated stream.
    read.unwrap();
    assert!(received == bytes(50_000, 4));
    let error = server.write(b"more").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_socket_that_ends_without_a_close_notify_is_an_error() {
    let (mut client, mut server) = ByHand::connect().await;
    client.say(b"cut o");
    client.send(|_| ()).await;
    client.say(b"ff");
    client.send(|wire| wire.truncate(wire.len() - 1)).await;
    drop(client);
    let mut received = Vec::new();
    let error = server.read_to_end(&mut received).await.unwrap_err();
    assert_eq!((error.kind(), &*received), (io::ErrorKind::UnexpectedEof, &b"cut o"[..]));
}

#[tokio::test]
async fn a_tampered_record_ends_the_connection_with_an_alert_behind_what_was_good() {
    let (mut client, mut server) = ByHand::connect().await;
    client.say(b"good");
    let mut wire = Vec::new();
    client.connection.write_tls(&mut wire).unwrap();
    client.say(b"evil");
    client
        .send(|tampered| {
            let last = tampered.len() - 1;
            tampered[last] ^= 1;
            tampered.splice(0..0, wire);
        })
        .await;
    let mut received = [0; 4];
    server.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"good");
    for _ in 0..2 {
        let error = server.read(&mut received).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    }
    server.write(b"more").await.unwrap_err();
    let told = loop {
        if let Err(error) = client.receive().await {
            break error;
        }
    };
    assert_eq!(told, Error::AlertReceived(rustls::AlertDescription::BadRecordMac));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn keys_change_while_both_sides_talk() {
    let (mut client, mut server) = pair(1000).await;
    for round in 0..5 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        let (up, down) = (bytes(3000, round), bytes(3000, round + 1));
        let talk = async {
            client.write_all(&up).await.unwrap();
            client.flush().await.unwrap();
            let mut received = vec![0; 3000];
            client.read_exact(&mut received).await.unwrap();
            received
        };
        let answer = async {
            let mut received = vec![0; 3000];
            server.read_exact(&mut received).await.unwrap();
            server.write_all(&down).await.unwrap();
            server.flush().await.unwrap();
            received
        };
        let (at_client, at_server) = tokio::join!(talk, answer);
        assert!(at_client == down && at_server == up);
    }
}

#[tokio::test]
async fn what_is_no_handshake_is_refused_with_an_alert() {
    for garbage in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[22, 3, 1, 255, 255, 0], &[22, 3, 1, 0, 4, 9, 0, 0, 0]]
    {
        let (mut client, far) = duplex(1000);
        client.write_all(garbage).await.unwrap();
        let error = ServerStream::accept(far, server_config()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        let mut alert = Vec::new();
        client.read_to_end(&mut alert).await.unwrap();
        assert!(matches!(alert[..], [21, 3, _, 0, 2, 2, _]), "{alert:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_during_the_handshake_is_an_end_too_early() {
    let (client, far) = duplex(1000);
    drop(client);
    let error = ServerStream::accept(far, server_config()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn an_endless_handshake_message_is_not_kept() {
    let (mut client, far) = duplex(1 << 16);
    let accept = tokio::spawn(ServerStream::accept(far, server_config()));
    // A ClientHello of 65,000 bytes, a byte a record.
    let mut record = [22, 3, 1, 0, 4, 1, 0, 0xfd, 0xe8].to_vec();
    let mut sent = 0;
    while client.write_all(&record).await.is_ok() {
        sent += record.len();
        record = [22, 3, 1, 0, 1, 0].repeat(1000);
    }
    // What is kept, and what is in the pipe.
    assert!(sent < 3 << 16, "{sent}");
    let error = accept.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
}
