//! The `chat` command as people and scripts run it: a process, with a folder like that of a local
//! cluster, against a scripted server over real TLS.

mod peer;

use std::{
    fs::{self, File},
    os::fd::OwnedFd,
    process::Stdio,
    time::UNIX_EPOCH,
};

use chatcluster_client::protocol::{
    client::{
        ClientFrame, Error, ErrorCode, Expiring, HistoryPage, IsTyping, Presences, Receipt,
        ReceiptKind, ServerFrame, UserPresence,
    },
    id::ConversationId,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use peer::{Ca, Peer, id, message, user, within};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStdout, Command},
};

const KEY: &[u8] = b"a secret of at least 32 bytes, as the gateways have it";

/// A data folder as the operator writes it, and a place for the state of devices.
struct Cluster {
    folder: TempDir,
    peer: Peer,
}

impl Cluster {
    async fn new() -> Self {
        let ca = Ca::new();
        Self::trusting(&ca, &ca).await
    }

    #[allow(clippy::unwrap_used)] // a helper of tests
    async fn trusting(trusted: &Ca, issuer: &Ca) -> Self {
        let peer = Peer::new(issuer).await;
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("keys")).unwrap();
        fs::write(folder.path().join("keys/user-token.key"), KEY).unwrap();
        fs::copy(trusted.file(), folder.path().join("ca.pem")).unwrap();
        let url = peer.url();
        let yaml = format!(
            "gateways: [{{name: gateway-0, url: '{url}'}}]\nca: ca.pem\nmessages: {{http: 'https://x'}}\n"
        );
        fs::write(folder.path().join("endpoints.yaml"), yaml).unwrap();
        Self { folder, peer }
    }

    fn chat(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
        command
            .args(args)
            .env("CHATCLUSTER_DATA", self.folder.path())
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .env_remove("CHATCLUSTER_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// Exit code, standard output and standard error.
#[allow(clippy::unwrap_used)] // a helper of tests
async fn finish(child: Child) -> (Option<i32>, String, String) {
    let output = within("the end of chat", child.wait_with_output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[allow(clippy::unwrap_used)] // a helper of tests
async fn line_with(lines: &mut Lines<BufReader<ChildStdout>>, part: &str) -> String {
    within(part, async {
        loop {
            let line = lines.next_line().await.unwrap().unwrap_or_else(|| panic!("no {part}"));
            if line.contains(part) {
                return line;
            }
        }
    })
    .await
}

fn receipt(kind: ReceiptKind) -> ServerFrame {
    ServerFrame::Receipt(Receipt {
        receipt: id(9, if kind == ReceiptKind::Read { "read" } else { "delivered" }),
        kind,
        conversation: ConversationId::between(&user("alice"), &user("bob")),
        user: user("bob"),
        up_to: id(5, "mine"),
        at: 9,
    })
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    iat: u64,
}

#[allow(clippy::unwrap_used)] // a helper of tests
fn verify(token: &str) -> Claims {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&["chatcluster"]);
    jsonwebtoken::decode(token.trim(), &DecodingKey::from_secret(KEY), &validation).unwrap().claims
}

#[tokio::test]
async fn a_token_for_a_user_of_the_local_cluster_is_one_that_gateways_verify() {
    let cluster = Cluster::new().await;
    let child = cluster.chat(&["token", "--user", "alice", "--ttl", "90m"]).spawn().unwrap();
    let (code, out, _) = finish(child).await;
    let claims = verify(&out);
    assert_eq!((code, claims.sub.as_str(), claims.exp - claims.iat), (Some(0), "alice", 5400));
}

#[tokio::test]
async fn a_token_is_made_with_the_key_of_any_cluster() {
    let cluster = Cluster::new().await;
    let key = cluster.folder.path().join("keys/user-token.key");
    let token = async |more: &[&str]| {
        let mut chat = cluster.chat(&["token", "--user", "alice", "--data", "/nowhere"]);
        finish(chat.args(more).spawn().unwrap()).await
    };
    let (code, out, _) = token(&["--key", key.to_str().unwrap()]).await;
    assert_eq!((code, verify(&out).sub.as_str()), (Some(0), "alice"));
    let (code, _, error) = token(&["--url", "wss://chat.example:8443"]).await;
    assert_eq!(code, Some(2));
    assert!(error.contains("--key FILE"), "{error}");
}

#[tokio::test]
async fn a_url_that_cannot_work_is_told_at_once() {
    let cluster = Cluster::new().await;
    let tls = cluster.peer.url().replace("wss://127.0.0.1", "ws://localhost");
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = format!("ws://{}/nowhere", http.local_addr().unwrap());
    let token = cluster.folder.path().join("token");
    let made = cluster.chat(&["token", "--user", "alice"]).spawn().unwrap();
    fs::write(&token, finish(made).await.1).unwrap();
    let send = |url: &str| {
        let args = ["send", "--user", "alice", "--to", "bob", "--url", url, "--token-file"];
        cluster.chat(&args).arg(&token).arg("hello").spawn().unwrap()
    };
    let (end, refused) = tokio::join!(finish(send(&tls)), cluster.peer.accept_tls());
    assert!(refused.is_err());
    assert_eq!(end.0, Some(2), "{end:?}");
    assert!(end.2.contains("try wss://"), "{end:?}");

    let answer = async {
        let (mut socket, _) = http.accept().await.unwrap();
        assert!(socket.read(&mut [0; 4096]).await.unwrap() > 0);
        let gone = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        socket.write_all(gone).await.unwrap();
    };
    let (end, ()) = tokio::join!(finish(send(&plain)), answer);
    assert_eq!(end.0, Some(2), "{end:?}");
    assert!(end.2.contains("404") && end.2.contains("not that of a gateway"), "{end:?}");
}

#[tokio::test]
async fn send_prints_the_id_of_the_message_once_it_is_stored() {
    let cluster = Cluster::new().await;
    let args = ["send", "--user", "alice", "--to", "bob", "hello"];
    let child = cluster.chat(&args).spawn().unwrap();
    let (mut conn, hello) = cluster.peer.session().await;
    assert_eq!(verify(&hello.token).sub, "alice");
    // Somebody else's message is left to a program that shows it.
    conn.write(&message(id(3, "unread"), "unread")).await;
    let send = conn.read_send().await;
    assert_eq!(send.content.body.as_str(), "hello");
    conn.answer(&send, id(5, "mine")).await;
    assert_eq!(conn.read_close().await, 1000);
    conn.close(1000).await;
    assert_eq!(finish(child).await, (Some(0), format!("{}\n", id(5, "mine")), String::new()));
}

#[tokio::test]
async fn send_reads_standard_input_and_a_reference_of_the_script() {
    let cluster = Cluster::new().await;
    let args = ["send", "--user", "alice", "--to", "bob", "--ref", "job-7", "--json", "-"];
    let mut child = cluster.chat(&args).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"two\nlines\n").await.unwrap();
    let (mut conn, _) = cluster.peer.session().await;
    let send = conn.read_send().await;
    assert_eq!((send.reference.as_str(), send.content.body.as_str()), ("job-7", "two\nlines"));
    conn.answer(&send, id(5, "mine")).await;
    conn.close(1000).await;
    let (code, out, _) = finish(child).await;
    let ServerFrame::Sent(sent) = serde_json::from_str(&out).unwrap() else { panic!("{out}") };
    assert_eq!((code, sent.message), (Some(0), id(5, "mine")));
}

#[tokio::test]
async fn each_way_to_fail_has_its_exit_code() {
    let cluster = Cluster::new().await;
    let send = ["send", "--user", "alice", "--to", "bob", "hello"];

    let child = cluster.chat(&send).spawn().unwrap();
    let (mut conn, _) = cluster.peer.session().await;
    let refused = conn.read_send().await;
    conn.write(&ServerFrame::Error(Error {
        reference: Some(refused.reference),
        ..Error::new(ErrorCode::Forbidden, "bob has left")
    }))
    .await;
    conn.close(1000).await;
    let (code, out, err) = finish(child).await;
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("bob has left"), "{err}");

    let child = cluster
        .chat(&[&send[..], &["--timeout", "200ms", "--ref", "r1"]].concat())
        .spawn()
        .unwrap();
    let (code, _, err) = finish(child).await;
    assert_eq!(code, Some(3));
    assert!(err.contains("repeat it with --ref r1"), "{err}");

    let child = cluster
        .chat(&["--data", "/nowhere", "send", "--user", "a", "--to", "b", "c"])
        .spawn()
        .unwrap();
    let (code, _, err) = finish(child).await;
    assert_eq!(code, Some(2));
    assert!(err.contains("chatcluster-operator local"), "{err}");
}

#[tokio::test]
async fn a_closed_door_tells_what_to_change() {
    let cluster = Cluster::trusting(&Ca::new(), &Ca::new()).await;
    let child = cluster.chat(&["send", "--user", "alice", "--to", "bob", "hello"]).spawn().unwrap();
    assert!(cluster.peer.accept_tls().await.is_err());
    let (code, _, err) = finish(child).await;
    assert_eq!(code, Some(4));
    assert!(err.contains("--ca FILE"), "{err}");

    let cluster = Cluster::new().await;
    let child = cluster.chat(&["listen", "--user", "alice"]).spawn().unwrap();
    let (conn, _) = cluster.peer.session().await;
    conn.close(4204).await;
    let (code, _, err) = finish(child).await;
    assert_eq!(code, Some(4));
    assert!(err.contains("another program uses the same device"), "{err}");
}

#[tokio::test]
async fn listen_prints_each_message_once_over_several_runs() {
    let cluster = Cluster::new().await;
    let args = ["listen", "--user", "alice", "--json", "--count", "1"];
    let mut devices = Vec::new();
    for text in ["first", "second"] {
        let child = cluster.chat(&args).spawn().unwrap();
        let (mut conn, hello) = cluster.peer.session().await;
        devices.push(hello.device);
        conn.write(&message(id(7, "first"), "first")).await;
        conn.write(&message(id(8, text), text)).await;
        let acked = conn.read_acks(devices.len()).await;
        assert_eq!(acked[0], id(7, "first"));
        conn.close(1000).await;
        let (code, out, _) = finish(child).await;
        assert_eq!(code, Some(0));
        let messages: Vec<_> =
            out.lines().filter(|line| line.contains(r#""type":"message""#)).collect();
        assert_eq!(messages.len(), 1, "{out}");
        assert!(messages[0].contains(text), "{out}");
    }
    assert_eq!(devices[0], devices[1]);
}

#[tokio::test]
async fn a_token_of_a_file_is_replaced_by_what_the_file_has_when_it_expires_soon() {
    let cluster = Cluster::new().await;
    let file = cluster.folder.path().join("token");
    let made = async |ttl| {
        let child = cluster.chat(&["token", "--user", "alice", "--ttl", ttl]).spawn().unwrap();
        fs::write(&file, finish(child).await.1).unwrap();
    };
    made("1h").await;
    let _child = cluster.chat(&["listen", "--token-file"]).arg(&file).spawn().unwrap();
    let (mut conn, hello) = cluster.peer.session().await;
    made("2h").await;
    conn.write(&ServerFrame::Expiring(Expiring { expires: 5 })).await;
    let ClientFrame::Refresh(refresh) = conn.read().await else { panic!("no refresh") };
    assert!(verify(&refresh.token).exp >= verify(&hello.token).exp + 3600);
}

#[tokio::test]
async fn listen_says_that_the_only_token_expires_soon() {
    let cluster = Cluster::new().await;
    let made = finish(cluster.chat(&["token", "--user", "alice"]).spawn().unwrap()).await.1;
    let mut chat = cluster.chat(&["listen", "--json"]);
    let mut child = chat.env("CHATCLUSTER_TOKEN", made).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut conn, _) = cluster.peer.session().await;
    conn.write(&ServerFrame::Expiring(Expiring { expires: 1_700_000_000_000 })).await;
    let line = line_with(&mut lines, "expiring").await;
    assert_eq!(line, r#"{"type":"expiring","expires":1700000000000}"#);
}

#[tokio::test]
async fn history_prints_the_oldest_first_and_asks_for_as_many_pages_as_it_takes() {
    let cluster = Cluster::new().await;
    let args = ["history", "--user", "alice", "--with", "bob", "--limit", "3"];
    let filters = ["--sender", "bob", "--type", "text/*", "--since", "5", "--until", "1h"];
    let args = [&args[..], &filters].concat();
    let child = cluster.chat(&args).spawn().unwrap();
    let (mut conn, _) = cluster.peer.session().await;
    for (texts, before) in [(&["four", "three"][..], None), (&["two"][..], Some(id(3, "three")))] {
        let ClientFrame::History(asked) = conn.read().await else { panic!("no history") };
        assert_eq!(
            (asked.before, asked.limit),
            (before, Some(if before.is_none() { 3 } else { 1 }))
        );
        let sender = asked.sender.unwrap();
        assert_eq!((sender.as_str(), asked.content_type.unwrap().as_str()), ("bob", "text/*"));
        assert_eq!(asked.since, Some(5));
        let now = UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
        assert!((1_700_000_000_000..now - 3_500_000).contains(&asked.until.unwrap()));
        let messages = texts.iter().map(|text| match message(id(3, text), text) {
            ServerFrame::Message(message) => message,
            other => panic!("{other:?}"),
        });
        let next = Some(id(3, "three"));
        let page =
            HistoryPage { id: asked.id, messages: messages.collect(), next, stable_up_to: 0 };
        conn.write(&ServerFrame::History(page)).await;
    }
    conn.close(1000).await;
    let (code, out, _) = finish(child).await;
    let said: Vec<_> = out.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!((code, said), (Some(0), vec!["two", "three", "four"]));
}

#[tokio::test]
async fn a_device_is_held_by_one_program_and_sending_goes_beside_it() {
    let cluster = Cluster::new().await;
    let listening = cluster.chat(&["listen", "--user", "alice"]).spawn().unwrap();
    let (_first, hello) = cluster.peer.session().await;

    let second = cluster.chat(&["listen", "--user", "alice"]).spawn().unwrap();
    let (code, _, err) = finish(second).await;
    assert_eq!(code, Some(4));
    assert!(err.contains("in use by another program"), "{err}");

    let _sending = cluster.chat(&["send", "--user", "alice", "--to", "bob", "x"]).spawn().unwrap();
    let (_conn, beside) = cluster.peer.session().await;
    assert_eq!(beside.device.as_str(), format!("{}.1", hello.device));
    drop(listening);
}

#[tokio::test]
async fn a_conversation_from_a_pipe_shows_its_ticks() {
    let cluster = Cluster::new().await;
    let mut child =
        cluster.chat(&["--user", "alice", "--to", "bob"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut stdin = child.stdin.take().unwrap();
    let (mut conn, _) = cluster.peer.session().await;
    line_with(&mut lines, "-- connected to wss://").await;

    let ClientFrame::Presence(watch) = conn.read().await else { panic!("nobody is watched") };
    assert_eq!(watch.users, [user("bob")]);
    let users = vec![UserPresence { user: user("bob"), online: true, last_seen: None }];
    conn.write(&ServerFrame::Presence(Presences { id: Some(watch.id), users })).await;
    assert_eq!(line_with(&mut lines, "online").await, "-- bob is online");

    stdin.write_all(b"hello bob\n").await.unwrap();
    let send = conn.read_send().await;
    assert!(line_with(&mut lines, "hello bob").await.contains("·"));
    conn.answer(&send, id(5, "mine")).await;
    assert!(line_with(&mut lines, "hello bob").await.contains('✓'));
    conn.write(&receipt(ReceiptKind::Delivered)).await;
    assert!(line_with(&mut lines, "hello bob").await.contains("✓✓"));
    conn.write(&receipt(ReceiptKind::Read)).await;
    assert!(line_with(&mut lines, "hello bob").await.ends_with("bob has read: hello bob"));
    for _ in 0..2 {
        let conversation = ConversationId::between(&user("alice"), &user("bob"));
        let typing = IsTyping { from: user("bob"), conversation, expires_in: 6_000 };
        conn.write(&ServerFrame::Typing(typing)).await;
    }
    assert_eq!(line_with(&mut lines, "typing").await, "-- bob is typing…");
    conn.write(&message(id(6, "hi"), "hi \u{1b}[31malice")).await;
    // Once, however often it is told.
    assert!(line_with(&mut lines, "").await.ends_with("bob: hi \u{fffd}[31malice"));
    // What is on the screen is read.
    let read = loop {
        if let ClientFrame::Read(read) = conn.read().await {
            break read;
        }
    };
    assert_eq!(read.up_to, id(6, "hi"));

    stdin.write_all(b"/to carol\nhello carol\n").await.unwrap();
    drop(stdin);
    let send = loop {
        if let ClientFrame::Send(send) = conn.read().await {
            break send;
        }
    };
    assert_eq!(serde_json::to_value(&send.to).unwrap()["user"], "carol");
    conn.answer(&send, id(7, "carol")).await;
    assert!(line_with(&mut lines, "hello carol").await.contains('✓'));
    conn.close(1000).await;
    assert_eq!(finish(child).await.0, Some(0));
}

#[tokio::test]
async fn at_a_terminal_a_message_arrives_while_a_line_is_edited() {
    let cluster = Cluster::new().await;
    let pty = nix::pty::openpty(None, None).unwrap();
    let side = || Stdio::from(pty.slave.try_clone().unwrap());
    let mut child = cluster
        .chat(&["--user", "alice", "--to", "bob"])
        .env("TERM", "xterm")
        .stdin(side())
        .stdout(side())
        .spawn()
        .unwrap();
    let master: OwnedFd = pty.master;
    let mut keyboard = tokio::fs::File::from_std(File::from(master.try_clone().unwrap()));
    let mut screen =
        Terminal { out: tokio::fs::File::from_std(File::from(master)), seen: String::new() };
    let (mut conn, _) = cluster.peer.session().await;
    screen.shows("connected to").await;
    screen.shows("bob> ").await;

    keyboard.write_all(b"half a li").await.unwrap();
    keyboard.flush().await.unwrap();
    screen.shows("half a li").await;
    conn.write(&message(id(6, "hi"), "hi alice")).await;
    screen.shows("hi alice").await;
    screen.shows("half a li").await; // drawn again below the message
    keyboard.write_all(b"ne\r").await.unwrap();
    keyboard.flush().await.unwrap();
    let send = loop {
        if let ClientFrame::Send(send) = conn.read().await {
            break send;
        }
    };
    assert_eq!(send.content.body.as_str(), "half a line");
    conn.answer(&send, id(7, "mine")).await;
    screen.shows("✓").await;

    conn.close(4204).await;
    let status = within("the end of chat", child.wait()).await.unwrap();
    assert_eq!(status.code(), Some(4));
    let modes = nix::sys::termios::tcgetattr(&pty.slave).unwrap();
    assert!(
        modes.local_flags.contains(nix::sys::termios::LocalFlags::ECHO),
        "left the terminal raw"
    );
}

/// What a terminal shows, in the order of its showing.
struct Terminal {
    out: tokio::fs::File,
    seen: String,
}

impl Terminal {
    /// Waits until this is shown, and forgets everything up to it.
    #[allow(clippy::unwrap_used)] // a helper of tests
    async fn shows(&mut self, part: &str) {
        within(part, async {
            let mut buffer = [0; 4096];
            while !self.seen.contains(part) {
                let read = self.out.read(&mut buffer).await.unwrap();
                self.seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
            let end = self.seen.find(part).unwrap() + part.len();
            self.seen.drain(..end);
        })
        .await;
    }
}
