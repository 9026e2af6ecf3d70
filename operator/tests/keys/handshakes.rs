//! A rotation under real TLS: after each single write, whoever still has the Secrets from before the write
//! and whoever already has those from after it meet without a refused handshake.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use chatcluster_config::{MutualTls, Role};
use chatcluster_operator::kubernetes::keys::{KeyPlan, WantedKeys, plan};
use chatcluster_runtime::tls::{Handshakes, RoleCertificate, TlsListener};
use k8s_openapi::api::core::v1::Secret;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::world::{Store, text, wanted};

/// A program with a role: it runs through the whole rotation and loads its files again when told to.
struct Program {
    folder: tempfile::TempDir,
    role: Role,
    certificate: RoleCertificate,
}

impl Program {
    fn start(role: Role, secret: &Secret) -> Self {
        let folder = tempfile::tempdir().unwrap();
        project(secret, folder.path());
        let file = |name| folder.path().join(name);
        let tls = MutualTls {
            certificate: file("tls.crt"),
            key: file("tls.key"),
            ca: file("ca.crt"),
            identity: wanted().identity(),
        };
        let certificate = RoleCertificate::load(&tls).unwrap();
        Self { folder, role, certificate }
    }

    /// What a kubelet does, and then the program.
    fn take(&self, secret: &Secret) {
        project(secret, self.folder.path());
        self.certificate.reload().unwrap();
    }
}

fn project(secret: &Secret, folder: &Path) {
    for key in ["tls.crt", "tls.key", "ca.crt"] {
        // A new file each time, as a kubelet makes: files of the same size and moment look alike.
        let new = folder.join("new");
        fs::write(&new, text(secret, key)).unwrap();
        fs::rename(&new, folder.join(key)).unwrap();
    }
}

/// A server that takes gateways, and echoes one byte of each.
struct Server {
    program: Program,
    port: u16,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(program: Program) -> Self {
        let config = program.certificate.server_config(&[Role::Gateway], &[]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut listener = TlsListener::new(listener, Arc::clone(&config), Handshakes::default());
        let port = listener.local_addr().unwrap().port();
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
        Self { program, port, task }
    }

    async fn meet(&self, client: &Program) -> io::Result<u8> {
        let connector = client.certificate.connector(self.program.role, &[]).unwrap();
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let mut stream = connector.connect(stream).await?;
        stream.write_u8(7).await?;
        stream.read_u8().await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const GATEWAY: &str = "main-gateway-tls";
const MESSAGES: &str = "main-messages-tls";

/// Two gateways and the message service.
struct Fleet {
    client: Program,
    servers: [(Server, &'static str); 2],
    met: u32,
}

impl Fleet {
    async fn start(store: &Store) -> Self {
        let program = |role, name| Program::start(role, &store.secrets[name]);
        let servers = [
            (Server::start(program(Role::Messages, MESSAGES)).await, MESSAGES),
            (Server::start(program(Role::Gateway, GATEWAY)).await, GATEWAY),
        ];
        Self { client: program(Role::Gateway, GATEWAY), servers, met: 0 }
    }

    /// Every client meets every server, each with the Secrets from before or from after a write.
    async fn all_meet(&mut self, before: &Store, after: &Store, when: &str) {
        for (at_client, client) in [("old", before), ("new", after)] {
            self.client.take(&client.secrets[GATEWAY]);
            for (at_server, server) in [("old", before), ("new", after)] {
                for (one, name) in &self.servers {
                    one.program.take(&server.secrets[*name]);
                    let met = one.meet(&self.client).await;
                    let who = format!("{at_client} gateway, {at_server} {name}, {when}");
                    assert_eq!(met.unwrap_or_else(|error| panic!("{who}: {error}")), 7);
                    self.met += 1;
                }
            }
        }
    }
}

#[tokio::test]
async fn no_handshake_is_refused_through_a_whole_rotation() {
    let now = std::time::SystemTime::now();
    let mut store = Store::default();
    store.ensure(&wanted(), Duration::ZERO, now).unwrap();
    let first = store.clone();
    let mut fleet = Fleet::start(&store).await;
    let asked = WantedKeys { rotate: Some("1".into()), ..wanted() };

    // What every program has taken by the end of the last pause.
    let mut settled = store.clone();
    let (mut unchanged_for, mut steps) = (asked.pause, Vec::new());
    loop {
        match plan(&asked, &store.seen(&asked, unchanged_for), now).unwrap() {
            KeyPlan::Write(writes) => {
                unchanged_for = Duration::ZERO;
                for planned in writes {
                    assert!(store.write(&planned.write));
                    let step = planned.event.to_string();
                    fleet.all_meet(&settled, &store, &step).await;
                    steps.push(step);
                }
            }
            KeyPlan::Good(_) if unchanged_for.is_zero() => {
                unchanged_for = asked.pause;
                settled = store.clone();
            }
            KeyPlan::Good(_) => break,
        }
    }
    assert_eq!(steps.len(), 12, "{steps:?}: three times the CA and three certificates");
    assert_eq!(fleet.met, 12 * 8);

    // And a program that had slept through all of it is refused.
    fleet.client.take(&first.secrets[GATEWAY]);
    for (server, name) in &fleet.servers {
        server.program.take(&store.secrets[*name]);
        server.meet(&fleet.client).await.unwrap_err();
    }
}
