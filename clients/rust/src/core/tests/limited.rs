//! What the core does when the user has asked for more than one may.

use chatcluster_protocol::client::{Error, ErrorCode};

use super::{
    bench::{Bench, s},
    *,
};

fn limited(id: RequestId, retry_after: u64) -> ServerFrame {
    let error = Error::new(ErrorCode::RateLimited, "too often");
    ServerFrame::Error(Error { id: Some(id), retry_after: Some(retry_after), ..error })
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_rate_limit_holds_all_sends_until_it_is_over() {
    let mut bench = Bench::live();
    for (reference, to) in [("r1", "bob"), ("r2", "bob"), ("r3", "carol")] {
        bench.send(reference, to);
    }
    for (_, id) in bench.sends() {
        bench.frame(limited(id, 1_000));
    }
    bench.send("r4", "dora");
    bench.pass(ms(999));
    assert_eq!(bench.sends(), [], "also those to others: the limit is the user's");
    bench.pass(ms(101));
    let references: Vec<_> = bench.sends().into_iter().map(|(reference, _)| reference).collect();
    assert_eq!(references, ["r1", "r2", "r3", "r4"]);
}

#[test]
fn however_often_it_is_limited_a_send_goes_again_when_the_gateway_says_so() {
    let mut bench = Bench::live();
    bench.send("r1", "bob");
    for round in 0..50 {
        let (_, id) = bench.sends()[0].clone();
        bench.frame(limited(id, 1_000));
        bench.pass(ms(1_100));
        bench.core.heard(bench.now);
        assert_eq!(bench.written.len(), 1, "round {round}");
    }
}

#[test]
fn a_new_connection_is_not_bound_by_what_an_old_one_said() {
    let mut bench = Bench::live();
    bench.send("r1", "bob");
    let (_, id) = bench.sends()[0].clone();
    bench.frame(limited(id, 60_000));
    bench.close(chatcluster_protocol::client::CloseCode::Draining);
    bench.pass(s(1));
    bench.send("r2", "carol");
    bench.written.clear();
    bench.open(Limits::default());
    let references: Vec<_> = bench.sends().into_iter().map(|(reference, _)| reference).collect();
    assert_eq!(references, ["r2"], "what failed waits as it was told to");
}

#[test]
fn marks_and_history_are_asked_for_again_when_the_gateway_says_so() {
    let mut bench = Bench::live();
    let query = crate::HistoryQuery::with("bob".parse().unwrap());
    bench.core.ask(1, Question::History(Box::new(query.into()))).unwrap();
    let [alice, bob] = ["alice", "bob"].map(|name| name.parse().unwrap());
    bench.core.read(ConversationId::between(&alice, &bob), MessageId::floor(7));
    bench.settle();
    for round in 0..5 {
        let asked = std::mem::take(&mut bench.written);
        assert_eq!(asked.len(), 2, "round {round}");
        for frame in asked {
            let id = match frame {
                ClientFrame::History(history) => history.id,
                ClientFrame::Read(read) => read.id,
                other => panic!("{other:?}"),
            };
            bench.frame(limited(id, 2_000));
        }
        bench.pass(ms(1_999));
        assert_eq!(bench.written, []);
        bench.pass(ms(101));
    }
    assert!(!bench.other.iter().any(|effect| matches!(effect, Effect::Told(..))));
}
