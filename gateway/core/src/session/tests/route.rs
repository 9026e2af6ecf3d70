use super::*;
use crate::testing::route;

impl Bob {
    /// Live for half a minute: the route is looked at for the first time.
    fn touching() -> Self {
        let mut bob = Self::live();
        bob.touches_after(30);
        bob
    }

    /// The route is looked at after so many seconds, and not before.
    fn touches_after(&mut self, mut seconds: u64) {
        while seconds > 0 {
            assert!(self.effects().is_empty());
            let step = seconds.min(20);
            self.wait_seconds(step);
            self.handle(Input::Heard);
            seconds -= step;
        }
        assert_eq!(self.effects(), [touch(70)]);
    }
}

fn reclaim(epoch: u64) -> Effect {
    Effect::Reclaim { device: bobs_phone(), epoch }
}

fn touch(epoch: u64) -> Effect {
    Effect::Touch { device: bobs_phone(), epoch }
}

fn reclaimed(epoch: u64, previous: Option<Route>) -> Input {
    Input::Reclaimed(Ok(Reclaimed::Claimed(Claimed { epoch, previous })))
}

#[test]
fn a_reassert_is_a_claim_and_then_an_inbox_read() {
    let mut bob = Bob::live();
    bob.handle(Input::Reassert);
    assert_eq!(bob.effects(), [reclaim(70)]);
    bob.handle(reclaimed(80, Some(route(1, 7, 70))));
    let hold = Effect::Hold { device: bobs_phone(), epoch: 80, claimed: true };
    assert_eq!(bob.effects(), [hold, read(None)]);
    assert_eq!(bob.deliver_for(70, &nth(1)), Outcome::NotHere);
    assert_eq!(bob.deliver_for(80, &nth(1)), Outcome::Queued);
}

#[test]
fn a_route_that_a_touch_does_not_find_is_claimed_again() {
    for found in [Touched::Gone, Touched::Replaced(elsewhere(60))] {
        let mut bob = Bob::touching();
        bob.handle(Input::Touched(Ok(found)));
        assert_eq!(bob.effects(), [reclaim(70)]);
        bob.handle(reclaimed(80, None));
        let hold = Effect::Hold { device: bobs_phone(), epoch: 80, claimed: true };
        assert_eq!(bob.effects(), [hold, read(None)]);
    }
}

#[test]
fn a_silent_client_reasserts_when_it_is_heard() {
    let mut bob = Bob::live();
    bob.wait(HEARTBEAT + Duration::from_secs(1));
    assert_eq!(bob.effects(), [Effect::Ping]);
    bob.handle(Input::Reassert);
    assert!(bob.effects().is_empty());
    bob.handle(Input::Heard);
    assert_eq!(bob.effects(), [reclaim(70)]);
}

#[test]
fn a_reassert_during_a_claim_follows_it() {
    let mut bob = Bob::connected();
    bob.hello();
    bob.handle(Input::Reassert);
    bob.handle(Input::Claimed(Ok(Claimed { epoch: 70, previous: None })));
    assert_eq!(bob.effects().last(), Some(&reclaim(70)));
}

#[test]
fn a_claim_for_an_incarnation_that_ended_meanwhile_is_made_again() {
    let mut bob = Bob::connected();
    bob.hello();
    // The walk over the gateway's sessions has passed: this one did not hold its device yet.
    bob.own.push(Incarnation(Uuid::from_u128(2)));
    bob.handle(Input::Claimed(Ok(Claimed { epoch: 70, previous: None })));
    assert_eq!(bob.effects().last(), Some(&reclaim(70)));
    bob.own.push(Incarnation(Uuid::from_u128(3)));
    bob.handle(reclaimed(80, None));
    assert_eq!(bob.effects().last(), Some(&reclaim(80)));
    bob.handle(reclaimed(90, None));
    assert_eq!(
        bob.effects().last(),
        Some(&Effect::Hold { device: bobs_phone(), epoch: 90, claimed: true })
    );
}

#[test]
fn while_a_claim_is_under_way_a_delivery_for_its_epoch_is_left_to_the_read_after_it() {
    let mut bob = Bob::live();
    bob.handle(Input::Reassert);
    assert_eq!(bob.deliver_for(80, &nth(1)), Outcome::Overloaded);
    assert_eq!(bob.deliver_for(70, &nth(2)), Outcome::Queued);
}

#[test]
fn a_session_whose_device_has_moved_yields() {
    let yields = |bob: &mut Bob| {
        let effects = bob.effects();
        assert!(effects.contains(&Effect::Close(CloseCode::RouteLost)));
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Reclaim { .. })));
    };
    let mut bob = Bob::touching();
    bob.handle(Input::Touched(Ok(Touched::Replaced(elsewhere(75)))));
    yields(&mut bob);

    let mut bob = Bob::live();
    bob.handle(Input::Reassert);
    bob.effects();
    bob.handle(Input::Reclaimed(Ok(Reclaimed::Replaced(elsewhere(75)))));
    yields(&mut bob);
    bob.handle(Input::Closed);
    assert!(bob.session.finished());
}

#[test]
fn a_claim_whose_answer_was_lost_is_no_other_session() {
    let mut bob = Bob::connected();
    bob.hello();
    bob.handle(Input::Claimed(Err(Away)));
    bob.page(&[], None);
    bob.wait_seconds(15);
    bob.effects();
    let own = route(1, 7, u64::MAX - 1);
    bob.handle(Input::Reclaimed(Ok(Reclaimed::Replaced(own.clone()))));
    assert_eq!(bob.effects(), [reclaim(u64::MAX - 1)]);
    bob.handle(reclaimed(u64::MAX, Some(own)));
    let hold = Effect::Hold { device: bobs_phone(), epoch: u64::MAX, claimed: true };
    assert_eq!(bob.effects(), [hold, read(None)]);
}

#[test]
fn a_reassert_with_the_manager_away_is_repeated_every_15_seconds() {
    let mut bob = Bob::live();
    bob.handle(Input::Reassert);
    bob.effects();
    bob.handle(Input::Reclaimed(Err(Away)));
    let unclaimed = Effect::Hold { device: bobs_phone(), epoch: 70, claimed: false };
    assert_eq!(bob.effects(), std::slice::from_ref(&unclaimed));
    for _ in 0..3 {
        bob.wait_seconds(15);
        bob.handle(Input::Heard);
        assert!(bob.effects().contains(&reclaim(70)));
        bob.handle(Input::Reclaimed(Err(Away)));
        assert!(bob.effects().contains(&unclaimed));
    }
}

#[test]
fn a_held_route_is_touched_every_5_minutes() {
    let mut bob = Bob::touching();
    for _ in 0..2 {
        bob.handle(Input::Touched(Ok(Touched::Held)));
        bob.touches_after(300);
    }
}

#[test]
fn a_claim_that_comes_after_the_end_is_released() {
    let mut bob = Bob::connected();
    bob.hello();
    bob.handle(Input::Closed);
    bob.effects();
    assert!(!bob.session.finished());
    bob.handle(Input::Claimed(Ok(Claimed { epoch: 70, previous: Some(elsewhere(60)) })));
    assert_eq!(bob.effects(), [Effect::Release { device: bobs_phone(), epoch: 70 }]);
    assert!(bob.session.finished());
}

#[test]
fn a_reclaim_that_comes_after_the_end_is_released_if_it_took_the_route() {
    for (found, released) in [
        (Reclaimed::Replaced(elsewhere(75)), vec![]),
        (
            Reclaimed::Claimed(Claimed { epoch: 80, previous: None }),
            vec![Effect::Release { device: bobs_phone(), epoch: 80 }],
        ),
    ] {
        let mut bob = Bob::live();
        bob.handle(Input::Reassert);
        bob.handle(Input::Closed);
        bob.effects();
        assert!(!bob.session.finished());
        bob.handle(Input::Reclaimed(Ok(found)));
        assert_eq!(bob.effects(), released);
        assert!(bob.session.finished());
    }
}

#[test]
fn a_claim_of_this_session_that_was_carried_out_late_names_it_all_the_same() {
    let mut bob = Bob::live();
    assert_eq!(bob.deliver_for(71, &nth(1)), Outcome::Queued, "only a claim of its own named it");
    bob.effects();
    bob.handle(Input::Evict(71));
    assert_eq!(bob.closes_with(), Some(CloseCode::Replaced));
}
