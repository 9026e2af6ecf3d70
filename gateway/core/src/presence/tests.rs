use chatcluster_protocol::client::{PresenceTo, Presences, RequestId};

use super::*;
use crate::Away;
use crate::testing::{START, at, claimed, device, user};

/// A gateway's presence, with services that the test plays.
struct World {
    presence: Presence,
    locals: Locals,
    now: Duration,
    effects: Vec<Effect>,
    /// Of those who have one.
    settings: BTreeMap<&'static str, PresenceTo>,
    /// Who was looked up.
    asked: Vec<UserId>,
}

impl World {
    fn new() -> Self {
        let (presence, locals) = (Presence::default(), Locals::default());
        let (now, effects) = (Duration::from_secs(1_000), Vec::new());
        Self { presence, locals, now, effects, settings: BTreeMap::new(), asked: Vec::new() }
    }

    fn watch(&mut self, connection: u64, who: &str, id: u64, users: &[&str]) {
        let request =
            (RequestId::try_from(id).unwrap(), users.iter().map(|one| user(one)).collect());
        let (now, locals, effects) = (at(self.now), &self.locals, &mut self.effects);
        self.presence.watch(now, ConnectionId(connection), &user(who), request, locals, effects);
    }

    /// As many seconds pass.
    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            self.presence.tick(at(self.now), &self.locals, &mut self.effects);
        }
    }

    fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Plays both services for what was asked; gives what is told. `None`: the service is away.
    fn answer(
        &mut self,
        online: impl Fn(&str) -> Option<Found>,
        allowed: impl Fn(&str, &str) -> Option<bool>,
    ) -> Vec<(u64, Presences)> {
        let mut told = Vec::new();
        while !self.effects.is_empty() {
            for effect in self.effects() {
                let (now, effects) = (at(self.now), &mut self.effects);
                match effect {
                    Effect::LookUp { call, users } => {
                        self.asked.extend(users.iter().cloned());
                        let found: Option<Vec<_>> =
                            users.iter().map(|user| online(user.as_str())).collect();
                        let (found, locals) = (found.ok_or(Away), &self.locals);
                        self.presence.looked_up(now, call, found, locals, effects);
                    }
                    Effect::ReadSettings { call, users } => {
                        let away = users.iter().any(|user| allowed("", user.as_str()).is_none());
                        let setting = |user: &UserId| self.settings.get(user.as_str()).copied();
                        let settings = users.iter().map(|user| setting(user).unwrap_or_default());
                        let settings = if away { Err(Away) } else { Ok(settings.collect()) };
                        self.presence.settings(now, call, settings, effects);
                    }
                    Effect::ReadContacts { call, pairs } => {
                        let contacts: Option<Vec<_>> =
                            pairs.iter().map(|(a, b)| allowed(a.as_str(), b.as_str())).collect();
                        self.presence.contacts(now, call, contacts.ok_or(Away), effects);
                    }
                    Effect::Tell(connection, tell) => told.push((connection.0, tell.presences)),
                    Effect::Refuse(connection, _) => panic!("{connection:?} is refused"),
                }
            }
        }
        told
    }

    /// The same where everybody may see everybody.
    fn look(&mut self, online: impl Fn(&str) -> Option<Found>) -> Vec<(u64, Presences)> {
        self.answer(online, |_, _| Some(true))
    }

    /// The changes that are told, of each user the last, in one frame or in several.
    fn changes(&mut self, online: impl Fn(&str) -> Option<Found>) -> Vec<UserPresence> {
        let told = self.look(online).into_iter();
        let users = told.flat_map(|(_, presences)| presences.users);
        users.map(|one| (one.user.clone(), one)).collect::<BTreeMap<_, _>>().into_values().collect()
    }

    fn looked_up(&mut self) -> Vec<Vec<String>> {
        let lookups = self.effects.iter().filter_map(|effect| match effect {
            Effect::LookUp { users, .. } => Some(users.iter().map(ToString::to_string).collect()),
            _ => None,
        });
        lookups.collect()
    }
}

const ONLINE: Option<Found> = Some(Found { online: true, seen: Some(Duration::ZERO) });
const UNKNOWN: Option<Found> = Some(Found { online: false, seen: None });

fn left(seconds_ago: u64) -> Option<Found> {
    Some(Found { online: false, seen: Some(Duration::from_secs(seconds_ago)) })
}

fn is(user_: &str, online: bool, last_seen: Option<u64>) -> UserPresence {
    UserPresence { user: user(user_), online, last_seen }
}

fn told(connection: u64, id: Option<u64>, users: &[UserPresence]) -> (u64, Presences) {
    let id = id.map(|id| RequestId::try_from(id).unwrap());
    (connection, Presences { id, users: users.to_vec() })
}

#[test]
fn a_request_is_answered_once_all_is_known_and_changes_follow() {
    let mut w = World::new();
    w.watch(1, "alice", 7, &["carol", "bob", "bob"]);
    let online = |name: &str| if name == "bob" { ONLINE } else { left(300) };
    let seen = START + 700_000;
    let both = [is("bob", true, None), is("carol", false, Some(seen))];
    assert_eq!(w.look(online), [told(1, Some(7), &both)]);
    w.pass(5);
    let later = |name: &str| if name == "bob" { ONLINE } else { left(306) };
    assert_eq!(w.look(later), [], "a second more or less is no news");
    w.pass(5);
    let off = START + 1_010_000;
    let both = [is("bob", false, Some(off)), is("carol", false, Some(off))];
    assert_eq!(w.changes(|_| left(0)), both);
    // Watching nobody any more is answered at once, and the end of it.
    w.watch(1, "alice", 8, &[]);
    assert_eq!(w.look(|_| ONLINE), [told(1, Some(8), &[])]);
    w.pass(20);
    assert_eq!(w.effects(), []);
}

#[test]
fn each_user_is_looked_up_once_in_a_period_whoever_watches() {
    let mut w = World::new();
    for connection in 1..=50 {
        w.watch(connection, &format!("watcher-{connection}"), 1, &["bob"]);
    }
    assert_eq!(w.looked_up(), [["bob"]], "one call is under way");
    assert_eq!(w.look(|_| ONLINE).len(), 50);
    let mut looks = 0;
    for _ in 0..50 {
        w.pass(1);
        looks += w.looked_up().len();
        w.look(|_| ONLINE);
    }
    assert!((9..=18).contains(&looks), "{looks} lookups in 50 s");
    // One who comes later is told what is known, and asks only for leave.
    w.watch(99, "late", 1, &["bob"]);
    assert_eq!(w.looked_up(), [[""; 0]; 0]);
    assert_eq!(w.look(|_| None), [told(99, Some(1), &[is("bob", true, None)])]);
}

#[test]
fn however_many_are_watched_a_second_has_a_bound_and_everybodys_turn_comes() {
    let mut w = World::new();
    for connection in 0..300 {
        let users: Vec<_> = (0..100).map(|n| format!("user-{connection}-{n}")).collect();
        let users: Vec<_> = users.iter().map(String::as_str).collect();
        w.watch(connection, "alice", 1, &users);
    }
    let (mut seen, mut answers) = (BTreeSet::new(), 0);
    for second in 0..120 {
        let told = w.look(|_| ONLINE);
        answers += told.iter().filter(|(_, presences)| presences.id.is_some()).count();
        assert!(w.asked.len() <= A_SECOND, "{} users in second {second}", w.asked.len());
        seen.extend(w.asked.drain(..));
        w.pass(1);
    }
    assert_eq!((seen.len(), answers), (30_000, 300));
}

#[test]
fn an_answer_is_not_waited_for_longer_than_two_seconds() {
    let mut w = World::new();
    w.watch(1, "alice", 7, &["bob"]);
    let asked = w.effects();
    assert_eq!(asked.len(), 3);
    w.pass(1);
    assert_eq!(w.effects(), []);
    w.pass(1);
    let unknown = told(1, Some(7), &[is("bob", false, None)]);
    let tell = Tell { number: 1, presences: unknown.1 };
    assert_eq!(w.effects(), [Effect::Tell(ConnectionId(1), tell)]);
    w.effects = asked;
    assert_eq!(w.look(|_| ONLINE), [told(1, None, &[is("bob", true, None)])]);
}

#[test]
fn who_may_not_watch_sees_what_is_seen_of_a_stranger() {
    let mut w = World::new();
    w.watch(1, "alice", 1, &["bob"]);
    w.watch(2, "mallory", 1, &["bob", "nobody"]);
    let friends = |watcher: &str, _: &str| Some(watcher == "alice");
    let online = |name: &str| if name == "bob" { ONLINE } else { UNKNOWN };
    let nothing = [is("bob", false, None), is("nobody", false, None)];
    let first = w.answer(online, friends);
    assert_eq!(first, [told(1, Some(1), &[is("bob", true, None)]), told(2, Some(1), &nothing)]);
    for _ in 0..30 {
        w.pass(1);
        let told = w.answer(|_| left(0), friends);
        assert!(told.iter().all(|(connection, _)| *connection == 1), "{told:?}");
    }
    // He hides from alice, too: that is noticed within a minute.
    w.pass(5);
    w.answer(|_| ONLINE, friends);
    w.settings.insert("bob", PresenceTo::Nobody);
    let mut seconds = 0;
    let gone = loop {
        w.pass(1);
        seconds += 1;
        let told = w.answer(|_| ONLINE, friends);
        if !told.is_empty() {
            break told;
        }
    };
    assert_eq!(gone, [told(1, None, &[is("bob", false, None)])]);
    assert!(seconds <= 62, "after {seconds} s");
}

#[test]
fn who_becomes_a_contact_sees_it_within_a_minute_and_who_shows_himself_to_all_is_seen_by_all() {
    let mut w = World::new();
    w.watch(1, "alice", 1, &["bob"]);
    w.answer(|_| ONLINE, |_, _| Some(false));
    let soon = |w: &mut World, contact: bool| {
        (0..62).any(|_| {
            w.pass(1);
            let told = w.answer(|_| ONLINE, |_, _| Some(contact));
            told == [told_of_bob(1)]
        })
    };
    fn told_of_bob(connection: u64) -> (u64, Presences) {
        told(connection, None, &[is("bob", true, None)])
    }
    assert!(soon(&mut w, true));
    let mut w = World::new();
    w.watch(1, "mallory", 1, &["bob"]);
    w.answer(|_| ONLINE, |_, _| Some(false));
    w.settings.insert("bob", PresenceTo::Everybody);
    assert!(soon(&mut w, false));
}

#[test]
fn who_hides_is_not_shown_to_whoever_begins_to_watch_later() {
    let mut w = World::new();
    w.settings.insert("bob", PresenceTo::Everybody);
    w.watch(1, "alice", 1, &["bob"]);
    assert_eq!(w.look(|_| ONLINE), [told(1, Some(1), &[is("bob", true, None)])]);
    w.settings.insert("bob", PresenceTo::Nobody);
    w.watch(2, "carol", 1, &["bob"]);
    let hidden = [is("bob", false, None)];
    assert_eq!(w.look(|_| ONLINE), [told(1, None, &hidden), told(2, Some(1), &hidden)]);
}

#[test]
fn the_time_of_an_answer_tells_nothing_of_who_may_not_be_seen() {
    for here in [false, true] {
        let mut w = World::new();
        if here {
            w.locals.hold(device("bob", "phone"), claimed(5, 50));
        }
        w.watch(1, "mallory", 1, &["bob"]);
        // Whoever asks Redis, or needs not to: the answer comes with the setting.
        w.effects.retain(|effect| !matches!(effect, Effect::LookUp { .. }));
        let answers = w.answer(|_| None, |_, _| Some(false));
        assert_eq!(answers, [told(1, Some(1), &[is("bob", false, None)])], "here: {here}");
    }
}

#[test]
fn a_gateway_watches_as_many_as_it_has_room_for() {
    let mut w = World::new();
    let names: Vec<String> = (0..100).map(|n| format!("user-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for connection in 0..SIGHTS as u64 / 100 {
        w.watch(connection, "alice", 1, &names);
    }
    w.look(|_| ONLINE);
    w.watch(7, "alice", 2, &names[..99]);
    w.watch(5_000, "bob", 1, &["user-1"]);
    w.look(|_| ONLINE);
    w.watch(5_000, "bob", 2, &["user-1", "user-2"]);
    let refused = Effect::Refuse(ConnectionId(5_000), RequestId::try_from(2).unwrap());
    assert_eq!(w.effects(), [refused]);
    w.presence.unwatch(ConnectionId(9));
    w.watch(5_000, "bob", 3, &["user-1", "user-2"]);
    w.pass(2);
    let answers = w.look(|_| ONLINE);
    assert!(answers.iter().any(|(connection, _)| *connection == 5_000));
    for connection in 0..=5_000 {
        w.presence.unwatch(ConnectionId(connection));
    }
    assert_eq!((w.presence.sights, w.presence.watched.len()), (0, 0));
}

#[test]
fn what_is_told_is_numbered_and_only_changes_are() {
    let mut w = World::new();
    w.watch(1, "alice", 1, &["bob", "carol"]);
    w.look(|_| left(0));
    w.pass(5);
    let mut numbers = Vec::new();
    for state in [left(0), ONLINE, ONLINE, left(0)] {
        w.pass(5);
        w.look(|_| state);
        numbers.push(w.presence.watchers[&ConnectionId(1)].told);
    }
    assert!(numbers.is_sorted() && numbers[0] == 1 && numbers[1] == numbers[2], "{numbers:?}");
}

#[test]
fn a_route_that_nobody_touches_is_left_over() {
    let mut w = World::new();
    let touched = |seconds| Some(Found { online: true, seen: Some(Duration::from_secs(seconds)) });
    w.watch(1, "alice", 1, &["bob"]);
    assert_eq!(w.look(|_| touched(650)), [told(1, Some(1), &[is("bob", true, None)])]);
    w.pass(10);
    let seen = START + 350_000;
    assert_eq!(w.look(|_| touched(660)), [told(1, None, &[is("bob", false, Some(seen))])]);
}

#[test]
fn an_answer_about_whom_nobody_watches_any_more_is_not_taken_for_one_about_another() {
    let mut w = World::new();
    w.watch(1, "alice", 1, &["bob", "carol"]);
    let asked = w.effects();
    w.watch(1, "alice", 2, &["carol"]);
    w.effects.splice(..0, asked);
    let all = w.answer(|_| ONLINE, |_, user| Some(user == "bob"));
    assert!(all.iter().all(|(_, presences)| presences.users.iter().all(|one| !one.online)));
    assert!(all.contains(&told(1, Some(2), &[is("carol", false, None)])));
}

#[test]
fn what_was_known_stays_while_the_manager_is_away() {
    let mut w = World::new();
    w.watch(1, "alice", 1, &["bob"]);
    w.look(|_| ONLINE);
    for _ in 0..600 {
        w.pass(1);
        assert_eq!(w.look(|_| None), []);
    }
    w.watch(2, "carol", 1, &["bob", "dave"]);
    let known = [is("bob", true, None), is("dave", false, None)];
    assert_eq!(w.look(|_| None), [told(2, Some(1), &known)], "and it is not waited for");
    w.pass(5);
    assert!(w.look(|_| left(0)).len() >= 2);
}

#[test]
fn without_the_message_service_nobody_new_sees_anything_and_others_for_five_minutes() {
    let mut w = World::new();
    w.watch(1, "alice", 1, &["bob"]);
    w.look(|_| ONLINE);
    w.watch(2, "carol", 1, &["bob"]);
    let away = |_: &str, _: &str| None;
    assert_eq!(w.answer(|_| ONLINE, away), [told(2, Some(1), &[is("bob", false, None)])]);
    let mut hidden = None;
    for second in 1..=400 {
        w.pass(1);
        match &w.answer(|_| ONLINE, away)[..] {
            [] => {}
            [gone] if hidden.is_none() && *gone == told(1, None, &[is("bob", false, None)]) => {
                hidden = Some(second);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(hidden.is_some_and(|after| (299..=362).contains(&after)), "{hidden:?}");
    // It is back: both see him soon.
    let mut back = BTreeSet::new();
    for _ in 0..12 {
        w.pass(1);
        back.extend(w.look(|_| ONLINE).into_iter().map(|(connection, _)| connection));
    }
    assert_eq!(back, BTreeSet::from([1, 2]));
}

#[test]
fn a_user_at_this_gateway_is_known_without_a_lookup() {
    let mut w = World::new();
    w.locals.hold(device("bob", "phone"), claimed(5, 50));
    w.watch(1, "alice", 1, &["bob"]);
    assert_eq!(w.looked_up(), [[""; 0]; 0]);
    assert_eq!(w.look(|_| None), [told(1, Some(1), &[is("bob", true, None)])]);
    w.pass(30);
    assert_eq!(w.looked_up(), [[""; 0]; 0]);
    w.look(|_| None);
    w.locals.remove(&device("bob", "phone"), ConnectionId(5));
    w.pass(5);
    assert!(w.looked_up().contains(&vec!["bob".to_owned()]));
}

#[test]
fn what_a_session_has_no_room_for_it_is_told_later_as_it_is_then() {
    let mut w = World::new();
    w.watch(1, "alice", 1, &["bob", "carol"]);
    w.look(|_| left(0));
    w.pass(5);
    let online = [is("bob", true, None), is("carol", true, None)];
    assert_eq!(w.changes(|_| ONLINE), online);
    w.presence.missed(ConnectionId(1), &online[..1]);
    w.pass(1);
    assert_eq!(w.look(|_| ONLINE), [told(1, None, &online[..1])]);
    w.presence.missed(ConnectionId(1), &online);
    w.presence.unwatch(ConnectionId(1));
    w.pass(20);
    assert_eq!(w.effects(), [], "nobody is here any more");
}

#[test]
fn a_session_watches_only_whom_it_named_last() {
    let mut w = World::new();
    w.watch(1, "alice", 1, &["bob", "carol"]);
    w.look(|_| ONLINE);
    w.watch(1, "alice", 2, &["carol", "dave"]);
    let both = [is("carol", true, None), is("dave", true, None)];
    assert_eq!(w.look(|_| ONLINE), [told(1, Some(2), &both)]);
    w.pass(5);
    assert!(!w.looked_up().iter().flatten().any(|name| name == "bob"));
    // A request that takes the place of one without an answer: both are answered.
    w.effects();
    w.watch(1, "alice", 3, &["erin"]);
    w.watch(1, "alice", 4, &["frank"]);
    let ids: Vec<_> = w.look(|_| ONLINE).into_iter().map(|(_, presences)| presences.id).collect();
    assert_eq!(ids, [RequestId::try_from(3).ok(), RequestId::try_from(4).ok()]);
}
