//! The client against servers that it did not choose: over real TLS, with odd and hostile habits.

mod peer;

use std::{
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use chatcluster_client::{
    Acks, Cause, Config, Event, HistoryQuery, PrivacyError, SendError, TokenSource,
    protocol::client::{
        ClientFrame, Content, Error, ErrorCode, Expiring, HistoryPage, Recipient, Reconnect,
        ReconnectReason, Refreshed, ServerFrame,
    },
};
use peer::{Ca, Peer, config, connect, event, id, message, next_text, user, within};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite;

fn to_bob() -> Recipient {
    Recipient::User(user("bob"))
}

#[allow(clippy::unwrap_used)] // a helper of tests
fn text(text: &str) -> Content {
    Content::text(text).unwrap()
}

fn cause(event: Event) -> Option<Cause> {
    match event {
        Event::Disconnected { cause, .. } => Some(cause),
        _ => None,
    }
}

#[tokio::test]
async fn a_send_is_answered_and_a_message_is_acknowledged_once_it_was_taken() {
    let ca = Ca::new();
    let peer = Peer::new(&ca).await;
    let (client, mut events) = connect(config(&ca, &[&peer]));
    let (mut conn, hello) = peer.session().await;
    assert_eq!((hello.token.as_str(), hello.device.as_str()), ("a.b.c", "laptop"));
    let session = event(&mut events, "a session", |event| match event {
        Event::Connected(session) => Some(session),
        _ => None,
    })
    .await;
    assert_eq!((session.user, session.gateway), (user("alice"), peer.url()));

    let ticket = client.send(to_bob(), text("hello")).await;
    let send = conn.read_send().await;
    assert_eq!(send.reference, *ticket.reference());
    conn.answer(&send, id(5, "mine")).await;
    assert_eq!(within("the answer", ticket).await.unwrap().message, id(5, "mine"));

    conn.write(&message(id(7, "hi"), "hi")).await;
    assert_eq!(next_text(&mut events).await, "hi");
    // The next frame is not the ack yet: the application is still busy with the message.
    let ticket = client.send(to_bob(), text("busy")).await;
    assert_eq!(conn.read_send().await.reference, *ticket.reference());
    let asking = tokio::spawn(async move { events.next().await });
    assert_eq!(conn.read_acks(1).await, [id(7, "hi")]);
    asking.abort();
}

#[tokio::test]
async fn what_had_no_answer_goes_again_under_the_same_reference_and_in_order() {
    let ca = Ca::new();
    let (one, two) = (Peer::new(&ca).await, Peer::new(&ca).await);
    let (client, _events) = connect(config(&ca, &[&one, &two]));
    let (mut conn, _) = one.session().await;
    let mut tickets = Vec::new();
    for n in 0..10 {
        tickets.push(client.send(to_bob(), text(&n.to_string())).await);
    }
    let first = conn.read_send().await;
    conn.answer(&first, id(1, "first")).await;
    for _ in 1..4 {
        conn.read_send().await;
    }
    within("the first answer", &mut tickets[0]).await.unwrap();
    drop(conn); // the gateway is killed

    let (mut conn, hello) = two.session().await;
    assert_eq!(hello.resume.unwrap().highest, Some(id(1, "first")));
    for ticket in tickets.into_iter().skip(1) {
        let send = conn.read_send().await;
        assert_eq!(send.reference, *ticket.reference());
        conn.answer(&send, id(2, send.reference.as_str())).await;
        within("an answer", ticket).await.unwrap();
    }
}

#[tokio::test]
async fn a_message_whose_ack_was_lost_is_acknowledged_again_and_not_shown_again() {
    let ca = Ca::new();
    let peer = Peer::new(&ca).await;
    let (_client, mut events) = connect(config(&ca, &[&peer]));
    let (mut conn, _) = peer.session().await;
    conn.write(&message(id(7, "once"), "once")).await;
    assert_eq!(next_text(&mut events).await, "once");
    events.taken().await;
    conn.read_acks(1).await;
    drop(conn);

    let (mut conn, _) = peer.session().await;
    conn.write(&message(id(7, "once"), "once")).await;
    conn.write(&message(id(8, "once"), "once")).await;
    conn.write(&message(id(9, "twice"), "another")).await;
    assert_eq!(next_text(&mut events).await, "another");
    assert_eq!(conn.read_acks(2).await, [id(7, "once"), id(8, "once")]);
}

#[tokio::test]
async fn the_next_run_of_the_program_goes_on_where_the_last_one_ended() {
    let ca = Ca::new();
    let peer = Peer::new(&ca).await;
    let (client, mut events) = connect(config(&ca, &[&peer]));
    let (mut conn, _) = peer.session().await;
    conn.write(&message(id(7, "seen"), "seen")).await;
    next_text(&mut events).await;
    events.taken().await;
    let mut closing = tokio::spawn(client.close());
    assert_eq!(conn.read_acks(1).await, [id(7, "seen")]);
    assert_eq!(conn.read_close().await, 1000);
    // Only the gateway's close frame says that it has seen the acks.
    let early = tokio::time::timeout(Duration::from_millis(200), &mut closing).await;
    assert!(early.is_err(), "the client did not wait for the close handshake");
    conn.close(1000).await;
    let resume = within("the end", closing).await.unwrap();
    within("the end of the events", async { while events.next().await.is_some() {} }).await;

    let (_client, mut events) = connect(Config { resume, ..config(&ca, &[&peer]) });
    let (mut conn, hello) = peer.session().await;
    let told = hello.resume.unwrap();
    assert_eq!((told.highest, told.epoch), (Some(id(7, "seen")), Some(1)));
    conn.write(&message(id(7, "seen"), "seen")).await;
    conn.write(&message(id(8, "new"), "new")).await;
    assert_eq!(next_text(&mut events).await, "new");
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_never_accepted() {
    let (ca, stranger) = (Ca::new(), Ca::new());
    let peer = Peer::new(&stranger).await;
    let (_client, mut events) = connect(config(&ca, &[&peer]));
    let (server, client) = tokio::join!(peer.accept_tls(), event(&mut events, "a refusal", cause));
    assert!(server.is_err(), "the client went on to send");
    assert!(matches!(client, Cause::Certificate(_)), "{client:?}");
}

#[tokio::test]
async fn a_full_gateway_says_how_long_to_wait() {
    let ca = Ca::new();
    let peer = Peer::new(&ca).await;
    let (_client, mut events) = connect(config(&ca, &[&peer]));
    let mut tls = peer.accept_tls().await.unwrap();
    within("a request", tls.read(&mut [0; 4096])).await.unwrap();
    let full = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n";
    tls.write_all(full).await.unwrap();
    let retry_in = event(&mut events, "a refusal", |event| match event {
        Event::Disconnected { cause: Cause::Refused { status: 503, .. }, retry_in } => {
            Some(retry_in)
        }
        _ => None,
    })
    .await;
    assert!(retry_in >= Duration::from_secs(2));
}

#[tokio::test]
async fn a_server_that_does_not_confirm_the_protocol_gets_no_token() {
    let ca = Ca::new();
    let (other, good) = (Peer::new(&ca).await, Peer::new(&ca).await);
    let (_client, mut events) = connect(config(&ca, &[&other, &good]));
    // The client drops the connection instead of saying hello.
    let _conn = other.accept_as(None).await;
    assert!(matches!(event(&mut events, "a refusal", cause).await, Cause::Unreachable(_)));
    good.session().await;
}

#[tokio::test]
async fn a_device_that_was_replaced_stops_and_says_what_to_change() {
    let ca = Ca::new();
    let peer = Peer::new(&ca).await;
    let (client, mut events) = connect(config(&ca, &[&peer]));
    let (mut conn, _) = peer.session().await;
    let ticket = client.send(to_bob(), text("hello")).await;
    conn.read_send().await;
    conn.close(4204).await;
    let fatal = event(&mut events, "the end", |event| match event {
        Event::Fatal(fatal) => Some(fatal),
        _ => None,
    })
    .await;
    assert_eq!(fatal.code, 4204);
    assert_eq!(within("an answer", ticket).await, Err(SendError::Fatal(fatal.clone())));
    assert_eq!(within("the end of the events", events.next()).await, None);
    let late = client.send(to_bob(), text("late")).await;
    assert_eq!(within("an answer", late).await, Err(SendError::Fatal(fatal)));
}

#[tokio::test]
async fn an_application_that_takes_no_events_can_close_nevertheless() {
    let ca = Ca::new();
    let peer = Peer::new(&ca).await;
    let (client, events) = connect(config(&ca, &[&peer]));
    let (mut conn, _) = peer.session().await;
    for n in 0..200 {
        conn.write(&message(id(n, &format!("m{n}")), "flood")).await;
    }
    let ticket = client.send(to_bob(), text("after the flood")).await;
    let send = conn.read_send().await;
    conn.answer(&send, id(900, "mine")).await;
    within("the answer", ticket).await.unwrap();
    let closing = tokio::spawn(client.close());
    assert_eq!(conn.read_close().await, 1000);
    conn.close(1000).await;
    let resume = within("the end", closing).await.unwrap();
    assert_eq!(resume.recent, []);
    drop(events);
}

#[tokio::test]
async fn what_to_keep_is_told_soon_and_not_only_at_the_end() {
    let ca = Ca::new();
    let peer = Peer::new(&ca).await;
    let (client, mut events) = connect(config(&ca, &[&peer]));
    let mut resume = client.resume();
    let (mut conn, _) = peer.session().await;
    conn.write(&message(id(7, "seen"), "seen")).await;
    next_text(&mut events).await;
    events.taken().await;
    // Nothing else happens on this connection for a heartbeat.
    let kept = resume.wait_for(|resume| resume.recent == [id(7, "seen")]);
    let kept = within("the state", kept).await.unwrap();
    assert_eq!((kept.epoch, kept.highest), (Some(1), Some(id(7, "seen"))));
}

#[tokio::test]
async fn an_expired_token_is_replaced_by_a_new_one() {
    let ca = Ca::new();
    let peer = Peer::new(&ca).await;
    let made = Arc::new(AtomicUsize::new(0));
    let token = TokenSource::from_fn(move || {
        let made = made.fetch_add(1, Ordering::Relaxed);
        async move { Ok(format!("token-{made}")) }
    });
    let (_client, _events) = connect(Config { token, ..config(&ca, &[&peer]) });
    let (conn, hello) = peer.session().await;
    assert_eq!(hello.token, "token-0");
    conn.close(4201).await;
    let (_conn, hello) = peer.session().await;
    assert_eq!(hello.token, "token-1");
}

#[tokio::test]
async fn a_token_that_expires_soon_is_replaced_in_the_open_session() {
    let ca = Ca::new();
    let peer = Peer::new(&ca).await;
    let made = Arc::new(AtomicUsize::new(0));
    let token = TokenSource::from_fn(move || {
        let made = made.fetch_add(1, Ordering::Relaxed);
        async move { if made == 1 { Err("not now".into()) } else { Ok(format!("token-{made}")) } }
    });
    let (client, _events) = connect(Config { token, ..config(&ca, &[&peer]) });
    let (mut conn, hello) = peer.session().await;
    assert_eq!(hello.token, "token-0");
    conn.write(&ServerFrame::Expiring(Expiring { expires: 5 })).await;
    let ClientFrame::Refresh(refresh) = conn.read().await else { panic!("no refresh") };
    assert_eq!(refresh.token, "token-2");
    conn.write(&ServerFrame::Refreshed(Refreshed { id: refresh.id, expires: Some(9) })).await;
    let ticket = client.send(to_bob(), text("over the same connection")).await;
    let send = conn.read_send().await;
    conn.answer(&send, id(1, "mine")).await;
    within("the answer", ticket).await.unwrap();
}

#[tokio::test]
async fn a_client_that_is_asked_to_move_goes_to_the_next_gateway() {
    let ca = Ca::new();
    let (one, two) = (Peer::new(&ca).await, Peer::new(&ca).await);
    let (_client, mut events) = connect(config(&ca, &[&one, &two]));
    let (mut conn, _) = one.session().await;
    conn.write(&ServerFrame::Reconnect(Reconnect { after: 50, reason: ReconnectReason::Draining }))
        .await;
    two.session().await;
    let cause = event(&mut events, "a move", cause).await;
    assert_eq!(cause, Cause::Asked(ReconnectReason::Draining));
}

#[tokio::test]
async fn frames_of_a_newer_or_a_broken_gateway_do_not_end_the_session() {
    let ca = Ca::new();
    let peer = Peer::new(&ca).await;
    let (_client, mut events) = connect(config(&ca, &[&peer]));
    let (mut conn, _) = peer.session().await;
    for odd in ["", "nonsense", "[]", r#"{"type":"hologram"}"#, r#"{"type":"message","message":7}"#]
    {
        conn.write_raw(tungstenite::Message::text(odd)).await;
    }
    conn.write_raw(tungstenite::Message::binary(vec![0; 10])).await;
    conn.write_raw(tungstenite::Message::Ping("are you there".into())).await;
    conn.write(&message(id(7, "after"), "after")).await;
    assert_eq!(next_text(&mut events).await, "after");
}

#[tokio::test]
async fn a_frame_larger_than_a_gateway_may_send_ends_the_connection() {
    let ca = Ca::new();
    let peer = Peer::new(&ca).await;
    let (_client, mut events) = connect(config(&ca, &[&peer]));
    let (mut conn, _) = peer.session().await;
    conn.write_raw(tungstenite::Message::text("x".repeat(300 * 1024))).await;
    event(&mut events, "a disconnect", cause).await;
    peer.session().await;
}

#[tokio::test]
async fn a_refusal_reaches_the_sender_and_a_passing_one_does_not() {
    let ca = Ca::new();
    let peer = Peer::new(&ca).await;
    let (client, _events) = connect(config(&ca, &[&peer]));
    let (mut conn, _) = peer.session().await;
    let ticket = client.send(to_bob(), text("hello")).await;
    let send = conn.read_send().await;
    let error = |code| Error {
        id: Some(send.id),
        reference: Some(send.reference.clone()),
        ..Error::new(code, "because")
    };
    conn.write(&ServerFrame::Error(error(ErrorCode::Unavailable))).await;
    assert_eq!(conn.read_send().await.reference, send.reference);
    conn.write(&ServerFrame::Error(error(ErrorCode::ReferenceConflict))).await;
    let refused = within("an answer", ticket).await.unwrap_err();
    assert!(
        matches!(refused, SendError::Refused(error) if error.code == ErrorCode::ReferenceConflict)
    );
}

#[tokio::test]
async fn history_comes_back_to_whoever_asked() {
    let ca = Ca::new();
    let peer = Peer::new(&ca).await;
    let (client, _events) = connect(config(&ca, &[&peer]));
    let (mut conn, _) = peer.session().await;
    let asking = tokio::spawn({
        let client = client.clone();
        let mut query = HistoryQuery::with(user("bob"));
        query.limit = Some(3);
        async move { client.history(query).await }
    });
    let ClientFrame::History(asked) = conn.read().await else { panic!("no history") };
    assert_eq!((asked.user.clone(), asked.limit), (Some(user("bob")), Some(3)));
    let page =
        HistoryPage { id: asked.id, messages: vec![], next: Some(id(3, "x")), stable_up_to: 9 };
    conn.write(&ServerFrame::History(page.clone())).await;
    assert_eq!(within("a page", asking).await.unwrap(), Ok(page));
}

#[tokio::test]
async fn an_answer_that_only_newer_clients_can_read_is_told_over_the_same_connection() {
    let ca = Ca::new();
    let peer = Peer::new(&ca).await;
    let (client, _events) = connect(config(&ca, &[&peer]));
    let (mut conn, _) = peer.session().await;
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.privacy(None).await }
    });
    let ClientFrame::Privacy(asked) = conn.read().await else { panic!("no privacy") };
    let odd = json!({"type": "privacy", "id": asked.id, "presence_to": "friends"});
    conn.write_raw(tungstenite::Message::text(odd.to_string())).await;
    assert_eq!(within("an answer", asking).await.unwrap(), Err(PrivacyError::Odd));
    let ticket = client.send(to_bob(), text("still here")).await;
    assert_eq!(conn.read_send().await.reference, *ticket.reference());
}

#[tokio::test]
async fn with_manual_acks_only_what_the_application_names_is_acknowledged() {
    let ca = Ca::new();
    let peer = Peer::new(&ca).await;
    let (client, mut events) = connect(Config { acks: Acks::Manual, ..config(&ca, &[&peer]) });
    let (mut conn, _) = peer.session().await;
    for name in ["a", "b"] {
        conn.write(&message(id(7, name), name)).await;
        next_text(&mut events).await;
    }
    client.ack(id(7, "b")).await;
    assert_eq!(conn.read_acks(1).await, [id(7, "b")]);
}

#[tokio::test]
async fn a_program_that_only_sends_and_drops_its_handles_still_gets_its_answers() {
    let ca = Ca::new();
    let peer = Peer::new(&ca).await;
    let (client, events) = connect(config(&ca, &[&peer]));
    drop(events);
    let ticket = client.send(to_bob(), text("hello")).await;
    drop(client);
    let (mut conn, _) = peer.session().await;
    conn.write(&message(id(6, "unread"), "unread")).await;
    let send = conn.read_send().await;
    conn.answer(&send, id(5, "mine")).await;
    within("the answer", ticket).await.unwrap();
    // Nobody is left: the client closes, and has acknowledged nothing.
    assert_eq!(conn.read_close().await, 1000);
}
