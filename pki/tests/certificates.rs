//! What the CA issues says what was asked, and survives being written and read.

use std::time::{Duration, SystemTime};

use chatcluster_pki::{Ca, Certificate, Names, PkiError, Validity};

const ROLE: &str = "spiffe://cluster.local/ns/default/chatcluster/main/gateway";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn ca() -> Ca {
    Ca::generate("main", Validity::years_10(now())).expect("a CA")
}

#[test]
fn a_role_is_named_by_its_uri_and_valid_from_an_hour_ago() {
    let ca = ca();
    let issued = ca.issue_role(&Names::role(ROLE), Validity::days_397(now())).unwrap();
    let certificate = Certificate::from_pem(&issued.certificate).unwrap();
    assert_eq!(certificate.names, Names::role(ROLE));
    assert_eq!(certificate.validity.from, now() - Duration::from_secs(3600));
    assert_eq!(certificate.validity.until, now() + Duration::from_secs(397 * 86_400));
    assert!(certificate.is_from(&ca).unwrap());
    assert!(certificate.has_key(&issued.key).unwrap());
    assert!(!certificate.has_key(&ca.key()).unwrap());
}

#[test]
fn a_server_has_the_names_and_addresses_that_were_asked() {
    let names = Names::server(["localhost", "127.0.0.1", "::1", "Chat.example.com"]);
    let issued = ca().issue_server(&names, Validity::days_397(now())).unwrap();
    let certificate = Certificate::from_pem(&issued.certificate).unwrap();
    assert_eq!(certificate.names, names.normalized());
    assert_eq!(certificate.names.dns, ["chat.example.com", "localhost"]);
    assert_eq!(certificate.names.ips.len(), 2);
    assert!(certificate.names.uris.is_empty(), "a server's certificate can pass for no role");
}

#[test]
fn a_ca_read_back_issues_for_the_same_trust() {
    let first = ca();
    let second = Ca::from_pem(first.certificate(), &first.key()).unwrap();
    let issued = second.issue_role(&Names::role(ROLE), Validity::days_397(now())).unwrap();
    assert!(Certificate::from_pem(&issued.certificate).unwrap().is_from(&first).unwrap());
}

#[test]
fn another_ca_of_the_same_name_is_told_apart() {
    let (one, other) = (ca(), ca());
    let issued = one.issue_role(&Names::role(ROLE), Validity::days_397(now())).unwrap();
    assert!(!Certificate::from_pem(&issued.certificate).unwrap().is_from(&other).unwrap());
    let mixed = Ca::from_pem(one.certificate(), &other.key());
    assert!(matches!(mixed, Err(PkiError::KeyMismatch)));
}

#[test]
fn a_certificate_is_due_in_the_last_third_of_its_life() {
    let day = Duration::from_secs(86_400);
    let issued = ca().issue_role(&Names::role(ROLE), Validity::days_90(now())).unwrap();
    let certificate = Certificate::from_pem(&issued.certificate).unwrap();
    let due = certificate.due_at();
    assert!(certificate.is_due(due) && !certificate.is_due(due - Duration::from_secs(1)));
    assert!(!certificate.is_due(now()));
    assert!(!certificate.is_due(now() + 59 * day));
    assert!(certificate.is_due(now() + 61 * day));
    assert!(certificate.is_due(now() + 91 * day), "expired");
    assert!(certificate.is_due(now() - day), "not yet valid: the clock jumped back");
}

#[test]
fn wrong_names_and_texts_are_refused_by_name() {
    let wrong = ca().issue_server(&Names::server(["chat_1"]), Validity::days_397(now()));
    assert_eq!(wrong.unwrap_err().to_string(), "\"chat_1\" cannot be a name in a certificate");
    assert!(matches!(Certificate::from_pem("hello"), Err(PkiError::Certificate(_))));
    assert!(matches!(Ca::from_pem(ca().certificate(), "hello"), Err(PkiError::Key(_))));
}

#[test]
fn keys_do_not_show_in_debug_output() {
    let ca = ca();
    let issued = ca.issue_role(&Names::role(ROLE), Validity::days_397(now())).unwrap();
    assert!(!format!("{ca:?}{issued:?}").contains("PRIVATE KEY"));
}
