//! What is made, what is kept, what is repaired, and what is left to a person.

use std::time::Duration;

use chatcluster_operator::{
    keys::Stale,
    kubernetes::keys::{
        JwtKey, KeyEvent, KeyPlan, KeyProblem, RotationPhase, ServerCertificate, WantedKeys, Write,
        plan,
    },
};
use chatcluster_pki::Certificate;

use crate::world::{DAY, Store, accepts, certificate_secrets, now, owner, reasons, wanted};

fn made() -> Store {
    let mut store = Store::default();
    store.ensure(&wanted(), Duration::ZERO, now()).unwrap();
    store
}

/// Looks once more and says what was written.
fn again(store: &mut Store, wanted: &WantedKeys) -> Vec<KeyEvent> {
    store.ensure(wanted, Duration::ZERO, now()).unwrap().events
}

#[test]
fn an_empty_spec_gets_a_ca_three_certificates_and_two_secrets() {
    let mut store = Store::default();
    let keys = store.ensure(&wanted(), Duration::ZERO, now()).unwrap();
    let names: Vec<_> = store.secrets.keys().map(String::as_str).collect();
    let expected =
        ["main-ca", "main-gateway-tls", "main-jwt", "main-messages-tls", "main-server-tls"];
    assert_eq!(names, [&expected[..], &["main-service-token"]].concat());
    assert_eq!(keys.phase, RotationPhase::Steady);
    assert!(keys.problems.is_empty(), "{:?}", keys.problems);
    assert_eq!(keys.trust_bundle, store.text("main-ca", "ca.crt"));

    for (name, secret) in &store.secrets {
        assert_eq!(secret.metadata.owner_references, Some(vec![owner("1")]), "{name}");
        let labels = secret.metadata.labels.clone().unwrap();
        assert_eq!(labels["app.kubernetes.io/instance"], "main");
        assert_eq!(labels["app.kubernetes.io/component"], "keys");
        let tls = name.ends_with("-tls");
        assert_eq!(secret.type_.as_deref(), Some(if tls { "kubernetes.io/tls" } else { "Opaque" }));
        let has_key = store.text("main-ca", "ca.key");
        let holds =
            |text: &str| secret.data.iter().flatten().any(|(_, at)| at.0 == text.as_bytes());
        assert_eq!(holds(&has_key), name == "main-ca", "{name}: the CA's key is in one place");
    }
    for name in certificate_secrets() {
        assert_eq!(store.text(&name, "ca.crt"), keys.trust_bundle);
        assert!(accepts(&keys.trust_bundle, &store.text(&name, "tls.crt")));
    }
    let names = |secret| Certificate::from_pem(&store.text(secret, "tls.crt")).unwrap().names;
    let gateway = "spiffe://cluster.local/ns/chat/chatcluster/main/gateway";
    assert_eq!(names("main-gateway-tls").uris, [gateway]);
    assert!(names("main-server-tls").uris.is_empty());
    let hosts = [
        "chat.example.com",
        "localhost",
        "main-gateway",
        "main-gateway.chat",
        "main-gateway.chat.svc",
        "main-gateway.chat.svc.cluster.local",
    ];
    assert_eq!(names("main-server-tls").dns, hosts);
    assert_eq!(store.text("main-jwt", "key").len(), 64);
}

#[test]
fn what_is_good_is_not_written_again() {
    let mut store = made();
    assert_eq!(again(&mut store, &wanted()), []);
    let keys = store.ensure(&wanted(), 1000 * DAY, now() + 50 * DAY).unwrap();
    assert_eq!(keys.events, []);
    let keys = store.ensure(&wanted(), DAY, now() + 59 * DAY + DAY / 2).unwrap();
    assert!(keys.next_look < DAY, "{:?}: due before a day has passed", keys.next_look);
}

#[test]
fn certificates_are_issued_anew_when_a_third_of_their_life_is_left() {
    let mut store = made();
    let ca = store.text("main-ca", "ca.crt");
    let keys = store.ensure(&wanted(), DAY, now() + 61 * DAY).unwrap();
    let due =
        certificate_secrets().map(|secret| KeyEvent::Issued { secret, why: Some(Stale::Due) });
    assert_eq!(keys.events, due);
    assert_eq!(store.text("main-ca", "ca.crt"), ca);
}

#[test]
fn another_host_changes_the_servers_certificate_alone() {
    let mut store = made();
    let hosts = vec!["192.0.2.7".into()];
    let wanted = WantedKeys { server: ServerCertificate::SelfSigned { hosts }, ..wanted() };
    let secret = "main-server-tls".to_owned();
    assert_eq!(again(&mut store, &wanted), [KeyEvent::Issued { secret, why: Some(Stale::Names) }]);
    assert_eq!(again(&mut store, &wanted), []);
}

#[test]
fn a_damaged_or_deleted_certificate_is_issued_anew() {
    let good = made();
    for (key, content) in [("tls.crt", ""), ("tls.key", "hello"), ("tls.crt", "\u{1}")] {
        let mut store = good.clone();
        store.edit("main-messages-tls", key, content);
        let events = again(&mut store, &wanted());
        let [KeyEvent::Issued { secret, why: Some(Stale::Unreadable(_)) }] = &events[..] else {
            panic!("{key}: {events:?}");
        };
        assert_eq!(secret, "main-messages-tls");
    }
    let mut store = good.clone();
    store.edit("main-gateway-tls", "tls.key", &good.text("main-messages-tls", "tls.key"));
    assert!(matches!(
        &again(&mut store, &wanted())[..],
        [KeyEvent::Issued { why: Some(Stale::Key), .. }]
    ));
    store.secrets.remove("main-gateway-tls");
    assert!(matches!(&again(&mut store, &wanted())[..], [KeyEvent::Issued { why: None, .. }]));
    store.edit("main-gateway-tls", "ca.crt", "");
    assert_eq!(reasons(&again(&mut store, &wanted())), ["TrustChanged"]);
    assert_eq!(again(&mut store, &wanted()), []);
}

#[test]
fn a_damaged_ca_is_an_error_that_says_what_to_do() {
    for (key, content) in [("ca.crt", "hello"), ("ca.key", ""), ("previous.crt", "hello")] {
        let mut store = made();
        store.edit("main-ca", key, content);
        let before = store.clone();
        let error = store.ensure(&wanted(), DAY, now()).unwrap_err().to_string();
        let start = format!("Secret chat/main-ca, key {key}: reading a ");
        assert!(error.starts_with(&start) && error.contains("restore"), "{error}");
        assert_eq!(store.secrets, before.secrets);
    }
    let mut store = made();
    let other = made();
    store.edit("main-ca", "ca.key", &other.text("main-ca", "ca.key"));
    let error = store.ensure(&wanted(), DAY, now()).unwrap_err().to_string();
    assert!(
        error.contains("key ca.key: the CA's key does not belong to its certificate"),
        "{error}"
    );
}

#[test]
fn a_lost_token_secret_is_not_replaced_in_silence() {
    let mut store = made();
    store.edit("main-jwt", "key", "");
    store.edit("main-gateway-tls", "tls.crt", "");
    let keys = store.ensure(&wanted(), DAY, now()).unwrap();
    assert_eq!(reasons(&keys.events), ["CertificateIssued"], "the rest is kept good");
    let text = keys.problems[0].to_string();
    assert!(
        text.starts_with("Secret chat/main-jwt, key key: it is not there; restore it"),
        "{text}"
    );
}

#[test]
fn the_users_secrets_are_looked_at_and_never_made() {
    let server = ServerCertificate::UserSecret { name: "theirs".into() };
    let jwt = JwtKey::UserSecret { name: "tokens".into(), key: "hs256".into() };
    let wanted = WantedKeys { server, jwt, ..wanted() };
    let mut store = Store::default();
    let keys = store.ensure(&wanted, Duration::ZERO, now()).unwrap();
    assert!(
        !store.secrets.contains_key("main-jwt") && !store.secrets.contains_key("main-server-tls")
    );
    let texts: Vec<_> = keys.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "Secret chat/theirs does not exist: create it with tls.crt and tls.key, or change \
             spec.gateways.tls",
            "Secret chat/tokens does not exist: create it with hs256, or change \
             spec.auth.jwt.secretRef",
        ]
    );

    store.put_users("theirs", &[("tls.crt", "c"), ("tls.key", "k")]);
    store.put_users("tokens", &[("hs512", "k")]);
    let keys = store.ensure(&wanted, Duration::ZERO, now()).unwrap();
    let texts: Vec<_> = keys.problems.iter().map(ToString::to_string).collect();
    let expected = "Secret chat/tokens has no key hs256: add it, or change spec.auth.jwt.secretRef";
    assert_eq!(texts, [expected]);
    store.edit("tokens", "hs256", "k");
    let keys = store.ensure(&wanted, Duration::ZERO, now()).unwrap();
    assert!(keys.problems.is_empty() && keys.events.is_empty());
}

#[test]
fn tls_that_ends_elsewhere_needs_no_certificate_for_clients() {
    let mut store = Store::default();
    let wanted = WantedKeys { server: ServerCertificate::None, ..wanted() };
    store.ensure(&wanted, Duration::ZERO, now()).unwrap();
    assert!(!store.secrets.contains_key("main-server-tls"));
}

#[test]
fn a_secret_of_somebody_elses_with_our_name_is_left_alone() {
    let mut store = Store::default();
    store.put_users("main-jwt", &[("key", "theirs")]);
    let keys = store.ensure(&wanted(), Duration::ZERO, now()).unwrap();
    let text = keys.problems[0].to_string();
    let expected = "Secret chat/main-jwt is not this ChatCluster's but nobody's: it is left alone";
    assert!(text.starts_with(expected), "{text}");
    assert_eq!(store.text("main-jwt", "key"), "theirs");

    // Of a ChatCluster that was deleted: Kubernetes is about to remove them.
    let mut store = made();
    let wanted = WantedKeys { owner: owner("2"), ..wanted() };
    let error = store.ensure(&wanted, DAY, now()).unwrap_err().to_string();
    assert!(
        error.contains("main-ca is not this ChatCluster's but that of an earlier one"),
        "{error}"
    );
}

#[test]
fn a_host_that_cannot_be_a_name_holds_up_the_servers_certificate_alone() {
    let hosts = vec!["chat_1".into()];
    let wrong = WantedKeys { server: ServerCertificate::SelfSigned { hosts }, ..wanted() };
    let mut store = Store::default();
    let keys = store.ensure(&wrong, Duration::ZERO, now()).unwrap();
    assert!(matches!(&keys.problems[..], [KeyProblem::NotIssued { .. }]));
    let text = keys.problems[0].to_string();
    assert!(text.contains("\"chat_1\"") && text.ends_with("change spec.gateways.tls"), "{text}");
    assert!(store.secrets.contains_key("main-gateway-tls"));
    assert_eq!(reasons(&again(&mut store, &wanted())), ["CertificateIssued"]);
}

#[test]
fn content_of_secrets_does_not_show_in_debug_output() {
    let store = made();
    let shown = format!("{:?}", store.seen(&wanted(), DAY));
    let KeyPlan::Write(writes) =
        plan(&wanted(), &store.seen(&wanted(), DAY), now() + 61 * DAY).unwrap()
    else {
        panic!("certificates are due");
    };
    assert!(matches!(writes[0].write, Write::Replace(_)));
    let shown = format!("{shown}{writes:?}");
    assert!(shown.contains("main-ca") && shown.contains("main-gateway-tls"), "{shown}");
    assert!(!shown.contains("BEGIN") && !shown.contains("ByteString"), "{shown}");
}
