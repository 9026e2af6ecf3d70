//! A token that expires during a session.

use chatcluster_protocol::{
    Millis,
    client::{CloseCode, Error, ErrorCode, Expiring, Refresh, Refreshed},
};

use super::{
    bench::{Bench, s},
    *,
};

const FIRST: Millis = 100_000;

impl Bench {
    /// Live with a token until [`FIRST`], from a source of more.
    fn renewing() -> Self {
        let mut bench = Self::new(Options { token_renews: true, ..options() });
        bench.open_until(FIRST);
        bench
    }

    fn open_until(&mut self, expires: Millis) {
        self.core.opened(self.now, "secret".into());
        self.settle();
        let Some(ClientFrame::Hello(hello)) = self.written.pop() else { panic!("no hello") };
        let ServerFrame::Welcome(welcome) = welcome(&hello, Limits::default()) else { panic!() };
        self.frame(ServerFrame::Welcome(Welcome { expires: Some(expires), ..welcome }));
        self.events();
    }

    fn expiring(&mut self) {
        self.frame(ServerFrame::Expiring(Expiring { expires: FIRST }));
    }

    /// How often a token was wanted since the last look.
    fn wanted(&mut self) -> usize {
        let before = self.other.len();
        self.other.retain(|effect| *effect != Effect::Renew);
        before - self.other.len()
    }

    fn token(&mut self, token: Option<&str>) {
        self.core.renewed(self.now, token.map(str::to_owned));
        self.settle();
    }

    /// The refresh that was written since the last look.
    fn refresh(&mut self) -> RequestId {
        match &std::mem::take(&mut self.written)[..] {
            [ClientFrame::Refresh(Refresh { id, token })] if token == "fresh" => *id,
            other => panic!("no refresh but {other:?}"),
        }
    }

    fn refreshed(&mut self, id: RequestId, expires: Millis) {
        self.frame(ServerFrame::Refreshed(Refreshed { id, expires: Some(expires) }));
    }

    /// Time passes until another token is wanted.
    fn wants_again(&mut self) -> Duration {
        let before = self.now;
        self.pass(s(1));
        assert_eq!(self.wanted(), 1);
        self.now - before
    }
}

fn refused(id: RequestId, code: ErrorCode) -> ServerFrame {
    ServerFrame::Error(Error { id: Some(id), ..Error::new(code, "no") })
}

#[test]
fn a_token_that_expires_soon_is_replaced_in_the_open_session() {
    let mut bench = Bench::renewing();
    for round in 1..3 {
        bench.expiring();
        assert_eq!(bench.wanted(), 1);
        bench.token(Some("fresh"));
        let id = bench.refresh();
        bench.refreshed(id, FIRST + round);
        bench.pass(s(20));
        bench.core.heard(bench.now);
        assert_eq!((bench.wanted(), bench.written.len()), (0, 0));
    }
    assert_eq!(bench.events(), []);
    assert_eq!(bench.dialled().len(), 1);
}

#[test]
fn without_a_source_of_tokens_the_application_is_told_and_nothing_else_happens() {
    let mut bench = Bench::new(options());
    bench.open_until(FIRST);
    bench.expiring();
    assert_eq!(bench.events(), [Event::Expiring { expires: FIRST }]);
    bench.pass(s(20));
    assert_eq!((bench.wanted(), bench.written.len()), (0, 0));
}

#[test]
fn a_source_that_fails_or_hangs_is_asked_again() {
    let mut bench = Bench::renewing();
    bench.expiring();
    assert_eq!(bench.wanted(), 1);
    bench.token(None);
    bench.wants_again();
    // The application says nothing, the gateway goes on.
    bench.pass_alive(15);
    bench.wants_again();
    bench.token(Some("fresh"));
    let id = bench.refresh();
    bench.refreshed(id, FIRST + 1);
    bench.pass(s(20));
    assert_eq!(bench.wanted(), 0);
}

#[test]
fn a_refused_token_is_followed_by_another_and_the_session_goes_on() {
    let mut bench = Bench::renewing();
    bench.expiring();
    for code in [ErrorCode::BadToken, ErrorCode::TokenExpired, ErrorCode::TooManyInFlight] {
        assert_eq!(bench.wanted(), 1);
        bench.token(Some("fresh"));
        let id = bench.refresh();
        bench.frame(refused(id, code));
        // It is told once; what fails is tried again all the same.
        bench.expiring();
        assert_eq!(bench.wanted(), 0);
        bench.pass(s(1));
    }
    assert_eq!(bench.wanted(), 1);
    assert_eq!((bench.events(), bench.dialled().len()), (vec![], 1));
}

#[test]
fn the_same_token_again_is_no_fresh_one() {
    let mut bench = Bench::renewing();
    bench.expiring();
    bench.wanted();
    bench.token(Some("fresh"));
    let id = bench.refresh();
    bench.refreshed(id, FIRST);
    bench.wants_again();
}

#[test]
fn attempts_become_rarer() {
    let mut bench = Bench::renewing();
    bench.expiring();
    bench.wanted();
    let mut attempts = 0;
    for _ in 0..60 {
        bench.token(None);
        bench.pass_alive(1);
        attempts += bench.wanted();
    }
    // The ceiling has doubled to 30 s; full jitter has no lower bound.
    assert!((4..20).contains(&attempts), "{attempts}");
}

#[test]
fn a_gateway_that_never_answers_a_refresh_is_left() {
    let mut bench = Bench::renewing();
    bench.expiring();
    bench.token(Some("fresh"));
    bench.pass_alive(29);
    assert!(!bench.other.contains(&Effect::Drop));
    bench.pass_alive(1);
    assert!(bench.other.contains(&Effect::Drop));
}

#[test]
fn a_token_that_comes_after_the_session_has_ended_is_not_sent() {
    let mut bench = Bench::renewing();
    bench.expiring();
    bench.close(CloseCode::TokenExpired);
    bench.token(Some("fresh"));
    assert_eq!(bench.written, []);
    bench.redial();
    bench.open_until(FIRST + 1);
    bench.token(Some("fresh"));
    assert_eq!(bench.written, []);
    assert!(!bench.core.has_stopped());
}
