//! Who may see when a user is online.

use chatcluster_protocol::{
    client::PresenceTo::{self, Contacts, Everybody, Nobody},
    id::Stamp,
};
use futures_util::FutureExt;
use messages_core::repository::{Repository, RepositoryError};

use crate::harness::*;

fn set(
    service: &Service,
    name: &str,
    presence_to: PresenceTo,
    millis: u64,
) -> Result<PresenceTo, RepositoryError> {
    let stamp = Stamp::new(NOW + millis, 0);
    service.quorum.set_privacy(user(name), presence_to, stamp).now_or_never().unwrap()
}

fn setting(service: &Service, name: &str) -> PresenceTo {
    service.quorum.privacy(user(name)).now_or_never().unwrap().unwrap()
}

/// To whom of these bob has written.
fn contacts<'a>(service: &Service, names: &[&'a str]) -> Vec<&'a str> {
    let pairs = names.iter().map(|name| (user("bob"), user(name))).collect();
    let contacts = service.quorum.contacts(pairs).now_or_never().unwrap().unwrap();
    assert_eq!(contacts.len(), names.len());
    names.iter().zip(contacts).filter_map(|(name, is)| is.then_some(*name)).collect()
}

const ALL: [&str; 4] = ["alice", "bob", "carol", "mallory"];

/// Bob has written to alice, who has it; mallory has written to bob.
fn written(service: &Service) {
    for name in ALL {
        service.register(name, "phone");
    }
    let id = service.store(&message("bob", "alice", "b1", 0, "hi")).unwrap().id;
    service.acknowledge("alice", "phone", [id]);
    let id = service.store(&message("mallory", "bob", "m1", 0, "hi")).unwrap().id;
    service.acknowledge("bob", "phone", [id]);
}

#[test]
fn contacts_are_those_whom_the_user_has_written_to() {
    for service in [Service::of_one(), Service::of_three()] {
        written(&service);
        assert_eq!(setting(&service, "bob"), Contacts, "where nothing was set");
        assert_eq!(contacts(&service, &ALL), ["alice"], "not whoever writes to him");
        set(&service, "bob", Nobody, 2).unwrap();
        let users = ["alice", "bob", "carol"].map(user).to_vec();
        let settings = service.quorum.privacies(users).now_or_never().unwrap().unwrap();
        assert_eq!(settings, [Contacts, Nobody, Contacts]);
        assert_eq!(contacts(&service, &[]), [""; 0]);
    }
}

#[test]
fn what_is_set_later_counts_whatever_the_clocks_say() {
    for service in [Service::of_one(), Service::of_three()] {
        for (to, millis) in [(Everybody, 9_000), (Nobody, 5_000), (Nobody, 5_000), (Contacts, 0)] {
            assert_eq!(set(&service, "bob", to, millis).unwrap(), to);
            assert_eq!(setting(&service, "bob"), to, "at {millis}");
        }
    }
}

#[test]
fn a_setting_is_on_a_majority_and_outlives_a_replica_that_missed_it() {
    let service = Service::of_three();
    set(&service, "bob", Everybody, 0).unwrap();
    service.replicas[2].set_away(true);
    set(&service, "bob", Nobody, 1).unwrap();
    service.replicas[2].set_away(false);
    // The one that has the old setting is asked with each of the others.
    for away in [0, 1] {
        service.replicas[away].set_away(true);
        assert_eq!(setting(&service, "bob"), Nobody, "without {away}");
        service.replicas[away].set_away(false);
    }
    service.replicas[0].set_away(true);
    service.replicas[1].set_away(true);
    assert!(set(&service, "bob", Everybody, 2).is_err());
}
