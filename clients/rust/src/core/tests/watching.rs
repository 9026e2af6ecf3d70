//! Whom the application watches, and who may see its user.

use chatcluster_protocol::client::{
    CloseCode, Error, ErrorCode, IsTyping, PresenceTo, Presences, PrivacyIs, UserPresence,
};
use serde_json::json;

use super::{
    bench::{Bench, s},
    *,
};

/// The request, and how many users it names.
fn watched(written: &[ClientFrame]) -> Vec<(RequestId, usize)> {
    let watch = |frame: &ClientFrame| match frame {
        ClientFrame::Presence(presence) => Some((presence.id, presence.users.len())),
        _ => None,
    };
    written.iter().filter_map(watch).collect()
}

fn settings(written: &[ClientFrame]) -> Vec<(RequestId, Option<PresenceTo>)> {
    let setting = |frame: &ClientFrame| match frame {
        ClientFrame::Privacy(privacy) => Some((privacy.id, privacy.presence_to)),
        _ => None,
    };
    written.iter().filter_map(setting).collect()
}

fn presence(user: &str, online: bool) -> UserPresence {
    UserPresence { user: user.parse().unwrap(), online, last_seen: None }
}

fn shown(id: Option<RequestId>, users: &[UserPresence]) -> ServerFrame {
    ServerFrame::Presence(Presences { id, users: users.to_vec() })
}

fn told(bench: &mut Bench) -> Vec<UserPresence> {
    let presence =
        |event| if let Event::Presence(presence) = event { Some(presence) } else { None };
    bench.events().into_iter().filter_map(presence).collect()
}

impl Bench {
    fn watch(&mut self, users: &[&str]) {
        self.core.watch(users.iter().map(|user| user.parse().unwrap()).collect());
        self.settle();
    }

    fn privacy(&mut self, ticket: u64, to: Option<PresenceTo>) {
        self.core.privacy(ticket, to).unwrap();
        self.settle();
    }

    fn refuse(&mut self, id: RequestId, code: ErrorCode, retry_after: Option<u64>) {
        let error = Error { id: Some(id), retry_after, ..Error::new(code, "no") };
        self.frame(ServerFrame::Error(error));
    }

    /// The answers about the setting so far.
    fn answers(&mut self) -> Vec<(u64, Result<PresenceTo, PrivacyError>)> {
        let answer = |effect| match effect {
            Effect::Privacy(ticket, result) => Some((ticket, result)),
            _ => None,
        };
        std::mem::take(&mut self.other).into_iter().filter_map(answer).collect()
    }
}

#[test]
fn who_is_watched_is_told_on_each_connection_and_only_the_last_state_of_each_waits() {
    let mut bench = Bench::live();
    bench.watch(&["bob", "carol"]);
    let [(id, 2)] = watched(&bench.written)[..] else { panic!("{:?}", bench.written) };
    bench.frame(shown(Some(id), &[presence("bob", false), presence("carol", true)]));
    for online in [false, true, false, true] {
        bench.frame(shown(None, &[presence("bob", online), presence("eve", online)]));
    }
    let both = ["carol", "bob"].map(|user| presence(user, true));
    assert_eq!(told(&mut bench), both, "nothing of eve, whom nobody watches");
    bench.close(CloseCode::Draining);
    bench.pass(s(1));
    bench.open(Limits::default());
    let [_, (id, 2)] = watched(&bench.written)[..] else { panic!("{:?}", bench.written) };
    bench.refuse(id, ErrorCode::Unavailable, None);
    bench.pass(s(3));
    assert_eq!(watched(&bench.written).len(), 3);
}

#[test]
fn a_newer_list_waits_for_the_answer_to_the_one_before() {
    let mut bench = Bench::live();
    bench.watch(&["bob"]);
    bench.watch(&["carol", "dora"]);
    bench.watch(&["carol", "dora", "erin"]);
    let [(id, 1)] = watched(&bench.written)[..] else { panic!("{:?}", bench.written) };
    bench.frame(shown(Some(id), &[presence("bob", true)]));
    assert_eq!(told(&mut bench), [], "of bob, who is watched no more");
    let [_, (id, 3)] = watched(&bench.written)[..] else { panic!("{:?}", bench.written) };
    // An error lets a newer list wait, too.
    bench.refuse(id, ErrorCode::RateLimited, Some(900));
    bench.watch(&["bob"]);
    assert_eq!(watched(&bench.written).len(), 2);
    bench.pass(s(2));
    assert_eq!(watched(&bench.written).len(), 3);
}

#[test]
fn nothing_that_was_said_about_an_older_list_explains_the_end_of_the_connection() {
    for code in [ErrorCode::BadField, ErrorCode::Unavailable] {
        let mut bench = Bench::live();
        bench.watch(&["bob"]);
        bench.watch(&["carol"]);
        let (id, _) = watched(&bench.written)[0];
        bench.refuse(id, code, None);
        bench.close(CloseCode::Replaced);
        let Some(Event::Fatal(fatal)) = bench.events().pop() else { panic!("not fatal") };
        assert_eq!(fatal.reason, CloseCode::Replaced.reason());
    }
}

#[test]
fn what_waits_of_somebody_who_is_watched_no_more_is_not_told() {
    let mut bench = Bench::live();
    bench.watch(&["bob", "carol"]);
    let conversation = ConversationId::from_bytes([1; 16]);
    let typing = IsTyping { from: "bob".parse().unwrap(), conversation, expires_in: 6_000 };
    bench.frame(ServerFrame::Typing(typing.clone()));
    bench.frame(shown(None, &[presence("bob", true), presence("carol", true)]));
    bench.watch(&["carol"]);
    let left = [Event::Typing(typing), Event::Presence(presence("carol", true))];
    let events: Vec<_> =
        bench.events().into_iter().filter(|event| !matches!(event, Event::Connected(_))).collect();
    assert_eq!(events, left);
}

#[test]
fn a_newer_setting_waits_for_the_answer_to_the_one_before_which_answers_who_wished_for_it() {
    use PresenceTo::{Contacts, Everybody, Nobody};
    let mut bench = Bench::live();
    let answer = |bench: &mut Bench, presence_to| {
        let (id, _) = *settings(&bench.written).last().unwrap();
        bench.frame(ServerFrame::Privacy(PrivacyIs { id, presence_to }));
        bench.answers()
    };
    bench.privacy(1, None);
    bench.privacy(2, None);
    bench.privacy(3, Some(Nobody));
    bench.privacy(4, None);
    assert_eq!(settings(&bench.written).len(), 1, "one at a time");
    assert_eq!(answer(&mut bench, Contacts), [1, 2].map(|ticket| (ticket, Ok(Contacts))));
    bench.privacy(5, Some(Contacts));
    bench.privacy(6, Some(Everybody));
    bench.privacy(7, None);
    assert_eq!(answer(&mut bench, Nobody), [3, 4].map(|ticket| (ticket, Ok(Nobody))));
    assert_eq!(answer(&mut bench, Everybody), [5, 6, 7].map(|ticket| (ticket, Ok(Everybody))));
    let wishes: Vec<_> = settings(&bench.written).into_iter().map(|(_, to)| to).collect();
    assert_eq!(wishes, [None, Some(Nobody), Some(Everybody)]);
    bench.privacy(8, None);
    assert_eq!(settings(&bench.written).last().unwrap().1, None, "what was set is not set again");
}

#[test]
fn a_setting_that_failed_comes_again_and_one_that_is_refused_is_told_to_who_wished_for_it() {
    use PresenceTo::{Contacts, Everybody, Nobody};
    let mut bench = Bench::live();
    bench.privacy(1, Some(Nobody));
    bench.privacy(2, Some(Everybody));
    let (first, _) = settings(&bench.written)[0];
    bench.refuse(first, ErrorCode::Forbidden, None);
    assert!(matches!(bench.answers()[..], [(1, Err(PrivacyError::Refused(_)))]));
    let [_, (second, Some(Everybody))] = settings(&bench.written)[..] else { panic!() };
    bench.refuse(second, ErrorCode::RateLimited, Some(900));
    bench.privacy(3, Some(Contacts));
    assert_eq!(settings(&bench.written).len(), 2);
    bench.pass(s(2));
    let [.., (_, Some(Contacts))] = settings(&bench.written)[..] else { panic!() };
    bench.close(CloseCode::Draining);
    bench.pass(s(1));
    bench.open(Limits::default());
    assert_eq!(settings(&bench.written).len(), 4, "without an answer it is asked again");
    bench.core.close(bench.now);
    bench.settle();
    assert_eq!(bench.answers(), [2, 3].map(|ticket| (ticket, Err(PrivacyError::Closed))));
    assert_eq!(bench.core.privacy(4, None), Err(PrivacyError::Closed));
}

#[test]
fn no_more_wait_for_a_setting_than_a_program_can_want() {
    let mut bench = Bench::live();
    (0..64).for_each(|ticket| bench.privacy(ticket, None));
    assert_eq!(bench.core.privacy(64, None), Err(PrivacyError::Full(64)));
}

#[test]
fn an_answer_that_only_newer_clients_know_is_told_and_not_asked_for_again() {
    let mut bench = Bench::live();
    bench.privacy(1, None);
    let question = crate::HistoryQuery::with("bob".parse().unwrap());
    bench.core.ask(2, Question::History(Box::new(question.into()))).unwrap();
    bench.settle();
    for frame in bench.written.clone() {
        let id = frame.id().unwrap();
        let odd = match frame {
            ClientFrame::Privacy(_) => {
                json!({"type": "privacy", "id": id, "presence_to": "friends"})
            }
            _ => json!({"type": "history", "id": id, "messages": "compressed"}),
        };
        let odd = odd.to_string();
        assert!(serde_json::from_str::<ServerFrame>(&odd).is_err(), "{odd}");
        bench.core.unreadable(bench.now, &odd);
        bench.settle();
    }
    let odd = Effect::Told(2, Err(QueryError::Odd));
    assert!(bench.other.contains(&odd), "{:?}", bench.other);
    assert_eq!(bench.answers(), [(1, Err(PrivacyError::Odd))]);
    bench.core.unreadable(bench.now, "nonsense");
    bench.pass_alive(60);
    assert!(!bench.events().iter().any(|event| matches!(event, Event::Disconnected { .. })));
    assert_eq!(settings(&bench.written).len(), 1);
}
