use chatcluster_protocol::{
    Millis,
    client::{Expiring, Refreshed, RequestId},
};

use super::*;
use crate::testing::START;

/// When the tests' sessions are opened, by the wall clock.
const OPENED: Millis = START + 1_000_000;

/// The end of a token that lasts so many seconds from then on.
fn end(seconds: u64) -> Millis {
    OPENED + seconds * 1_000
}

fn valid(of: &str, seconds: u64) -> Verdict {
    Verdict::Valid { user: user(of), expires: Some(end(seconds)), issued: None }
}

fn expiring(seconds: u64) -> ServerFrame {
    ServerFrame::Expiring(Expiring { expires: end(seconds) })
}

impl Bob {
    /// `hello` with a token of so many seconds, up to the claim.
    fn hello_for(&mut self, seconds: u64) {
        self.sends(r#"{"type":"hello","id":1,"token":"t","device":"phone"}"#);
        self.handle(Input::Verified(valid("bob", seconds)));
        self.handle(Input::Registered(Ok(Registration::Known)));
        self.effects.clear();
    }

    /// Past `caught_up`, with a token of so many seconds.
    fn live_for(seconds: u64) -> Self {
        let mut bob = Self::connected();
        bob.hello_for(seconds);
        bob.handle(Input::Claimed(Ok(Claimed { epoch: 70, previous: None })));
        bob.page(&[], None);
        bob.effects();
        bob
    }

    /// Time passes with signs of life from client and manager; what is written on the way.
    fn stays(&mut self, seconds: u64) -> Vec<ServerFrame> {
        let mut frames = Vec::new();
        for _ in 0..seconds {
            self.handle(Input::Heard);
            self.wait_seconds(1);
            self.handle(Input::Touched(Ok(Touched::Held)));
            frames.extend(self.frames());
        }
        frames
    }

    /// The same moment by the monotonic clock, but another time by the wall clock.
    fn handle_at(&mut self, wall: Millis, input: Input) {
        let mut env = env(self.now, &self.own, &mut self.clock, &mut self.rates, &mut self.effects);
        env.now.wall = wall;
        self.session.handle(input, &mut env);
    }

    fn asks_to_refresh(&mut self, id: u64) {
        self.sends(&format!(r#"{{"type":"refresh","id":{id},"token":"fresh"}}"#));
    }

    fn refreshes(&mut self, verdict: Verdict) -> Vec<ServerFrame> {
        self.asks_to_refresh(5);
        assert_eq!(self.effects(), [Effect::Verify { token: "fresh".into() }]);
        self.handle(Input::Verified(verdict));
        self.frames()
    }
}

fn refreshed(seconds: u64) -> ServerFrame {
    let id = RequestId::try_from(5).unwrap();
    ServerFrame::Refreshed(Refreshed { id, expires: Some(end(seconds)) })
}

#[test]
fn welcome_tells_when_the_token_expires() {
    for (token, told) in [(Some(end(500)), Some(end(500))), (None, None)] {
        let mut bob = Bob::connected();
        bob.sends(r#"{"type":"hello","id":1,"token":"t","device":"phone"}"#);
        bob.handle(Input::Verified(Verdict::Valid {
            user: user("bob"),
            expires: token,
            issued: None,
        }));
        bob.handle(Input::Registered(Ok(Registration::Known)));
        bob.handle(Input::Claimed(Ok(Claimed { epoch: 70, previous: None })));
        assert!(matches!(&bob.frames()[..], [ServerFrame::Welcome(w)] if w.expires == told));
    }
}

#[test]
fn a_session_ends_when_its_token_expires_whatever_the_wall_clock_does() {
    let mut bob = Bob::live_for(20);
    assert_eq!(bob.stays(19), [expiring(20)]);
    bob.handle_at(end(1_000), Input::Tick);
    assert!(bob.effects().is_empty());
    bob.now += Duration::from_secs(1);
    bob.handle_at(START, Input::Tick);
    let (error, close) = bob.error();
    assert_eq!((error.code, close), (ErrorCode::TokenExpired, Some(CloseCode::TokenExpired)));
}

#[test]
fn the_client_is_told_once_a_minute_before_its_token_expires() {
    let mut bob = Bob::live_for(200);
    assert_eq!(bob.stays(139), []);
    assert_eq!(bob.stays(1), [expiring(200)]);
    assert_eq!(bob.stays(59), []);
}

#[test]
fn a_short_token_is_told_of_at_half_of_its_life() {
    let mut bob = Bob::live_for(100);
    assert_eq!(bob.stays(49), []);
    assert_eq!(bob.stays(1), [expiring(100)]);
}

#[test]
fn nobody_is_told_before_welcome() {
    let mut bob = Bob::connected();
    bob.hello_for(4);
    bob.wait_seconds(3);
    assert_eq!(bob.effects(), []);
    bob.handle(Input::Claimed(Ok(Claimed { epoch: 70, previous: None })));
    bob.handle(Input::Tick);
    assert!(matches!(&bob.frames()[..], [ServerFrame::Welcome(_), last] if *last == expiring(4)));
}

#[test]
fn a_refresh_moves_the_end_of_the_session_and_is_told_of_anew() {
    let mut bob = Bob::live_for(100);
    assert_eq!(bob.stays(90), [expiring(100)]);
    assert_eq!(bob.refreshes(valid("bob", 300)), [refreshed(300)]);
    assert_eq!(bob.stays(149), []);
    assert_eq!(bob.stays(1), [expiring(300)]);
    assert_eq!(bob.stays(59), []);
    bob.wait_seconds(1);
    assert_eq!(bob.error().1, Some(CloseCode::TokenExpired));
}

#[test]
fn a_token_that_ends_earlier_counts_too() {
    let mut bob = Bob::live_for(1_000);
    assert_eq!(bob.refreshes(valid("bob", 10)), [refreshed(10)]);
    assert_eq!(bob.stays(9), [expiring(10)]);
    bob.wait_seconds(1);
    assert_eq!(bob.error().1, Some(CloseCode::TokenExpired));
}

#[test]
fn a_refused_token_ends_nothing_and_the_old_one_goes_on() {
    for (verdict, code) in [
        (Verdict::Bad("no".into()), ErrorCode::BadToken),
        (valid("alice", 1_000), ErrorCode::BadToken),
        (Verdict::Expired, ErrorCode::TokenExpired),
        (
            Verdict::Valid { user: user("bob"), expires: Some(START), issued: None },
            ErrorCode::TokenExpired,
        ),
    ] {
        let mut bob = Bob::live_for(20);
        bob.asks_to_refresh(5);
        bob.effects();
        bob.handle(Input::Verified(verdict));
        let (error, close) = bob.error();
        assert_eq!((error.code, error.id.map(RequestId::get), close), (code, Some(5), None));
        assert_eq!(error.field.as_deref(), Some("token"));
        assert_eq!(bob.stays(19), [expiring(20)]);
        bob.wait_seconds(1);
        assert_eq!(bob.error().1, Some(CloseCode::TokenExpired));
    }
}

#[test]
fn one_token_is_verified_at_a_time() {
    let mut bob = Bob::live_for(100);
    bob.asks_to_refresh(5);
    assert_eq!(bob.effects(), [Effect::Verify { token: "fresh".into() }]);
    bob.asks_to_refresh(6);
    let (error, close) = bob.error();
    assert_eq!((error.code, error.id.map(RequestId::get)), (ErrorCode::TooManyInFlight, Some(6)));
    assert_eq!((error.temporary, close), (true, None));
    bob.handle(Input::Verified(valid("bob", 300)));
    assert_eq!(bob.frames(), [refreshed(300)]);
    assert_eq!(bob.refreshes(valid("bob", 400)), [refreshed(400)]);
}

#[test]
fn a_verdict_that_comes_after_the_old_token_has_expired_saves_nothing() {
    let mut bob = Bob::live_for(20);
    bob.stays(19);
    bob.asks_to_refresh(5);
    bob.effects();
    bob.wait_seconds(1);
    assert_eq!(bob.error().1, Some(CloseCode::TokenExpired));
    bob.handle(Input::Verified(valid("bob", 300)));
    assert!(bob.effects().is_empty());
}

#[test]
fn a_refresh_before_welcome_is_out_of_place() {
    for hello in [None, Some(r#"{"type":"hello","id":1,"token":"t","device":"phone"}"#)] {
        let mut bob = Bob::connected();
        hello.into_iter().for_each(|hello| bob.sends(hello));
        bob.effects();
        bob.asks_to_refresh(5);
        let (error, close) = bob.error();
        assert_eq!((error.code, close), (ErrorCode::HelloExpected, Some(CloseCode::Violation)));
    }
}

fn issued(at: Millis) -> Verdict {
    Verdict::Valid { user: user("bob"), expires: Some(end(1_000)), issued: Some(at) }
}

impl Bob {
    /// Past `caught_up`, with a token that was issued then.
    fn live_by(verdict: Verdict) -> Self {
        let mut bob = Self::connected();
        bob.sends(r#"{"type":"hello","id":1,"token":"t","device":"phone"}"#);
        bob.handle(Input::Verified(verdict));
        bob.handle(Input::Registered(Ok(Registration::Known)));
        bob.handle(Input::Claimed(Ok(Claimed { epoch: 70, previous: None })));
        bob.page(&[], None);
        bob.effects.clear();
        bob
    }
}

#[test]
fn a_session_ends_when_its_token_is_revoked_and_lasts_when_an_older_one_is() {
    let without = Verdict::Valid { user: user("bob"), expires: Some(end(1_000)), issued: None };
    for (verdict, before, ends) in [
        (issued(500), 500, false),
        (issued(500), 501, true),
        (issued(500), 400, false),
        (without, 1, true),
    ] {
        let mut bob = Bob::live_by(verdict);
        bob.handle(Input::Revoked(before));
        if !ends {
            assert!(bob.effects().is_empty());
            continue;
        }
        let (error, close) = bob.error();
        assert_eq!((error.code, close), (ErrorCode::Revoked, Some(CloseCode::Revoked)));
        bob.handle(Input::Revoked(before + 1));
        assert!(bob.effects().is_empty());
    }
}

#[test]
fn a_hello_with_a_revoked_token_is_refused_however_far_it_is() {
    for claiming in [false, true] {
        let mut bob = Bob::connected();
        bob.handle(Input::Revoked(9));
        bob.sends(r#"{"type":"hello","id":4,"token":"t","device":"phone"}"#);
        bob.handle(Input::Revoked(9));
        bob.effects.clear();
        bob.handle(Input::Verified(issued(500)));
        assert_eq!(bob.effects(), [Effect::Register { device: bobs_phone(), issued: 500 }]);
        if claiming {
            bob.handle(Input::Registered(Ok(Registration::Known)));
        }
        bob.effects.clear();
        bob.handle(Input::Revoked(501));
        let (error, close) = bob.error();
        assert_eq!((error.code, error.id.map(RequestId::get)), (ErrorCode::Revoked, Some(4)));
        assert_eq!(close, Some(CloseCode::Revoked));
        bob.handle(Input::Registered(Ok(Registration::Known)));
        assert!(bob.effects().is_empty());
    }
}

#[test]
fn a_refresh_with_a_revoked_token_is_refused_and_a_newer_one_does_not_undo_what_was_revoked() {
    let mut bob = Bob::live_by(issued(500));
    bob.handle(Input::Revoked(500));
    bob.asks_to_refresh(5);
    bob.effects();
    bob.handle(Input::Verified(issued(499)));
    let (error, close) = bob.error();
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::Revoked, Some("token")));
    assert_eq!(close, None);
    bob.refreshes(issued(700));
    bob.handle(Input::Revoked(500));
    assert!(bob.effects().is_empty());
    // The device may have been removed before the refresh.
    bob.handle(Input::Revoked(501));
    assert_eq!(bob.error().1, Some(CloseCode::Revoked));
}
