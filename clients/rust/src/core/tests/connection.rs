//! One connection at a time: what the core does with what a gateway says.

use chatcluster_protocol::{
    client::{
        CloseCode, Error, ErrorCode, IsTyping, Marked, Message, Read, Receipt, ReceiptKind,
        Receipts, ReceiptsRequest, Reconnect, ReconnectReason, TypedTo, Typing,
    },
    id::{ConversationId, Stamp},
};

use super::{
    bench::{Bench, s},
    *,
};

fn id(millis: u64) -> MessageId {
    MessageId::floor(millis)
}

fn message(id: MessageId) -> ServerFrame {
    let [alice, bob] = ["alice", "bob"].map(|name| name.parse().unwrap());
    ServerFrame::Message(Message {
        message: id,
        conversation: ConversationId::between(&alice, &bob),
        from: bob,
        device: "phone".parse().unwrap(),
        to: Recipient::User(alice),
        at: id.millis(),
        content: Content::text("hi").unwrap(),
    })
}

fn failed(reference: &str, code: ErrorCode, retry_after: Option<u64>) -> ServerFrame {
    let reference = Some(Reference::new(reference).unwrap());
    ServerFrame::Error(Error { reference, retry_after, ..Error::new(code, "because") })
}

#[test]
fn a_drained_session_moves_to_the_next_gateway_at_once() {
    let mut bench = Bench::live();
    bench.pass_alive(60);
    bench.close(CloseCode::Draining);
    assert_eq!(bench.retry_in(), Duration::ZERO);
    bench.pass(Duration::ZERO);
    assert_eq!(bench.dialled(), URLS);
}

#[test]
fn a_gateway_that_ends_every_session_at_once_does_not_make_the_client_spin() {
    let mut bench = Bench::live();
    for _ in 0..40 {
        bench.close(CloseCode::RouteLost);
        bench.redial();
        bench.open(Limits::default());
    }
    bench.close(CloseCode::RouteLost);
    // Full jitter has no lower bound, but 41 failures have reached the cap.
    let waits: Vec<_> = (0..20)
        .map(|_| {
            bench.redial();
            bench.core.ended(bench.now, Cause::Unreachable("refused".into()));
            bench.retry_in()
        })
        .collect();
    assert!(waits.iter().any(|wait| *wait > s(5)), "{waits:?}");
}

#[test]
fn every_endpoint_is_tried_before_the_ceiling_doubles() {
    let mut bench = Bench::new(options());
    for failure in 0..6 {
        bench.core.ended(bench.now, Cause::Unreachable("refused".into()));
        assert!(bench.retry_in() <= Duration::from_millis(100 << (failure / 2)));
        bench.pass(s(1));
    }
    assert_eq!(bench.dialled(), ["wss://one", "wss://two"].repeat(4)[..7]);
}

#[test]
fn what_the_gateway_asks_to_wait_is_waited() {
    let mut bench = Bench::live();
    bench.frame(ServerFrame::Error(Error {
        retry_after: Some(7_000),
        ..Error::new(ErrorCode::Overloaded, "full")
    }));
    bench.close(CloseCode::Overloaded);
    assert!((s(7)..s(8)).contains(&bench.retry_in()));

    let mut bench = Bench::new(options());
    bench.core.ended(bench.now, Cause::Refused { status: 503, retry_after: Some(s(3)) });
    assert!((s(3)..s(4)).contains(&bench.retry_in()));
    bench.pass(s(4));
    bench.core.ended(bench.now, Cause::Refused { status: 503, retry_after: Some(s(1_000_000)) });
    assert!(
        bench.retry_in() < s(301),
        "a mistake in a header must not silence the client for days"
    );
}

#[test]
fn codes_that_need_a_change_end_the_client_and_every_request() {
    let mut bench = Bench::live();
    bench.send("r1", "bob");
    bench.close(CloseCode::Replaced);
    let Some(Event::Fatal(fatal)) = bench.events().pop() else { panic!("not fatal") };
    assert_eq!(fatal.code, 4204);
    assert!(fatal.to_string().contains("another program uses the same device"), "{fatal}");
    let unknown = Effect::Answered("r1".parse().unwrap(), Err(SendError::Fatal(fatal.clone())));
    assert!(bench.other.contains(&unknown), "{:?}", bench.other);
    assert_eq!(bench.core.send(outgoing("r2", "bob")), Err(SendError::Fatal(fatal)));
    assert_eq!(bench.core.deadline(bench.now), None);
}

#[test]
fn an_expired_token_is_renewed_once_and_a_refused_one_is_not() {
    let renewing = || Options { token_renews: true, ..options() };
    let mut bench = Bench::live_with(renewing(), Limits::default());
    bench.close(CloseCode::TokenExpired);
    assert!(!bench.core.has_stopped());
    bench.pass(s(1));
    bench.core.opened(bench.now, "as bad".into());
    bench.close(CloseCode::TokenExpired);
    assert!(bench.core.has_stopped());

    let mut fixed = Bench::live();
    fixed.close(CloseCode::TokenExpired);
    assert!(fixed.core.has_stopped());
}

#[test]
fn a_client_that_is_asked_to_move_does_so_when_it_was_told() {
    let mut bench = Bench::live();
    bench.pass(s(20));
    bench.frame(ServerFrame::Reconnect(Reconnect {
        after: 4_000,
        reason: ReconnectReason::Draining,
    }));
    bench.pass(Duration::from_millis(3_999));
    assert_eq!(bench.dialled().len(), 1);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.dialled(), URLS);
    assert!(bench.other.contains(&Effect::Drop));
}

#[test]
fn a_half_open_connection_is_found_and_left() {
    let mut bench = Bench::live();
    bench.pass(s(25));
    assert!(matches!(bench.written[..], [ClientFrame::Ping(_)]));
    bench.pass(s(10));
    let silent =
        |event: &Event| matches!(event, Event::Disconnected { cause: Cause::Silent(_), .. });
    assert!(bench.events().iter().any(silent));
    assert!(bench.other.contains(&Effect::Drop));
}

#[test]
fn attempts_that_hang_are_given_up() {
    let mut bench = Bench::new(options());
    bench.pass(s(20));
    assert!(bench.dialled().len() >= 2, "a dial that hangs");
    let mut bench = Bench::new(options());
    bench.core.opened(bench.now, "secret".into());
    bench.pass(s(20));
    assert!(bench.dialled().len() >= 2, "a hello without an answer");
}

#[test]
fn a_send_that_a_living_gateway_forgets_goes_again_on_another_connection() {
    let mut bench = Bench::live();
    bench.send("r1", "bob");
    bench.pass_alive(29);
    bench.redial();
    bench.open(Limits::default());
    let references: Vec<_> = bench.sends().into_iter().map(|(reference, _)| reference).collect();
    assert_eq!(references, ["r1", "r1"]);
}

#[test]
fn hello_tells_what_the_device_has_seen_also_in_an_earlier_run() {
    let mut bench = Bench::live();
    bench.frame(message(id(5_000)));
    bench.frame(message(id(4_000)));
    let resume = bench.core.resume();
    assert_eq!((resume.highest, resume.epoch), (Some(id(5_000)), Some(1)));

    let mut next = Bench::new(Options { resume, ..options() });
    next.core.opened(next.now, "secret".into());
    next.settle();
    let Some(ClientFrame::Hello(hello)) = next.written.pop() else { panic!("no hello") };
    let told = client::Resume { highest: Some(id(5_000)), epoch: Some(1) };
    assert_eq!(hello.resume, Some(told));
}

#[test]
fn sends_stay_within_the_window_that_the_gateway_gave() {
    let mut bench = Bench::live_with(options(), Limits { sends_in_flight: 2, ..Limits::default() });
    for reference in ["r1", "r2", "r3"] {
        bench.send(reference, "bob");
    }
    assert_eq!(bench.sends().len(), 2);
    bench.frame(failed("r1", ErrorCode::Forbidden, None));
    assert_eq!(bench.sends()[0].0, "r3");
}

#[test]
fn a_temporary_failure_keeps_the_order_of_a_recipient_and_holds_nobody_else_up() {
    let mut bench = Bench::live();
    for (reference, to) in [("r1", "bob"), ("r2", "bob")] {
        bench.send(reference, to);
    }
    bench.sends();
    bench.frame(failed("r1", ErrorCode::Unavailable, Some(2_000)));
    bench.send("r3", "bob");
    bench.send("r4", "carol");
    assert_eq!(bench.sends()[0].0, "r4");
    bench.frame(failed("r2", ErrorCode::Unavailable, None));
    bench.pass(Duration::from_millis(1_999));
    assert_eq!(bench.sends(), []);
    bench.pass(s(1));
    let references: Vec<_> = bench.sends().into_iter().map(|(reference, _)| reference).collect();
    assert_eq!(references, ["r1", "r2", "r3"]);
}

#[test]
fn a_send_that_failed_waits_for_the_answers_of_those_after_it() {
    let mut bench = Bench::live();
    for reference in ["r1", "r2"] {
        bench.send(reference, "bob");
    }
    bench.sends();
    bench.frame(failed("r1", ErrorCode::Unavailable, None));
    bench.pass(s(1));
    assert_eq!(bench.sends(), []);
    bench.frame(failed("r2", ErrorCode::Unavailable, None));
    bench.pass(s(1));
    let references: Vec<_> = bench.sends().into_iter().map(|(reference, _)| reference).collect();
    assert_eq!(references, ["r1", "r2"]);
}

#[test]
fn an_error_that_names_the_request_only_answers_the_send_too() {
    let mut bench = Bench::live();
    bench.send("r1", "bob");
    let (_, request) = bench.sends()[0].clone();
    let error = Error { id: Some(request), ..Error::new(ErrorCode::Forbidden, "no") };
    bench.frame(ServerFrame::Error(error.clone()));
    let refused = Err(SendError::Refused(Box::new(error)));
    assert_eq!(bench.other.last(), Some(&Effect::Answered("r1".parse().unwrap(), refused)));
}

#[test]
fn a_message_that_no_gateway_would_take_is_refused_here() {
    let mut bench = Bench::live();
    // 20 KiB of control characters are 120 KiB of JSON.
    let content = Content::text("\u{1}".repeat(20 * 1024)).unwrap();
    bench.core.send(Outgoing { content, ..outgoing("r1", "bob") }).unwrap();
    bench.settle();
    assert_eq!(bench.sends(), []);
    assert!(matches!(
        bench.other.last(),
        Some(Effect::Answered(_, Err(SendError::TooLarge { limit: 65_536, .. })))
    ));
}

#[test]
fn a_reference_that_may_be_forgotten_is_not_used_again() {
    let mut bench =
        Bench::live_with(options(), Limits { reference_lifetime: 5_000, ..Limits::default() });
    bench.send("r1", "bob");
    bench.pass(s(6));
    bench.core.tick(bench.now);
    bench.settle();
    assert!(
        bench.other.contains(&Effect::Answered("r1".parse().unwrap(), Err(SendError::Expired)))
    );
}

#[test]
fn a_client_whose_application_takes_nothing_stops_reading_and_takes_silence_for_nothing() {
    let mut bench = Bench::live();
    for millis in 1..=300 {
        // What the shell does: it reads only what is wanted.
        if bench.core.wants_frames() {
            bench.frame(message(MessageId::new(
                Stamp::new(millis, 0),
                chatcluster_protocol::id::Identity::of(
                    &"bob".parse().unwrap(),
                    &"phone".parse().unwrap(),
                    &format!("r{millis}").parse().unwrap(),
                ),
            )));
        }
    }
    assert!(!bench.core.wants_frames());
    for _ in 0..100 {
        bench.now += s(1);
        bench.core.tick(bench.now);
        bench.settle();
    }
    assert_eq!(bench.dialled().len(), 1);
    assert_eq!(bench.events().len(), EVENTS);
    assert!(bench.core.wants_frames());
}

#[test]
fn messages_that_nobody_takes_are_not_acknowledged() {
    let mut bench = Bench::live();
    bench.core.deafen();
    bench.frame(message(id(1)));
    bench.core.close(bench.now);
    bench.settle();
    assert_eq!(bench.written, []);
    assert_eq!(bench.other.last(), Some(&Effect::Goodbye));
}

#[test]
fn closing_writes_the_acks_that_are_due_first() {
    let mut bench = Bench::live();
    bench.frame(message(id(1)));
    bench.frame(ServerFrame::Receipt(Receipt {
        receipt: id(2),
        kind: ReceiptKind::Delivered,
        conversation: ConversationId::from_bytes([0; 16]),
        user: "bob".parse().unwrap(),
        up_to: id(1),
        at: 1,
    }));
    bench.core.take(Taken::Message(id(1)));
    bench.core.take(Taken::Receipt(id(2)));
    bench.core.close(bench.now);
    bench.settle();
    let ack = Ack { id: None, messages: vec![id(1)], receipts: vec![id(2)] };
    assert_eq!(bench.written, [ClientFrame::Ack(ack)]);
    assert_eq!(bench.other.last(), Some(&Effect::Goodbye));
}

fn conversation(n: u8) -> ConversationId {
    ConversationId::from_bytes([n; 16])
}

/// The marks that were written, as conversation and id.
fn marks(written: &[ClientFrame]) -> Vec<(ConversationId, MessageId)> {
    let mark = |frame: &ClientFrame| match frame {
        ClientFrame::Read(read) => (read.conversation, read.up_to),
        other => panic!("{other:?}"),
    };
    written.iter().map(mark).collect()
}

#[test]
fn what_was_read_is_told_once_and_only_the_highest_of_each_conversation() {
    let mut bench = Bench::live();
    for (of, up_to) in [(1, 5), (2, 3), (1, 7), (1, 6)] {
        bench.core.read(conversation(of), id(up_to));
    }
    bench.settle();
    assert_eq!(marks(&bench.written), [(conversation(1), id(7)), (conversation(2), id(3))]);
    // One that is raised while it is under way goes once more, after the answer.
    bench.core.read(conversation(1), id(8));
    bench.settle();
    assert_eq!(bench.written.len(), 2);
    for frame in bench.written.clone() {
        let ClientFrame::Read(Read { id, conversation, up_to }) = frame else { panic!() };
        bench.frame(ServerFrame::Marked(Marked { id, conversation, up_to }));
    }
    assert_eq!(marks(&bench.written[2..]), [(conversation(1), id(8))]);
}

#[test]
fn no_more_marks_are_under_way_than_the_gateway_takes() {
    let limits = Limits { reads_in_flight: 2, ..Limits::default() };
    let mut bench = Bench::live_with(options(), limits);
    (1..=5).for_each(|of| bench.core.read(conversation(of), id(1)));
    bench.settle();
    assert_eq!(bench.written.len(), 2);
    let ClientFrame::Read(read) = bench.written[0].clone() else { panic!() };
    let Read { id, conversation, up_to } = read;
    bench.frame(ServerFrame::Marked(Marked { id, conversation, up_to }));
    assert_eq!(bench.written.len(), 3);
}

#[test]
fn a_mark_that_is_refused_for_good_is_dropped_and_another_one_comes_again() {
    let mut bench = Bench::live();
    bench.core.read(conversation(1), id(1));
    bench.core.read(conversation(2), id(1));
    bench.settle();
    let refused = |frame: &ClientFrame, code| {
        ServerFrame::Error(Error { id: frame.id(), ..Error::new(code, "no") })
    };
    bench.frame(refused(&bench.written[0].clone(), ErrorCode::Forbidden));
    bench.frame(refused(&bench.written[1].clone(), ErrorCode::Unavailable));
    bench.pass(s(5));
    assert_eq!(marks(&bench.written[2..]), [(conversation(2), id(1))]);
}

#[test]
fn closing_writes_the_marks_that_are_due() {
    let mut bench = Bench::live();
    bench.core.read(conversation(1), id(1));
    bench.core.close(bench.now);
    bench.settle();
    assert_eq!(marks(&bench.written), [(conversation(1), id(1))]);
    assert_eq!(bench.other.last(), Some(&Effect::Goodbye));
}

#[test]
fn history_is_asked_again_on_the_next_connection() {
    let mut bench = Bench::live();
    let query = crate::HistoryQuery::with("bob".parse().unwrap());
    bench.core.ask(1, Question::History(Box::new(query.into()))).unwrap();
    bench.settle();
    bench.close(CloseCode::Draining);
    bench.pass(s(1));
    bench.open(Limits::default());
    let asked = |frame: &ClientFrame| matches!(frame, ClientFrame::History(_));
    assert_eq!(bench.written.iter().filter(|frame| asked(frame)).count(), 2);
}

#[test]
fn who_has_a_message_is_told_to_whoever_asked() {
    let mut bench = Bench::live();
    let request = ReceiptsRequest { id: RequestId::MAX, message: id(1), members: false };
    bench.core.ask(1, Question::Receipts(request)).unwrap();
    bench.settle();
    let asked = bench.written.iter().find_map(|frame| match frame {
        ClientFrame::Receipts(request) => Some(request.clone()),
        _ => None,
    });
    let asked = asked.unwrap();
    assert_eq!((asked.message, asked.members), (id(1), false));
    let receipts = Receipts::of(&asked, Vec::new());
    bench.frame(ServerFrame::Receipts(receipts.clone()));
    assert_eq!(bench.other.last(), Some(&Effect::Told(1, Ok(Answer::Receipts(receipts)))));
}

/// To whom it was said over the connection that the user is typing, or not.
fn typed(written: &[ClientFrame]) -> Vec<(String, bool)> {
    let typing = |frame: &ClientFrame| match frame {
        ClientFrame::Typing(Typing { to: TypedTo::User(to), active, .. }) => {
            Some((to.to_string(), *active))
        }
        _ => None,
    };
    written.iter().filter_map(typing).collect()
}

fn to(user: &str) -> Recipient {
    Recipient::User(user.parse().unwrap())
}

#[test]
fn typing_is_told_every_three_seconds_and_its_end_once() {
    let mut bench = Bench::live();
    bench.core.typing(bench.now, to("bob"), false);
    for _ in 0..40 {
        bench.core.typing(bench.now, to("bob"), true);
        bench.pass(Duration::from_millis(100));
    }
    for _ in 0..2 {
        bench.core.typing(bench.now, to("bob"), false);
    }
    bench.settle();
    let told = [("bob".to_owned(), true), ("bob".to_owned(), true), ("bob".to_owned(), false)];
    assert_eq!(typed(&bench.written), told);
    for n in 0..20 {
        bench.core.typing(bench.now, to(&format!("user-{n}")), true);
    }
    bench.settle();
    assert_eq!(typed(&bench.written).len(), 3 + 8);
}

#[test]
fn nobody_is_told_without_a_session_nor_by_a_gateway_that_knows_no_typing() {
    let mut bench = Bench::live();
    bench.core.typing(bench.now, to("bob"), true);
    bench.settle();
    let id = bench.written.last().unwrap().id();
    bench.frame(ServerFrame::Error(Error { id, ..Error::new(ErrorCode::UnknownType, "what?") }));
    bench.pass(s(4));
    bench.core.typing(bench.now, to("bob"), true);
    bench.close(CloseCode::Draining);
    bench.core.typing(bench.now, to("bob"), true);
    bench.pass(s(1));
    assert_eq!(typed(&bench.written).len(), 1);
    bench.open(Limits::default());
    bench.core.typing(bench.now, to("bob"), true);
    bench.settle();
    assert_eq!(typed(&bench.written).len(), 2);
}

#[test]
fn an_application_that_is_behind_is_not_told_who_types() {
    let mut bench = Bench::live();
    let conversation = conversation(1);
    let typing = || IsTyping { from: "bob".parse().unwrap(), conversation, expires_in: 6_000 };
    for _ in 0..500 {
        bench.core.frame(bench.now, ServerFrame::Typing(typing()));
    }
    assert!(bench.core.wants_frames());
    let events = std::iter::from_fn(|| bench.core.poll_event());
    assert!(events.filter(|event| *event == Event::Typing(typing())).count() >= 100);
}
