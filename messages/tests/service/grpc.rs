//! The gRPC port over real mutual TLS.

use std::sync::Arc;

use bytes::Bytes;
use chatcluster_config::Role;
use chatcluster_messages::{
    embedded::{Embedded, WriterThread},
    grpc::{self, GrpcService},
};
use chatcluster_messages_api::v1::{
    self, append_result::Result as Outcome, messages_client::MessagesClient,
};
use chatcluster_protocol::id::{ConversationId, MessageId};
use chatcluster_runtime::tls::{Handshakes, RoleCertificate, TlsListener};
use chatcluster_testkit::certificates::Certificates;
use messages_core::repository::{Quorum, Repository};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Code, transport::Channel};

use crate::harness::*;

struct Service {
    certificates: Certificates,
    port: u16,
    clock: SetClock,
    repository: Arc<Quorum<Embedded>>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
    _writer: WriterThread,
}

impl Service {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, metrics) = (SetClock::new(), metrics());
        let path = folder.path().join("messages.redb");
        let (replica, writer) = Embedded::open(&path, clock.clock(), metrics.clone()).unwrap();
        let repository = Arc::new(Quorum::of_one(replica));
        let certificates = Certificates::new().unwrap();
        let own = certificates.role("messages", Role::Messages).unwrap();
        let tls = RoleCertificate::load(&own).unwrap();
        let tls = tls.server_config(&[Role::Gateway], &["h2"]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = TlsListener::new(listener, tls, Handshakes::default()).into_stream();
        let service = GrpcService::new(repository.clone(), clock.clock(), metrics);
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move { grpc::serve(connections, service, stopped).await.unwrap() });
        Self { certificates, port, clock, repository, stop, _folder: folder, _writer: writer }
    }

    async fn gateway(&self) -> MessagesClient<Channel> {
        let tls = self.certificates.role("gateway", Role::Gateway).unwrap();
        client(&tls, self.port).await.unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn store(client: &mut MessagesClient<Channel>, appends: Vec<v1::Append>) -> Vec<Outcome> {
    let answer = client.append(v1::AppendRequest { appends }).await.unwrap().into_inner();
    answer.results.into_iter().map(|one| one.result.unwrap()).collect()
}

async fn register(
    client: &mut MessagesClient<Channel>,
    user: &str,
    of: &str,
) -> v1::RegisterResponse {
    client
        .register(v1::RegisterRequest { device: device(user, of), issued: NOW })
        .await
        .unwrap()
        .into_inner()
}

#[tokio::test]
async fn gateways_are_told_which_devices_are_not_known_and_which_tokens_make_none_known() {
    let service = Service::start().await;
    let mut gateway = service.gateway().await;
    register(&mut gateway, "bob", "phone").await;
    let devices = ["laptop", "phone", "tablet"].map(|of| device("bob", of).unwrap());
    let request = v1::SeenRequest { devices: devices.to_vec() };
    for _ in 0..2 {
        let seen = gateway.seen(request.clone()).await.unwrap().into_inner();
        assert_eq!(seen.unknown, [0, 2]);
    }
    service.repository.revoke(user("eve"), None, NOW).await.unwrap();
    let by = |issued| v1::RegisterRequest { device: device("eve", "phone"), issued };
    for (issued, created) in [(0, false), (NOW - 1, false), (NOW, true)] {
        let answer = gateway.register(by(issued)).await.unwrap().into_inner();
        assert_eq!((answer.created, answer.revoked_before), (created, NOW), "{issued}");
    }
    let request = v1::SeenRequest { devices: vec![device("bob", "phone").unwrap(); 1001] };
    let refused = gateway.seen(request).await.unwrap_err();
    assert!(refused.message().starts_with("devices: "), "{refused}");
}

#[tokio::test]
async fn a_message_travels_from_append_to_receipt() {
    let service = Service::start().await;
    let mut gateway = service.gateway().await;
    assert!(register(&mut gateway, "bob", "phone").await.created);
    assert!(!register(&mut gateway, "bob", "phone").await.created);
    register(&mut gateway, "alice", "phone").await;

    let hi = append("alice", "bob", "r-1", NOW, "hi");
    let [Outcome::Stored(stored)] = &store(&mut gateway, vec![hi.clone()]).await[..] else {
        panic!()
    };
    let conversation = ConversationId::between(&user("alice"), &user("bob"));
    assert_eq!((&stored.id, &stored.conversation[..]), (&hi.id, &conversation.to_bytes()[..]));
    assert_eq!(stored.devices, [device("bob", "phone").unwrap()]);

    let waiting = inbox(&mut gateway, "bob", "phone").await;
    let [message] = &waiting.messages[..] else { panic!("{waiting:?}") };
    assert_eq!((&message.id, &message.sender, &message.content), (&hi.id, &hi.sender, &hi.content));
    assert_eq!(message.to, Some(v1::stored_message::To::User("bob".into())));

    let acknowledgement = v1::Acknowledgement {
        device: device("bob", "phone"),
        messages: vec![hi.id.clone()],
        receipts: vec![],
        stamp: bytes(MessageId::floor(NOW + 5)),
    };
    let request = v1::AcknowledgeRequest { acknowledgements: vec![acknowledgement] };
    let stored = gateway.acknowledge(request).await.unwrap().into_inner().receipts;
    assert_eq!(stored[0].devices, [device("alice", "phone").unwrap()]);
    assert_eq!(inbox(&mut gateway, "bob", "phone").await.messages, []);
    let receipts = inbox(&mut gateway, "alice", "phone").await.receipts;
    assert_eq!(receipts[..], [stored[0].receipt.clone().unwrap()]);
    assert_eq!((&receipts[0].up_to, &receipts[0].user[..]), (&hi.id, "bob"));
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let service = Service::start().await;
    let mut gateway = service.gateway().await;
    let high = append("alice", "bob", "1", NOW + 10, "hi");
    let outcomes = store(
        &mut gateway,
        vec![
            high.clone(),
            append("alice", "bob", "2", NOW + 9, "low"),
            append("alice", "carol", "3", NOW - 60_001, "old"),
            append("alice", "dave", "4", NOW + 60_001, "new"),
            append("alice", "erin", "1", NOW + 11, "other content"),
        ],
    )
    .await;
    use v1::refused::Reason;
    assert!(matches!(&outcomes[0], Outcome::Stored(_)));
    let reason = |at: usize| match &outcomes[at] {
        Outcome::Refused(refused) => (refused.reason(), refused.highest.clone()),
        Outcome::Stored(_) => panic!("{at} was stored"),
    };
    assert_eq!(reason(1), (Reason::OutOfOrder, high.id));
    assert_eq!(reason(2).0, Reason::TooOld);
    assert_eq!(reason(3).0, Reason::TooNew);
    assert_eq!(reason(4).0, Reason::ReferenceConflict);
}

#[tokio::test]
async fn marks_are_answered_one_by_one_with_whom_to_tell() {
    let service = Service::start().await;
    let mut gateway = service.gateway().await;
    for (name, of) in [("bob", "phone"), ("bob", "laptop"), ("alice", "phone")] {
        register(&mut gateway, name, of).await;
    }
    let hi = append("alice", "bob", "r-1", NOW, "hi");
    store(&mut gateway, vec![hi.clone()]).await;
    let conversation = ConversationId::between(&user("alice"), &user("bob")).to_bytes();
    let mark = |name: &str, up_to: &Bytes| v1::ReadMark {
        device: device(name, "phone"),
        conversation: conversation.to_vec().into(),
        up_to: up_to.clone(),
        stamp: bytes(MessageId::floor(NOW + 5)),
    };
    let low = bytes(MessageId::floor(NOW - 1));
    let marks = vec![mark("mallory", &hi.id), mark("bob", &low), mark("bob", &hi.id)];
    let request = v1::MarkReadRequest { marks };
    let results = gateway.mark_read(request).await.unwrap().into_inner().results;
    use v1::mark_read_result::Refusal;
    let refusals: Vec<_> = results.iter().map(|result| result.refusal()).collect();
    assert_eq!(refusals, [Refusal::NoPart, Refusal::NoMessage, Refusal::None]);
    assert_eq!(results[2].up_to, hi.id);
    let mut told: Vec<_> = results[2].receipts.iter().flat_map(|r| r.devices.clone()).collect();
    told.sort_by(|a, b| a.user.cmp(&b.user));
    assert_eq!(told, [device("alice", "phone").unwrap(), device("bob", "laptop").unwrap()]);
    for (name, of) in [("alice", "phone"), ("bob", "laptop")] {
        let receipts = inbox(&mut gateway, name, of).await.receipts;
        let [receipt] = &receipts[..] else { panic!("{receipts:?}") };
        assert_eq!((receipt.kind(), &receipt.user[..]), (v1::receipt::Kind::Read, "bob"));
    }

    let wrong = v1::ReadMark { up_to: vec![1].into(), ..mark("bob", &hi.id) };
    let request = v1::MarkReadRequest { marks: vec![mark("bob", &hi.id), wrong] };
    let status = gateway.mark_read(request).await.unwrap_err();
    assert!(status.message().starts_with("marks[1].up_to: "), "{status}");
}

#[tokio::test]
async fn who_may_see_whom_is_answered_by_position() {
    let service = Service::start().await;
    let mut gateway = service.gateway().await;
    let privacy = |presence_to: v1::PresenceTo, stamp: u64| v1::PrivacyRequest {
        user: "bob".into(),
        presence_to: presence_to.into(),
        stamp: bytes(MessageId::floor(stamp)),
    };
    let read = |users: &[&str]| v1::ReadPrivacyRequest {
        users: users.iter().map(ToString::to_string).collect(),
    };
    use v1::PresenceTo::{Contacts, Everybody, Nobody, Unspecified};
    for (set, is) in [
        (Unspecified, Contacts),
        (Everybody, Everybody),
        (Unspecified, Everybody),
        (Nobody, Nobody),
    ] {
        let answer = gateway.privacy(privacy(set, NOW)).await.unwrap().into_inner();
        assert_eq!(answer.presence_to(), is);
        let answer = gateway.read_privacy(read(&["alice", "bob"])).await.unwrap().into_inner();
        assert_eq!(answer.presence_to().collect::<Vec<_>>(), [Contacts, is], "{set:?}");
    }
    let unknown = v1::PrivacyRequest { presence_to: 9, ..privacy(Nobody, NOW) };
    let unstamped = v1::PrivacyRequest { stamp: Bytes::new(), ..privacy(Nobody, NOW) };
    for (wrong, field) in [(unknown, "presence_to: "), (unstamped, "stamp: ")] {
        let status = gateway.privacy(wrong).await.unwrap_err();
        assert!(status.message().starts_with(field), "{status}");
    }
    let status = gateway.read_privacy(read(&["bob", "no one"])).await.unwrap_err();
    assert!(status.message().starts_with("users[1]: "), "{status}");
}

#[tokio::test]
async fn contacts_are_those_to_whom_something_has_come() {
    let service = Service::start().await;
    let mut gateway = service.gateway().await;
    register(&mut gateway, "alice", "phone").await;
    let hi = append("bob", "alice", "r-1", NOW, "hi");
    store(&mut gateway, vec![hi.clone()]).await;
    let acknowledgement = v1::Acknowledgement {
        device: device("alice", "phone"),
        messages: vec![hi.id],
        stamp: bytes(MessageId::floor(NOW + 1)),
        ..Default::default()
    };
    let request = v1::AcknowledgeRequest { acknowledgements: vec![acknowledgement] };
    gateway.acknowledge(request).await.unwrap();
    let contact = |user: &str, to: &str| v1::Contact { user: user.into(), to: to.into() };
    let contacts = vec![contact("bob", "eve"), contact("bob", "alice"), contact("alice", "bob")];
    let request = v1::ReadContactsRequest { contacts };
    let answer = gateway.read_contacts(request).await.unwrap().into_inner();
    assert_eq!(answer.contacts, [1]);
    let contacts = vec![contact("alice", "bob"), contact("alice", "no one")];
    let status = gateway.read_contacts(v1::ReadContactsRequest { contacts }).await.unwrap_err();
    assert!(status.message().starts_with("contacts[1].to: "), "{status}");
}

#[tokio::test]
async fn history_is_for_those_who_take_part() {
    let service = Service::start().await;
    let mut gateway = service.gateway().await;
    for n in 0..5u64 {
        let from = ["alice", "bob"][n as usize % 2];
        let to = ["bob", "alice"][n as usize % 2];
        store(&mut gateway, vec![append(from, to, &n.to_string(), NOW + n, "hi")]).await;
    }
    let conversation = ConversationId::between(&user("alice"), &user("bob")).to_bytes();
    use v1::history_request::Of;
    let ask = |user: &str, of| v1::HistoryRequest {
        user: user.into(),
        of: Some(of),
        ..Default::default()
    };
    let named = || Of::Conversation(conversation.to_vec().into());
    let page = gateway.history(ask("bob", named())).await.unwrap().into_inner();
    assert_eq!((page.messages.len(), page.next.len(), page.stable_up_to), (5, 0, NOW - 65_000));
    let refused = gateway.history(ask("mallory", named())).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    // One's own conversation with somebody is open also before anything was said.
    let page = gateway.history(ask("bob", Of::Peer("carol".into()))).await.unwrap().into_inner();
    assert_eq!(page.messages, []);

    let backward = v1::HistoryRequest { limit: 2, sender: "alice".into(), ..ask("bob", named()) };
    let first = gateway.history(backward.clone()).await.unwrap().into_inner();
    assert_eq!(first.messages.len(), 2);
    let rest = v1::HistoryRequest { before: first.next, ..backward };
    let rest = gateway.history(rest).await.unwrap().into_inner();
    assert_eq!((rest.messages.len(), rest.next.len()), (1, 0));

    service.clock.set(NOW + 65_000 + 3);
    let after = bytes(MessageId::floor(NOW));
    let forward = v1::HistoryRequest { limit: 2, after, ..ask("bob", named()) };
    let first = gateway.history(forward.clone()).await.unwrap().into_inner();
    assert_eq!((first.messages.len(), &first.next), (2, &first.messages[1].id));
}

#[tokio::test]
async fn history_is_filtered_by_type_and_time() {
    let service = Service::start().await;
    let mut gateway = service.gateway().await;
    for (n, kind) in ["text/plain", "image/png", "image/jpeg"].into_iter().enumerate() {
        let mut append = append("alice", "bob", &n.to_string(), NOW + n as u64, "hi");
        append.content.as_mut().unwrap().r#type = kind.into();
        store(&mut gateway, vec![append]).await;
    }
    let all = v1::HistoryRequest {
        user: "bob".into(),
        of: Some(v1::history_request::Of::Peer("alice".into())),
        ..Default::default()
    };
    let with = |content_type: &str, since, until| v1::HistoryRequest {
        content_type: content_type.into(),
        since,
        until,
        ..all.clone()
    };
    for (request, wanted) in [
        (with("image/*", None, None), &["image/jpeg", "image/png"][..]),
        (with("image/png", None, None), &["image/png"]),
        (with("", Some(NOW + 1), None), &["image/jpeg", "image/png"]),
        (with("", Some(NOW + 1), Some(NOW + 2)), &["image/png"]),
        (with("", None, Some(0)), &[]),
    ] {
        let page = gateway.history(request.clone()).await.unwrap().into_inner();
        let came: Vec<_> =
            page.messages.iter().map(|one| &*one.content.as_ref().unwrap().r#type).collect();
        assert_eq!(came, wanted, "{request:?}");
    }
    for (request, field) in [
        (with("image", None, None), "content_type"),
        (with("", Some(1 << 48), None), "since"),
        (with("", None, Some(1 << 48)), "until"),
    ] {
        let status = gateway.history(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(&format!("{field}: ")), "{status}");
    }
}

#[tokio::test]
async fn a_probe_answers_by_position() {
    let service = Service::start().await;
    let mut gateway = service.gateway().await;
    register(&mut gateway, "bob", "phone").await;
    store(&mut gateway, vec![append("alice", "bob", "1", NOW, "hi")]).await;
    service.clock.set(NOW + 2001);
    let devices = vec![device("alice", "phone").unwrap(), device("bob", "phone").unwrap()];
    let mut probe = async |older_than| {
        let request = v1::ProbeRequest { devices: devices.clone(), older_than };
        gateway.probe(request).await.unwrap().into_inner().waiting
    };
    assert_eq!(probe(2000).await, [1]);
    assert!(probe(3000).await.is_empty());
}

#[tokio::test]
async fn bad_fields_are_named() {
    let service = Service::start().await;
    let mut gateway = service.gateway().await;
    let good = append("alice", "bob", "1", NOW, "hi");
    type Break = Box<dyn Fn(&mut v1::Append)>;
    let broken: [(&str, Break); 8] = [
        ("appends[1].id", Box::new(|a| a.id = vec![1].into())),
        ("appends[1].id", Box::new(|a| a.reference = "another".into())),
        ("appends[1].sender", Box::new(|a| a.sender = None)),
        ("appends[1].sender.user", Box::new(|a| a.sender = device("a b", "phone"))),
        ("appends[1].to", Box::new(|a| a.to = None)),
        ("appends[1].content", Box::new(|a| a.content = None)),
        ("appends[1].content.type", Box::new(|a| a.content.as_mut().unwrap().r#type = "x".into())),
        (
            "appends[1].content.body",
            Box::new(|a| a.content.as_mut().unwrap().body = "x".repeat(32 * 1024 + 1)),
        ),
    ];
    for (field, break_it) in broken {
        let mut bad = good.clone();
        break_it(&mut bad);
        let request = v1::AppendRequest { appends: vec![good.clone(), bad] };
        let status = gateway.append(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(&format!("{field}: ")), "{field}: {status}");
    }
    let too_many = v1::AppendRequest { appends: vec![good; 257] };
    let status = gateway.append(too_many).await.unwrap_err();
    assert_eq!(status.message(), "appends: must be at most 256");
    let request =
        v1::ReadInboxRequest { cursor: vec![9].into(), device: device("bob", "x"), limit: 0 };
    let status = gateway.read_inbox(request).await.unwrap_err();
    assert!(status.message().starts_with("cursor: "), "{status}");
}

#[tokio::test]
async fn only_gateways_of_this_chatcluster_get_in() {
    let service = Service::start().await;
    let wrong_role = service.certificates.role("other", Role::Messages).unwrap();
    let strangers = Certificates::new().unwrap();
    let mut stranger = strangers.role("gateway", Role::Gateway).unwrap();
    // It trusts the service; the service does not trust it.
    stranger.ca = service.certificates.ca_file();
    for tls in [wrong_role, stranger] {
        // In TLS 1.3 the client learns of the refusal with its first read.
        let refused = match client(&tls, service.port).await {
            Err(_) => true,
            Ok(mut client) => {
                let request = v1::RegisterRequest { device: device("eve", "phone"), issued: NOW };
                client.register(request).await.is_err()
            }
        };
        assert!(refused, "{tls:?}");
    }
    // Nor without any certificate.
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut plain = tokio::net::TcpStream::connect(("127.0.0.1", service.port)).await.unwrap();
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.windows(2).any(|pair| pair == [0, 4]), "no HTTP/2 settings frame: {answer:?}");
    assert!(register(&mut service.gateway().await, "eve", "phone").await.created);
}
