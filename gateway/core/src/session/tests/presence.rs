//! Whom a client watches, what it is told, and its user's setting.

use chatcluster_protocol::client::{PresenceTo, Presences, RequestId, UserPresence};

use super::*;
use crate::presence::Tell;

fn presences(id: Option<u64>) -> Presences {
    let alice = UserPresence { user: user("alice"), online: true, last_seen: None };
    Presences { id: id.map(request), users: vec![alice] }
}

fn request(id: u64) -> RequestId {
    RequestId::try_from(id).unwrap()
}

impl Bob {
    fn tell(&mut self, presences: &Presences) -> (Shown, Vec<Effect>) {
        self.tell_as(0, presences)
    }

    fn tell_as(&mut self, number: u64, presences: &Presences) -> (Shown, Vec<Effect>) {
        let mut env = env(self.now, &self.own, &mut self.clock, &mut self.rates, &mut self.effects);
        let tell = Tell { number, presences: presences.clone() };
        let shown = self.session.show_presence(&tell, &mut env);
        (shown, self.effects())
    }
}

#[test]
fn whom_a_client_watches_is_handed_on_with_who_asks() {
    let mut bob = Bob::connected();
    bob.sends(r#"{"type":"presence","id":4,"users":["alice"]}"#);
    let frames = bob.frames();
    let [ServerFrame::Error(error)] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!(error.code, ErrorCode::HelloExpected);
    let mut bob = Bob::welcomed();
    bob.sends(r#"{"type":"presence","id":4,"users":["alice","carol"]}"#);
    let users = vec![user("alice"), user("carol")];
    assert_eq!(bob.effects(), [Effect::Watch { user: user("bob"), request: request(4), users }]);
}

#[test]
fn an_answer_is_always_written_and_a_change_only_where_nothing_else_waits() {
    let (answer, change) = (presences(Some(4)), presences(None));
    let text = |presences: &Presences| ServerFrame::Presence(presences.clone()).encode().into();
    let written = |bob: &mut Bob| {
        assert_eq!(bob.tell(&answer), (Shown::Handed, vec![Effect::Write(text(&answer))]));
    };
    let mut bob = Bob::welcomed();
    written(&mut bob);
    assert_eq!(bob.tell(&change), (Shown::Busy, vec![]), "it reads its inbox");
    bob.page(&[], None);
    bob.effects();
    let handed = vec![Effect::WritePresence(text(&change), change.users.clone())];
    assert_eq!(bob.tell(&change), (Shown::Handed, handed));
    for n in 0..200 {
        bob.deliver(&nth(n));
    }
    bob.effects();
    written(&mut bob);
    assert_eq!(bob.tell(&change), (Shown::Busy, vec![]), "its client acknowledges nothing");
    bob.handle(Input::Closed);
    bob.effects();
    assert_eq!(bob.tell(&answer), (Shown::NotHere, vec![]));
    let mut silent = Bob::live();
    silent.wait_seconds(26);
    silent.effects();
    assert_eq!(silent.tell(&change), (Shown::Busy, vec![]));
}

#[test]
fn what_comes_behind_a_newer_one_is_to_be_told_again() {
    let (answer, change) = (presences(Some(4)), presences(None));
    let mut bob = Bob::live();
    assert_eq!(bob.tell_as(3, &change).0, Shown::Handed);
    assert_eq!(bob.tell_as(2, &change), (Shown::Busy, vec![]), "an older change says nothing");
    let (shown, effects) = bob.tell_as(1, &answer);
    assert_eq!((shown, effects.len()), (Shown::Busy, 1), "but a request is answered");
    assert_eq!(bob.tell_as(4, &change).0, Shown::Handed);
    let mut env = env(bob.now, &bob.own, &mut bob.clock, &mut bob.rates, &mut bob.effects);
    bob.session.refuse_presence(request(9), &mut env);
    let frames = bob.frames();
    let [ServerFrame::Error(error)] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!((error.code, error.id), (ErrorCode::Overloaded, Some(request(9))));
    assert!(error.temporary);
}

#[test]
fn a_setting_is_answered_when_it_is_stored_or_failed_and_one_at_a_time() {
    let mut bob = Bob::live();
    bob.sends(r#"{"type":"privacy","id":5,"presence_to":"nobody"}"#);
    let effects = bob.effects();
    let [Effect::Privacy { presence_to, request: asked, .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!((*presence_to, *asked), (Some(PresenceTo::Nobody), request(5)));
    bob.sends(r#"{"type":"privacy","id":6}"#);
    let frames = bob.frames();
    let [ServerFrame::Error(error)] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!((error.code, error.id), (ErrorCode::TooManyInFlight, Some(request(6))));
    bob.handle(Input::Privacy(request(5), Err(Away)));
    let frames = bob.frames();
    let [ServerFrame::Error(error)] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!((error.code, error.id), (ErrorCode::Unavailable, Some(request(5))));
    bob.sends(r#"{"type":"privacy","id":7}"#);
    bob.effects();
    bob.handle(Input::Privacy(request(7), Ok(PresenceTo::Everybody)));
    let frames = bob.frames();
    let [ServerFrame::Privacy(is)] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!((is.id, is.presence_to), (request(7), PresenceTo::Everybody));
}
