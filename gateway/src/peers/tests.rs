use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use bytes::BytesMut;
use chatcluster_config::Role;
use chatcluster_protocol::peer::{
    Outcome, PeerFrame, PeerHello, PeerKind, TargetOutcome, TargetRef, VERSION, encode,
};
use chatcluster_runtime::tls::{Handshakes, RoleCertificate, TlsListener};
use chatcluster_testkit::certificates::Certificates;
use gateway_core::{ConnectionId, Device, Gateway, Incarnation, Push};
use prometheus_client::registry::Registry;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::*;
use crate::metrics::Metrics;

const DEADLINE: Duration = Duration::from_secs(10);

/// What happened, in the order in which it did.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    Delivered(u64, String, String),
    Typing(u64, String, Vec<u64>),
    Evict(u64),
    Disconnect(u64),
    ProbeAll,
    Outcome(u64, u32, Outcome),
    Evicted(u64),
    Lost(Incarnation),
    Gone(Incarnation),
}

/// One gateway as far as links see it.
struct Recorder {
    incarnation: Incarnation,
    events: Mutex<Vec<Event>>,
}

impl Recorder {
    fn new() -> Arc<Self> {
        let incarnation = Incarnation(Uuid::new_v4());
        Arc::new(Self { incarnation, events: Mutex::default() })
    }

    fn push(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }

    fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    async fn wait_for(&self, count: usize) -> Vec<Event> {
        let reached = async {
            while self.events.lock().unwrap().len() < count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let timely = tokio::time::timeout(DEADLINE, reached).await;
        assert!(timely.is_ok(), "only {:?}", self.events());
        self.events()
    }
}

impl PeerEvents for Recorder {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }
    fn outcomes(&self, outcomes: &[TargetOutcome]) {
        for outcome in outcomes {
            self.push(Event::Outcome(outcome.sequence, outcome.target, outcome.outcome()));
        }
    }
    fn evicted(&self, eviction: u64) {
        self.push(Event::Evicted(eviction));
    }
    fn link_lost(&self, to: Incarnation) {
        self.push(Event::Lost(to));
    }
    fn gateway_gone(&self, gateway: Incarnation) {
        self.push(Event::Gone(gateway));
    }
    fn deliver(&self, target: TargetRef<'_>, push: &Push) -> Outcome {
        let text = String::from_utf8(push.frame.to_vec()).unwrap();
        let user = String::from_utf8(target.user.to_vec()).unwrap();
        self.push(Event::Delivered(target.connection, user, text));
        if target.connection == 0 { Outcome::NotHere } else { Outcome::Queued }
    }
    fn typing(&self, at: u64, frame: &Bytes, targets: &[Target]) {
        let text = String::from_utf8(frame.to_vec()).unwrap();
        let connections = targets.iter().map(|target| target.connection).collect();
        self.push(Event::Typing(at, text, connections));
    }
    fn evict(&self, target: TargetRef<'_>) {
        self.push(Event::Evict(target.connection));
    }
    fn disconnect(&self, target: TargetRef<'_>) {
        self.push(Event::Disconnect(target.connection));
    }
    fn probe_all(&self) {
        self.push(Event::ProbeAll);
    }
}

/// Two gateways, of which one has links to the other.
struct Pair {
    certificates: Certificates,
    near: Arc<Recorder>,
    far: Arc<Recorder>,
    to: Gateway,
    peers: Peers,
    server: Option<DropGuard>,
}

impl Pair {
    async fn new() -> Self {
        Self::with_role(Role::Gateway).await
    }

    /// The near one's certificate is of this role.
    async fn with_role(role: Role) -> Self {
        let certificates = Certificates::new().unwrap();
        let (near, far) = (Recorder::new(), Recorder::new());
        let near_role = certificates.role("near", role).unwrap();
        let near_role = RoleCertificate::load(&near_role).unwrap();
        let mut registry = Registry::default();
        let peers = Peers::new(
            Arc::downgrade(&near) as Weak<dyn PeerEvents>,
            near_role.connector(Role::Gateway, &[]).unwrap(),
            Metrics::register(&mut registry),
        );
        let incarnation = far.incarnation;
        let to = Gateway { incarnation, host: "127.0.0.1".into(), port: 0 };
        let mut pair = Self { certificates, near, far, to, peers, server: None };
        pair.serve().await;
        pair
    }

    /// The far one listens, at the same port if it did before.
    async fn serve(&mut self) {
        let role = self.certificates.role("far", Role::Gateway).unwrap();
        let role = RoleCertificate::load(&role).unwrap();
        let listener = crate::listener::bind(([127, 0, 0, 1], self.to.port).into()).unwrap();
        self.to.port = listener.local_addr().unwrap().port();
        let config = role.server_config(&[Role::Gateway], &[]).unwrap();
        let listener = TlsListener::new(listener, config, Handshakes::default());
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, self.far.clone(), stop.clone()));
        self.server = Some(stop.drop_guard());
    }

    /// A link to the far one, welcomed, as a stream of bytes.
    async fn raw_link(&self) -> tokio_rustls::client::TlsStream<TcpStream> {
        let role = RoleCertificate::load(&self.certificates.role("raw", Role::Gateway).unwrap());
        let connector = role.unwrap().connector(Role::Gateway, &[]).unwrap();
        let stream = TcpStream::connect(("127.0.0.1", self.to.port)).await.unwrap();
        let mut stream = connector.connect(stream).await.unwrap();
        let wanted = self.far.incarnation.to_string();
        let hello = PeerHello { version: VERSION, from: "raw".into(), wanted };
        let mut frames = BytesMut::new();
        encode(&PeerFrame { kind: Some(PeerKind::Hello(hello)) }, &mut frames).unwrap();
        stream.write_all(&frames).await.unwrap();
        stream.flush().await.unwrap();
        let welcome = link::read_frame(&mut stream, &mut BytesMut::new()).await.unwrap();
        assert!(matches!(welcome.kind, Some(PeerKind::Welcome(_))));
        stream
    }

    fn deliver(&self, sequence: u64, connections: &[u64]) {
        let targets: Vec<_> = connections.iter().map(|c| target(*c)).collect();
        let push = push(&format!("text {sequence}"));
        let item = Item::Deliver { sequence, push: &push, targets: &targets };
        self.peers.send(&self.to, item).unwrap();
    }
}

fn push(text: &str) -> Push {
    let id = "0193a2c4-7b10-7abc-8def-0123456789ab".parse().unwrap();
    Push { id, receipt: false, frame: text.to_owned().into() }
}

fn target(connection: u64) -> gateway_core::Target {
    let device = Device { user: "bob".parse().unwrap(), device: "phone".parse().unwrap() };
    gateway_core::Target { device, connection: ConnectionId(connection), epoch: 1 }
}

#[tokio::test]
async fn every_target_of_a_delivery_gets_its_outcome() {
    let pair = Pair::new().await;
    pair.deliver(7, &[1, 0]);
    pair.deliver(8, &[2]);
    let outcomes = pair.near.wait_for(3).await;
    assert_eq!(
        outcomes,
        [
            Event::Outcome(7, 0, Outcome::Queued),
            Event::Outcome(7, 1, Outcome::NotHere),
            Event::Outcome(8, 0, Outcome::Queued),
        ]
    );
    let delivered =
        |connection, text: &str| Event::Delivered(connection, "bob".into(), text.into());
    let expected = [delivered(1, "text 7"), delivered(0, "text 7"), delivered(2, "text 8")];
    assert_eq!(pair.far.events(), expected);
}

#[tokio::test]
async fn evictions_and_probes_are_answered() {
    let pair = Pair::new().await;
    pair.peers.send(&pair.to, Item::Evict { sequence: 3, session: &target(9) }).unwrap();
    pair.peers.send(&pair.to, Item::Disconnect { session: &target(8) }).unwrap();
    pair.peers.send(&pair.to, Item::Probe { sequence: 4 }).unwrap();
    let mut answers = pair.near.wait_for(2).await;
    answers.sort_by_key(|event| matches!(event, Event::Outcome(..)));
    assert_eq!(answers, [Event::Evicted(3), Event::Outcome(4, 0, Outcome::Queued)]);
    assert_eq!(pair.far.events(), [Event::Evict(9), Event::Disconnect(8), Event::ProbeAll]);
}

#[tokio::test]
async fn typing_arrives_and_is_not_answered() {
    let pair = Pair::new().await;
    let frame = Bytes::from_static(b"{}");
    let item = Item::Typing { at: 7, frame: &frame, targets: &[target(1), target(0)] };
    pair.peers.send(&pair.to, item).unwrap();
    pair.deliver(3, &[2]);
    assert_eq!(pair.near.wait_for(1).await, [Event::Outcome(3, 0, Outcome::Queued)]);
    let [typing, _] = &pair.far.events()[..] else { panic!("{:?}", pair.far.events()) };
    assert_eq!(*typing, Event::Typing(7, "{}".into(), vec![1, 0]));
}

/// As a gateway of the version before takes what it does not know, such as `Typing`.
#[tokio::test]
async fn frames_of_a_newer_gateway_are_passed_over() {
    let pair = Pair::new().await;
    let mut stream = pair.raw_link().await;
    let mut frames = BytesMut::new();
    // Field 99, with two bytes of something.
    frames.extend_from_slice(&[0, 0, 0, 5, 0x9a, 0x06, 2, 1, 1]);
    let known = Item::Deliver { sequence: 1, push: &push("known"), targets: &[target(1)] };
    known.encode(&mut frames).unwrap();
    stream.write_all(&frames).await.unwrap();
    stream.flush().await.unwrap();
    let delivered = Event::Delivered(1, "bob".into(), "known".into());
    assert_eq!(pair.far.wait_for(1).await, [delivered]);
    let answer = link::read_frame(&mut stream, &mut BytesMut::new()).await.unwrap();
    assert!(matches!(answer.kind, Some(PeerKind::Outcomes(_))), "{answer:?}");
}

#[tokio::test]
async fn another_incarnation_at_the_address_gets_nothing() {
    let mut pair = Pair::new().await;
    let wanted = Incarnation(Uuid::new_v4());
    pair.to.incarnation = wanted;
    pair.deliver(1, &[1]);
    assert_eq!(pair.near.wait_for(1).await, [Event::Gone(wanted)]);
    assert_eq!(pair.far.events(), []);
}

#[tokio::test]
async fn a_peer_that_means_another_incarnation_delivers_nothing_even_if_it_tries() {
    let pair = Pair::new().await;
    let role = pair.certificates.role("liar", Role::Gateway).unwrap();
    let connector = RoleCertificate::load(&role).unwrap().connector(Role::Gateway, &[]).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", pair.to.port)).await.unwrap();
    let mut stream = connector.connect(stream).await.unwrap();
    let hello = PeerHello { version: VERSION, from: "liar".into(), wanted: "another".into() };
    let mut frames = BytesMut::new();
    encode(&PeerFrame { kind: Some(PeerKind::Hello(hello)) }, &mut frames).unwrap();
    let lie = Item::Deliver { sequence: 1, push: &push("lie"), targets: &[target(1)] };
    lie.encode(&mut frames).unwrap();
    stream.write_all(&frames).await.unwrap();
    let mut answer = Vec::new();
    // It says who it is, and hangs up.
    let ended = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok() && !answer.is_empty());
    assert_eq!(pair.far.events(), []);
}

#[tokio::test]
async fn deliveries_in_pieces_are_answered_as_they_become_whole() {
    let pair = Pair::new().await;
    let mut stream = pair.raw_link().await;
    let mut frames = BytesMut::new();
    for sequence in 1..=3 {
        let push = push(&format!("text {sequence}"));
        Item::Deliver { sequence, push: &push, targets: &[target(sequence)] }
            .encode(&mut frames)
            .unwrap();
    }
    // The first one and half of the second, then the rest byte by byte.
    let (first, rest) = frames.split_at(frames.len() / 2);
    stream.write_all(first).await.unwrap();
    stream.flush().await.unwrap();
    pair.far.wait_for(1).await;
    for byte in rest {
        stream.write_all(&[*byte]).await.unwrap();
        stream.flush().await.unwrap();
    }
    let delivered = |n| Event::Delivered(n, "bob".into(), format!("text {n}"));
    assert_eq!(pair.far.wait_for(3).await, [1, 2, 3].map(delivered));
}

#[tokio::test]
async fn a_delivery_that_does_not_decode_ends_the_link() {
    let pair = Pair::new().await;
    let mut stream = pair.raw_link().await;
    let mut frame = BytesMut::new();
    let push = push("text");
    Item::Deliver { sequence: 1, push: &push, targets: &[] }.encode(&mut frame).unwrap();
    // Field 4, a target of one byte, which begins a name and has none; the lengths follow.
    frame.extend_from_slice(&[0x22, 1, 0x0a]);
    (frame[3], frame[5]) = (frame[3] + 3, frame[5] + 3);
    stream.write_all(&frame).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the link goes on");
    assert_eq!(pair.far.events(), []);
}

#[tokio::test]
async fn a_broken_link_is_told_and_opened_again() {
    let mut pair = Pair::new().await;
    pair.deliver(1, &[1]);
    pair.near.wait_for(1).await;
    pair.server = None;
    pair.near.wait_for(2).await;
    assert_eq!(pair.near.events()[1], Event::Lost(pair.to.incarnation));
    pair.serve().await;
    pair.deliver(2, &[1]);
    let events = pair.near.wait_for(3).await;
    assert_eq!(events[2], Event::Outcome(2, 0, Outcome::Queued));
}

#[tokio::test]
async fn nobody_at_the_address_is_a_lost_link() {
    let mut pair = Pair::new().await;
    // Bound and not accepting TLS: the port exists and never answers as a gateway.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    pair.to.port = silent.local_addr().unwrap().port();
    drop(silent);
    pair.deliver(1, &[1]);
    assert_eq!(pair.near.wait_for(1).await, [Event::Lost(pair.to.incarnation)]);
}

#[tokio::test]
async fn a_certificate_of_another_role_opens_no_link() {
    let pair = Pair::with_role(Role::Messages).await;
    pair.deliver(1, &[1]);
    assert_eq!(pair.near.wait_for(1).await, [Event::Lost(pair.to.incarnation)]);
    assert_eq!(pair.far.events(), []);
}

#[tokio::test]
async fn a_dropped_link_takes_its_queue_along_and_the_next_item_opens_another() {
    let pair = Pair::new().await;
    pair.deliver(1, &[1]);
    pair.near.wait_for(1).await;
    pair.peers.drop_link(pair.to.incarnation);
    pair.deliver(2, &[1]);
    let events = pair.near.wait_for(2).await;
    assert_eq!(events[1], Event::Outcome(2, 0, Outcome::Queued));
}

#[tokio::test]
async fn a_full_queue_refuses_and_takes_again_when_it_has_drained() {
    let pair = Pair::new().await;
    // Nothing runs between these sends, so the link's task takes nothing.
    let (large, targets) = (push(&"x".repeat(256 * 1024)), [target(1)]);
    let item = |sequence| Item::Deliver { sequence, push: &large, targets: &targets };
    let mut taken = 0;
    while pair.peers.send(&pair.to, item(taken)).is_ok() {
        taken += 1;
        assert!(taken < 1000, "the queue has no bound");
    }
    assert!(taken > 100, "{taken}");
    pair.near.wait_for(taken as usize).await;
    pair.deliver(taken, &[1]);
    pair.near.wait_for(taken as usize + 1).await;
}

#[tokio::test]
async fn a_burst_arrives_in_order() {
    let pair = Pair::new().await;
    for sequence in 0..10_000 {
        pair.deliver(sequence, &[1]);
    }
    let outcomes = pair.near.wait_for(10_000).await;
    let expected: Vec<_> = (0..10_000).map(|n| Event::Outcome(n, 0, Outcome::Queued)).collect();
    assert!(outcomes == expected);
}
