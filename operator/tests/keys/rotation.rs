//! How another CA takes the place of the first, step by step.

use std::time::Duration;

use chatcluster_operator::kubernetes::keys::{
    KeyEvent, RotationPhase, ServerCertificate, WantedKeys,
};
use chatcluster_pki::Certificate;

use crate::world::{DAY, Store, accepts, certificate_secrets, certificates, now, reasons, wanted};

fn asked(value: &str) -> WantedKeys {
    WantedKeys { rotate: Some(value.into()), ..wanted() }
}

const SETTLED: Duration = WantedKeys::PAUSE;

fn certificates_of(store: &Store) -> [String; 3] {
    certificate_secrets().map(|name| store.text(&name, "tls.crt"))
}

#[test]
fn first_all_trust_both_then_all_is_issued_anew_then_the_old_goes() {
    let mut store = Store::default();
    store.ensure(&wanted(), Duration::ZERO, now()).unwrap();
    let (old_ca, old) = (store.text("main-ca", "ca.crt"), certificates_of(&store));

    let keys = store.ensure(&asked("1"), DAY, now()).unwrap();
    let trust = "TrustChanged";
    assert_eq!(reasons(&keys.events), ["CaRotationBegan", trust, trust, trust]);
    assert_eq!((keys.phase, keys.next_look), (RotationPhase::TrustBoth, SETTLED));
    assert_eq!(certificates_of(&store), old);
    let next_ca = store.text("main-ca", "next.crt");
    assert_eq!(keys.trust_bundle, format!("{old_ca}{next_ca}"));

    let keys = store.ensure(&asked("1"), SETTLED - Duration::from_secs(20), now()).unwrap();
    assert_eq!((keys.events.len(), keys.next_look), (0, Duration::from_secs(20)));
    let keys = store.ensure(&asked("1"), SETTLED, now()).unwrap();
    let issued = "CertificateIssued";
    assert_eq!(reasons(&keys.events), ["CaChanged", issued, issued, issued]);
    assert_eq!(keys.phase, RotationPhase::Reissue);
    assert_eq!(store.text("main-ca", "ca.crt"), next_ca);
    assert_eq!(store.text("main-ca", "previous.crt"), old_ca);
    assert_eq!(store.text("main-ca", "next.key"), "", "the old CA's key is gone");
    assert_eq!(certificates(&keys.trust_bundle).len(), 2);
    for new in certificates_of(&store) {
        assert!(accepts(&next_ca, &new) && !accepts(&old_ca, &new));
    }

    let keys = store.ensure(&asked("1"), Duration::ZERO, now()).unwrap();
    assert_eq!((keys.events.len(), keys.next_look), (0, SETTLED));
    let keys = store.ensure(&asked("1"), SETTLED, now()).unwrap();
    assert_eq!(reasons(&keys.events), ["CaRotationEnded", trust, trust, trust]);
    assert_eq!((keys.phase, keys.trust_bundle), (RotationPhase::Steady, next_ca));

    let keys = store.ensure(&asked("1"), DAY, now()).unwrap();
    assert_eq!(keys.events, [], "one value is answered once");
    let keys = store.ensure(&wanted(), DAY, now()).unwrap();
    assert_eq!(keys.events, [], "none asks for nothing");
    let keys = store.ensure(&asked("2"), DAY, now()).unwrap();
    assert_eq!(keys.events[0].reason(), "CaRotationBegan");
}

#[test]
fn a_ca_is_replaced_when_a_third_of_its_life_is_left() {
    let mut store = Store::default();
    store.ensure(&wanted(), Duration::ZERO, now()).unwrap();
    let due = Certificate::from_pem(&store.text("main-ca", "ca.crt")).unwrap().due_at();
    let keys = store.ensure(&wanted(), DAY, due - DAY).unwrap();
    assert_eq!(keys.phase, RotationPhase::Steady);
    let keys = store.ensure(&wanted(), DAY, due).unwrap();
    assert_eq!(keys.phase, RotationPhase::TrustBoth);
    store.ensure(&wanted(), SETTLED, due).unwrap();
    let keys = store.ensure(&wanted(), SETTLED, due).unwrap();
    assert_eq!(keys.phase, RotationPhase::Steady);
    assert_eq!(store.ensure(&wanted(), DAY, due).unwrap().events, []);
}

#[test]
fn a_value_that_was_there_at_the_beginning_asks_for_nothing() {
    let mut store = Store::default();
    let keys = store.ensure(&asked("1"), Duration::ZERO, now()).unwrap();
    assert_eq!(keys.phase, RotationPhase::Steady);
    assert_eq!(store.ensure(&asked("1"), DAY, now()).unwrap().events, []);
}

#[test]
fn a_next_ca_made_by_a_clock_that_was_wrong_issues_nothing() {
    let mut store = Store::default();
    store.ensure(&wanted(), Duration::ZERO, now()).unwrap();
    let keys = store.ensure(&wanted(), DAY, now() + 3000 * DAY).unwrap();
    assert_eq!(keys.phase, RotationPhase::TrustBoth);
    // The clock is right again. Certificates that the wrong one issued are not valid yet.
    let keys = store.ensure(&wanted(), SETTLED, now()).unwrap();
    assert!(reasons(&keys.events).iter().all(|reason| *reason == "CertificateIssued"));
    let keys = store.ensure(&wanted(), SETTLED, now()).unwrap();
    let trust = "TrustChanged";
    assert_eq!(reasons(&keys.events), ["NextCaReplaced", trust, trust, trust]);
    let next = Certificate::from_pem(&store.text("main-ca", "next.crt")).unwrap();
    assert!(!next.is_due(now()));
    let keys = store.ensure(&wanted(), SETTLED, now()).unwrap();
    assert_eq!(keys.events[0], KeyEvent::CaChanged);
}

#[test]
fn a_rotation_waits_for_a_servers_certificate_that_cannot_be_issued() {
    let mut store = Store::default();
    store.ensure(&asked("1"), Duration::ZERO, now()).unwrap();
    store.ensure(&asked("2"), DAY, now()).unwrap();
    let hosts = vec!["chat_1".into()];
    let wrong = WantedKeys { server: ServerCertificate::SelfSigned { hosts }, ..asked("2") };
    let keys = store.ensure(&wrong, SETTLED, now()).unwrap();
    assert_eq!((keys.phase, keys.problems.len()), (RotationPhase::TrustBoth, 1));
    let keys = store.ensure(&asked("2"), SETTLED, now()).unwrap();
    assert_eq!(keys.phase, RotationPhase::Reissue);
}
