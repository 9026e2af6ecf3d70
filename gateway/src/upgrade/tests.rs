use chatcluster_config::{ClientPort, ServerTls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: chat.example:8443\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: other, chatcluster.v1\r\n\r\n";

fn policy(origins: &[&str]) -> Policy {
    let tls = ServerTls { certificate: "c".into(), key: "k".into() };
    Policy::new(&ClientPort {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: Some(tls),
        origins: origins.iter().map(|o| (*o).to_owned()).collect(),
        page: None,
        connections: 1,
        heartbeat: chatcluster_config::GoDuration::from_secs(1),
    })
}

fn head(request: &str) -> Head {
    Head::parse(request.as_bytes()).unwrap().unwrap().0
}

fn status(request: &str) -> u16 {
    match decide(&head(request), &policy(&["https://app.example"]), Admission::Open) {
        Answer::Accept(response) | Answer::Refuse(response) => response.status(),
        Answer::Page => 0,
    }
}

fn with_origin(origin: &str) -> String {
    REQUEST.replace("\r\n\r\n", &format!("\r\nOrigin: {origin}\r\n\r\n"))
}

#[test]
fn a_good_request_is_accepted_and_its_subprotocol_confirmed() {
    let Answer::Accept(response) = decide(&head(REQUEST), &policy(&[]), Admission::Open) else {
        panic!("refused");
    };
    // The key and its answer are the example of RFC 6455, section 1.3.
    assert_eq!(response.value("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(response.value("sec-websocket-protocol"), Some("chatcluster.v1"));
}

#[test]
fn what_is_wrong_with_a_request_has_its_own_answer() {
    for (what, with, expected) in [
        ("GET / HTTP", "GET /chat HTTP", 404),
        ("GET", "POST", 400),
        ("keep-alive, Upgrade", "keep-alive", 400),
        ("Version: 13", "Version: 8", 426),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhl", 400),
        ("Host: chat.example:8443\r\n", "", 400),
        ("Host: chat.example:8443\r\n", "Host: a\r\nHost: b\r\n", 400),
        ("other, chatcluster.v1", "other", 400),
        ("Sec-WebSocket-Protocol: other, chatcluster.v1\r\n", "", 400),
        ("Upgrade: websocket\r\n", "", 0),
    ] {
        assert!(REQUEST.contains(what));
        assert_eq!(status(&REQUEST.replace(what, with)), expected, "{what} -> {with}");
    }
}

#[test]
fn a_refusal_names_the_subprotocol() {
    let request = REQUEST.replace("other, chatcluster.v1", "chat");
    let Answer::Refuse(response) = decide(&head(&request), &policy(&[]), Admission::Open) else {
        panic!("accepted");
    };
    assert!(String::from_utf8_lossy(response.content()).contains("chatcluster.v1"));
}

#[test]
fn browsers_connect_from_allowed_origins_and_from_our_own() {
    for (origin, expected) in [
        ("https://app.example", 101),
        ("https://APP.example", 101),
        ("https://chat.example:8443", 101),
        ("http://chat.example:8443", 403),
        ("https://chat.example", 403),
        ("https://app.example.evil", 403),
        ("https://evil/https://app.example", 403),
        ("null", 403),
        ("https://app.example\r\nOrigin: https://evil", 403),
    ] {
        assert_eq!(status(&with_origin(origin)), expected, "{origin}");
    }
    let anyone = policy(&["*"]);
    let request = head(&with_origin("https://evil.example"));
    assert!(matches!(decide(&request, &anyone, Admission::Open), Answer::Accept(_)));
}

#[test]
fn a_full_or_stopping_gateway_says_when_to_come_back() {
    for admission in [Admission::Full, Admission::Draining] {
        let Answer::Refuse(response) = decide(&head(REQUEST), &policy(&[]), admission) else {
            panic!("accepted");
        };
        assert_eq!(response.status(), 503);
        assert!(response.value("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    }
}

#[test]
fn an_address_that_comes_too_often_is_told_when_to_come_back() {
    let too_often = decide(&head(REQUEST), &policy(&[]), Admission::TooOften);
    let Answer::Refuse(response) = too_often else { panic!("accepted") };
    assert_eq!((response.status(), response.value("retry-after")), (429, Some("1")));
}

async fn answer_to(bytes: &[u8]) -> (io::Result<Option<Rest>>, String) {
    let (mut client, mut server) = tokio::io::duplex(64 * 1024);
    client.write_all(bytes).await.unwrap();
    let outcome = upgrade(&mut server, &policy(&[]), Admission::Open, None).await;
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    (outcome, answer)
}

#[tokio::test]
async fn bytes_behind_the_request_belong_to_the_websocket() {
    let (outcome, answer) = answer_to(format!("{REQUEST}\u{1}early").as_bytes()).await;
    assert_eq!(outcome.unwrap().unwrap(), b"\x01early");
    assert!(answer.starts_with("HTTP/1.1 101 "));
}

#[tokio::test]
async fn what_is_no_request_is_answered_and_ends() {
    let large = format!("GET / HTTP/1.1\r\ncookie: {}\r\n\r\n", "x".repeat(9000));
    for (bytes, line) in [
        (large.as_bytes(), "HTTP/1.1 431 "),
        (b"\x16\x03\x01 a TLS client on a plain port\r\n\r\n", "HTTP/1.1 400 "),
        (b"GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 400 "),
        (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 426 "),
        (b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 404 "),
    ] {
        let (outcome, answer) = answer_to(bytes).await;
        assert!(outcome.unwrap().is_none());
        assert!(answer.starts_with(line), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_too_long_is_given_up() {
    let (mut client, mut server) = tokio::io::duplex(1024);
    client.write_all(b"GET / HTTP/1.1\r\nhost: slow").await.unwrap();
    let outcome = upgrade(&mut server, &policy(&[]), Admission::Open, None).await;
    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut);
}
