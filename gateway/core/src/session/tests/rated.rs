//! What a user asks for too often.

use super::{
    sends::{send, stored},
    *,
};
use crate::Rate;

const RATE: Rate = Rate { per_second: 10, burst: 3 };

/// Bob may send, and ask for other things, thrice at once and ten times a second.
fn bob() -> Bob {
    let mut bob = Bob::live();
    bob.rates = Rates::new(RATE, RATE);
    bob
}

fn wait(bob: &mut Bob, millis: u64) {
    bob.now += Duration::from_millis(millis);
}

/// What the last send or request was answered with.
fn refused(bob: &mut Bob) -> (ErrorCode, Option<u64>) {
    let (error, close) = bob.error();
    assert!(error.temporary && close.is_none(), "{error:?}");
    (error.code, error.retry_after)
}

#[test]
fn a_send_beyond_the_rate_is_refused_for_now() {
    let mut bob = bob();
    for (id, to) in [(1, "alice"), (2, "carol"), (3, "dora")] {
        bob.sends(&send(id, &format!("r{id}"), to, "a"));
    }
    assert!(bob.effects().iter().all(|effect| matches!(effect, Effect::Append { .. })));
    bob.sends(&send(4, "r4", "erin", "a"));
    let effects = bob.effects();
    assert_eq!(effects[0], Effect::RateLimited(RateLimited::Send));
    let Some(ServerFrame::Error(error)) = frame(&effects[1]) else { panic!("{effects:?}") };
    assert_eq!((error.code, error.temporary), (ErrorCode::RateLimited, true));
    assert_eq!(error.reference.as_ref().map(|reference| reference.as_str()), Some("r4"));
    // Within 200 ms there is room for two, and later for no more than that.
    assert_eq!((error.id.map(|id| id.get()), error.retry_after), (Some(4), Some(200)));
    wait(&mut bob, 200);
    bob.sends(&send(5, "r4", "erin", "a"));
    bob.sends(&send(6, "r6", "frank", "a"));
    assert!(bob.effects().iter().all(|effect| matches!(effect, Effect::Append { .. })));
    bob.sends(&send(7, "r7", "grace", "a"));
    assert_eq!(refused_send(&mut bob), (ErrorCode::RateLimited, Some(200)));
}

fn refused_send(bob: &mut Bob) -> (ErrorCode, Option<u64>) {
    bob.effects.retain(|effect| !matches!(effect, Effect::RateLimited(_)));
    refused(bob)
}

#[test]
fn what_follows_a_send_beyond_the_rate_waits_for_it() {
    let mut bob = bob();
    for n in 1..=3 {
        bob.sends(&send(n, &format!("r{n}"), "alice", "a"));
    }
    let first = bob.effects();
    let Effect::Append { appends, .. } = &first[0] else { panic!("{first:?}") };
    bob.sends(&send(4, "r4", "alice", "a"));
    assert_eq!(refused_send(&mut bob).0, ErrorCode::RateLimited);
    wait(&mut bob, 150);
    // There is room for one, which is not for this one; it uses up none of it.
    for id in 5..50 {
        bob.sends(&send(id, "r5", "alice", "a"));
        assert_eq!(refused(&mut bob), (ErrorCode::Unavailable, Some(1_000)));
    }
    bob.answers("alice", vec![stored(appends[0].id)]);
    bob.effects();
    bob.sends(&send(50, "r4", "alice", "a"));
    assert!(bob.effects().is_empty(), "it queues");
    wait(&mut bob, 100);
    bob.sends(&send(51, "r5", "alice", "a"));
    assert!(bob.effects().is_empty(), "so does what follows");
}

#[test]
fn a_send_that_is_repeated_before_its_answer_takes_nothing_of_the_rate() {
    let mut bob = bob();
    for id in 1..20 {
        bob.sends(&send(id, "r1", "alice", "a"));
    }
    bob.effects();
    for (id, reference) in [(20, "r2"), (21, "r3")] {
        bob.sends(&send(id, reference, "carol", "a"));
    }
    assert!(bob.effects().iter().all(|effect| matches!(effect, Effect::Append { .. })));
}

#[test]
fn requests_have_a_rate_of_their_own() {
    let mut bob = bob();
    bob.sends(r#"{"type":"history","id":1,"user":"alice"}"#);
    bob.sends(r#"{"type":"read","id":2,"conversation":"884a4521-52d3-8f04-8cc0-51df8f708aff","up_to":"019a1b2c-3d4e-7000-9c3f-6a7b8c9d0e1f"}"#);
    bob.sends(r#"{"type":"refresh","id":3,"token":"t"}"#);
    assert!(bob.effects().iter().all(|effect| frame(effect).is_none()));
    for request in [
        r#"{"type":"history","id":4,"user":"alice"}"#,
        r#"{"type":"read","id":4,"conversation":"884a4521-52d3-8f04-8cc0-51df8f708aff","up_to":"019a1b2c-3d4e-7000-9c3f-6a7b8c9d0e1f"}"#,
        r#"{"type":"refresh","id":4,"token":"t"}"#,
        r#"{"type":"group","id":4,"group":"0f0f0f0f-1e1e-4d2d-8c3c-4b4b4b4b4b4b"}"#,
        r#"{"type":"presence","id":4,"users":["alice"]}"#,
        r#"{"type":"privacy","id":4}"#,
    ] {
        bob.sends(request);
        let effects = bob.effects();
        let [limited, written] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!(*limited, Effect::RateLimited(RateLimited::Request));
        let Some(ServerFrame::Error(error)) = frame(written) else { panic!("{written:?}") };
        assert_eq!((error.code, error.id.map(|id| id.get())), (ErrorCode::RateLimited, Some(4)));
        assert_eq!((error.temporary, error.retry_after), (true, Some(200)));
    }
    bob.sends(r#"{"type":"ping","id":5}"#);
    assert!(matches!(bob.frames()[..], [ServerFrame::Pong(_)]), "a ping is always answered");
    bob.sends(&send(6, "r6", "alice", "a"));
    assert!(matches!(bob.effects()[..], [Effect::Append { .. }]), "sends have their own");
}

#[test]
fn the_sessions_of_a_user_share_one_rate() {
    let mut phone = bob();
    for id in 1..=3 {
        phone.sends(&send(id, &format!("r{id}"), "alice", "a"));
    }
    phone.sends(&send(4, "r4", "alice", "a"));
    phone.effects();
    // On another connection, or after the end of the first, nothing has changed.
    let mut next = Bob::live();
    (next.rates, next.now) = (phone.rates, phone.now);
    next.sends(&send(1, "r5", "alice", "a"));
    assert_eq!(refused_send(&mut next).0, ErrorCode::RateLimited);
}
