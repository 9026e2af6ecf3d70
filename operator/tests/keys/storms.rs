//! Whatever happens (operators that end between two writes or write late, clocks that jump, Secrets that
//! somebody deletes or damages): programs that have what they could have taken by now accept each other,
//! what is the user's is never written, and when the storm is over everything becomes good.

use std::time::{Duration, Instant, SystemTime};

use chatcluster_config::Role;
use chatcluster_operator::{
    keys::stale,
    kubernetes::keys::{
        JwtKey, KeyPlan, Part, RotationPhase, ServerCertificate, Settling, WantedKeys, plan,
    },
};
use chatcluster_pki::{Ca, Certificate};
use proptest::prelude::*;

use crate::world::{DAY, Store, accepts, certificate_secrets, now, text, wanted};

/// The longest that a kubelet and a program take to load what a Secret says.
const TAKEN_WITHIN: Duration = Duration::from_secs(123);

#[derive(Debug, Clone)]
enum Event {
    /// The operator looks, and ends after this many writes.
    Look(usize),
    /// Two operators: one looks, the other does so this often and with this much time in between, and then
    /// the first one writes.
    LateWrites(usize, Duration),
    Pass(Duration),
    /// One program takes its Secret before it has to.
    Take(usize),
    /// The operator's clock shows this many days more or less than it should.
    SetClock(i32),
    /// The operator ends and another begins.
    Restart,
    Rotate,
    Hosts(u8),
    UsersCertificate(bool),
    UsersJwt(bool),
    Damage(usize, &'static str),
    Delete(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let seconds = |range: std::ops::Range<u64>| range.prop_map(Duration::from_secs);
    let key = prop_oneof![Just("tls.crt"), Just("tls.key"), Just("ca.crt")];
    prop_oneof![
        4 => (0..6usize).prop_map(Event::Look),
        8 => Just(Event::Look(usize::MAX)),
        2 => (0..4usize, seconds(0..400u64)).prop_map(|(looks, by)| Event::LateWrites(looks, by)),
        8 => seconds(0..400u64).prop_map(Event::Pass),
        2 => (0..PROGRAMS).prop_map(Event::Take),
        2 => (-4000..4000i32).prop_map(Event::SetClock),
        1 => Just(Event::SetClock(0)),
        1 => Just(Event::Restart),
        2 => Just(Event::Rotate),
        1 => (0..3u8).prop_map(Event::Hosts),
        1 => any::<bool>().prop_map(Event::UsersCertificate),
        1 => any::<bool>().prop_map(Event::UsersJwt),
        1 => (0..3usize, key).prop_map(|(secret, key)| Event::Damage(secret, key)),
        1 => (0..3usize).prop_map(Event::Delete),
    ]
}

/// Two of each role, and of those who serve clients.
const PROGRAMS: usize = 6;

/// What a program has in use.
#[derive(Debug, Clone)]
struct Taken {
    certificate: String,
    bundle: String,
}

#[derive(Debug)]
struct World {
    store: Store,
    wanted: WantedKeys,
    clock_off_by: i32,
    passed: Duration,
    begun: Instant,
    settling: Settling,
    programs: Vec<Option<Taken>>,
    /// When each Secret came to be as it is.
    written: [(Option<String>, Duration); 3],
    rotations: u32,
}

impl World {
    fn new() -> Self {
        let mut store = Store::default();
        store.put_users("users-tls", &[("tls.crt", "theirs"), ("tls.key", "theirs")]);
        store.put_users("users-jwt", &[("key", "theirs")]);
        // A name that we would take, had the user not.
        store.put_users("main-service-token", &[("key", "theirs")]);
        let mut world = Self {
            store,
            wanted: wanted(),
            clock_off_by: 0,
            passed: Duration::ZERO,
            begun: Instant::now(),
            settling: Settling::default(),
            programs: vec![None; PROGRAMS],
            written: Default::default(),
            rotations: 0,
        };
        world.look(usize::MAX);
        world.pass(TAKEN_WITHIN);
        world
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Look(writes) => drop(self.look(*writes)),
            Event::LateWrites(looks, by) => {
                let unchanged_for = self.unchanged_for();
                let seen = self.store.seen(&self.wanted, unchanged_for);
                let late = plan(&self.wanted, &seen, self.clock()).unwrap();
                for _ in 0..*looks {
                    self.pass(*by);
                    self.look(usize::MAX);
                }
                if let KeyPlan::Write(writes) = late {
                    let _ = writes.iter().all(|planned| self.store.write(&planned.write));
                }
            }
            Event::Pass(time) => self.pass(*time),
            Event::Take(program) => self.take(*program),
            Event::SetClock(days) => self.clock_off_by = *days,
            Event::Restart => self.settling = Settling::default(),
            Event::Rotate => {
                self.rotations += 1;
                self.wanted.rotate = Some(self.rotations.to_string());
            }
            Event::Hosts(host) => {
                let hosts = vec![format!("host-{host}")];
                self.wanted.server = ServerCertificate::SelfSigned { hosts };
            }
            Event::UsersCertificate(theirs) => {
                self.wanted.server = match theirs {
                    true => ServerCertificate::UserSecret { name: "users-tls".into() },
                    false => wanted().server,
                };
            }
            Event::UsersJwt(theirs) => {
                self.wanted.jwt = match theirs {
                    true => JwtKey::UserSecret { name: "users-jwt".into(), key: "key".into() },
                    false => JwtKey::Generated,
                };
            }
            Event::Damage(secret, key) => {
                self.store.edit(&certificate_secrets()[*secret], key, "damaged");
            }
            Event::Delete(secret) => {
                self.store.secrets.remove(&certificate_secrets()[*secret]);
            }
        }
        self.note_writes();
        // Programs of a self-signed server are gone where there is none.
        if !matches!(self.wanted.server, ServerCertificate::SelfSigned { .. }) {
            self.programs[4..].fill(None);
        }
    }

    fn clock(&self) -> SystemTime {
        let off = DAY * self.clock_off_by.unsigned_abs();
        let now = now() + self.passed;
        if self.clock_off_by < 0 { now - off } else { now + off }
    }

    fn unchanged_for(&mut self) -> Duration {
        let seen = self.store.seen(&self.wanted, Duration::ZERO);
        let versions = seen.secrets.values();
        let versions = versions.filter_map(|secret| secret.metadata.resource_version.clone());
        self.settling.look("1", versions.collect(), self.begun + self.passed)
    }

    /// The same as the operator's shell does. Gives the phase, unless it ended before it had looked.
    fn look(&mut self, most_writes: usize) -> Option<RotationPhase> {
        let mut left = most_writes;
        for _ in 0..16 {
            let unchanged_for = self.unchanged_for();
            let seen = self.store.seen(&self.wanted, unchanged_for);
            match plan(&self.wanted, &seen, self.clock()).unwrap() {
                KeyPlan::Good(keys) => return Some(keys.phase),
                KeyPlan::Write(writes) => {
                    for planned in writes {
                        left = left.checked_sub(1)?;
                        assert!(self.store.write(&planned.write), "nobody else writes here");
                    }
                }
            }
        }
        panic!("always something to write");
    }

    fn note_writes(&mut self) {
        for (name, (version, since)) in certificate_secrets().iter().zip(&mut self.written) {
            let secret = self.store.secrets.get(name);
            let found = secret.and_then(|secret| secret.metadata.resource_version.clone());
            if *version != found {
                (*version, *since) = (found, self.passed);
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.note_writes();
        self.passed += time;
        for program in 0..PROGRAMS {
            if self.passed - self.written[program / 2].1 >= TAKEN_WITHIN {
                self.take(program);
            }
        }
    }

    /// A program loads its Secret; it stays with what it has where that is unusable.
    fn take(&mut self, program: usize) {
        let Some(secret) = self.store.secrets.get(&certificate_secrets()[program / 2]) else {
            return;
        };
        let (certificate, key, bundle) =
            (text(secret, "tls.crt"), text(secret, "tls.key"), text(secret, "ca.crt"));
        let fits = Certificate::from_pem(&certificate)
            .is_ok_and(|certificate| certificate.has_key(&key).unwrap_or(false));
        if fits && Certificate::from_pem(&bundle).is_ok() {
            self.programs[program] = Some(Taken { certificate, bundle });
        }
    }

    /// The promises that hold at any time.
    fn check(&self) -> Result<(), TestCaseError> {
        for one in self.programs.iter().flatten() {
            for other in self.programs.iter().flatten() {
                prop_assert!(accepts(&one.bundle, &other.certificate), "refused: {self:#?}");
            }
        }
        for (name, key) in
            [("users-tls", "tls.key"), ("users-jwt", "key"), ("main-service-token", "key")]
        {
            prop_assert_eq!(self.store.text(name, key), "theirs", "{} was written", name);
        }
        Ok(())
    }

    /// The clock is right, nobody interferes, and the operator looks now and then.
    fn calm_down(&mut self) -> Result<(), TestCaseError> {
        self.happen(&Event::SetClock(0));
        self.happen(&Event::UsersCertificate(false));
        // Two rotations of three steps with a pause before each, one of them begun anew.
        for _ in 0..9 {
            self.look(usize::MAX);
            self.pass(self.wanted.pause);
            self.check()?;
        }
        let before = self.store.secrets.clone();
        prop_assert_eq!(self.look(usize::MAX), Some(RotationPhase::Steady));
        prop_assert_eq!(&before, &self.store.secrets, "a good state is written again");
        let ca = |key| self.store.text(&Part::Ca.secret_name("main"), key);
        let ca = Ca::from_pem(&ca("ca.crt"), &ca("ca.key")).unwrap();
        let uri = Role::Gateway.uri(&self.wanted.identity());
        let of_gateway = |key| self.store.text("main-gateway-tls", key);
        let names = chatcluster_pki::Names::role(uri);
        let wrong =
            stale(&of_gateway("tls.crt"), &of_gateway("tls.key"), &ca, &names, self.clock());
        prop_assert_eq!(wrong, None);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn programs_accept_each_other_whatever_happens(
        events in proptest::collection::vec(event(), 1..60)
    ) {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
            world.check()?;
        }
        world.calm_down()?;
    }
}
