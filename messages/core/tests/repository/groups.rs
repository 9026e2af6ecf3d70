//! Messages to groups, and the changes that are messages.

use chatcluster_protocol::{
    client::{Empty, GroupChange, GroupCreation, GroupName, Role, RoleGiven},
    id::{ConversationId, GroupId, MessageId},
};
use futures_util::FutureExt;
use messages_core::{
    apply::{self, Batch, Claim, Part, Unit},
    group::Group,
    record::To,
    repository::{
        Append, Direction, Query, Refused, Repository, RepositoryError, Stored, Unmarked,
    },
    view::MemoryView,
};

use crate::harness::*;

fn lunch() -> GroupId {
    GroupId::from_random([7; 16])
}

/// What `from` says to the group, `millis` after the beginning.
fn says(from: &str, reference: &str, millis: i64) -> Append {
    let mut append = message(from, "nobody", reference, millis, "hi");
    append.message.to = To::Group(lunch());
    append
}

fn changes(from: &str, reference: &str, millis: i64, change: &GroupChange) -> Append {
    let mut append = says(from, reference, millis);
    let content = change.content();
    (append.message.kind, append.message.body) = (content.kind, content.body);
    append
}

fn creation(members: &[&str]) -> GroupChange {
    let members = members.iter().map(|name| user(name)).collect();
    GroupChange::Create(GroupCreation { name: GroupName::new("Lunch").unwrap(), members })
}

fn add(name: &str) -> GroupChange {
    GroupChange::Add(vec![user(name)])
}

fn remove(name: &str) -> GroupChange {
    GroupChange::Remove(vec![user(name)])
}

fn leave() -> GroupChange {
    GroupChange::Leave(Empty {})
}

/// Alice's group of three, each with a phone, and alice with a laptop, too.
fn group(service: &Service) -> MessageId {
    for (name, of) in
        [("alice", "phone"), ("alice", "laptop"), ("bob", "phone"), ("carol", "phone")]
    {
        service.register(name, of);
    }
    service.store(&changes("alice", "create", 0, &creation(&["bob", "carol"]))).unwrap().id
}

fn both(test: impl Fn(Service)) {
    for service in [Service::of_one(), Service::of_three()] {
        test(service);
    }
}

fn devices(stored: &Stored) -> Vec<String> {
    stored.devices.iter().map(|(user, device)| format!("{user}/{device}")).collect()
}

fn state(service: &Service, name: &str) -> Option<Group> {
    service.quorum.group(user(name), lunch()).now_or_never().unwrap().unwrap()
}

fn members(service: &Service) -> Vec<(String, Role)> {
    let group = state(service, "alice").unwrap();
    group.members().map(|(user, role)| (user.to_string(), role)).collect()
}

/// What of the group a user may read, oldest first.
fn history(service: &Service, name: &str) -> Vec<MessageId> {
    let query = Query {
        user: Some(user(name)),
        conversation: Some(lunch().into()),
        direction: Direction::Forward,
        ..everything()
    };
    service.all(query, NOW + 120_000).iter().map(|message| message.message).collect()
}

#[test]
fn a_message_to_a_group_is_in_the_inbox_of_every_member() {
    both(|service| {
        let created = group(&service);
        let stored = service.store(&says("bob", "r1", 10)).unwrap();
        assert_eq!(stored.conversation, ConversationId::from(lunch()));
        assert_eq!(devices(&stored), ["alice/laptop", "alice/phone", "carol/phone"]);
        assert_eq!(service.waiting("alice", "laptop"), [created, stored.id]);
        assert_eq!(service.waiting("alice", "phone"), [stored.id]);
        assert_eq!(service.waiting("bob", "phone"), [created]);
        assert_eq!(service.waiting("carol", "phone"), [created, stored.id]);
    });
}

#[test]
fn what_is_sent_behind_a_change_finds_it_carried_out() {
    both(|service| {
        for name in ["alice", "bob"] {
            service.register(name, "phone");
        }
        let appends = vec![
            changes("alice", "r1", 0, &creation(&[])),
            changes("alice", "r2", 1, &add("bob")),
            says("alice", "r3", 2),
            changes("alice", "r4", 3, &creation(&[])),
            says("alice", "r5", 4),
        ];
        let outcomes = service.append(appends);
        let allowed: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
        assert_eq!(allowed, [true, true, true, false, true]);
        let ids: Vec<_> = outcomes.iter().flatten().skip(1).map(|stored| stored.id).collect();
        assert_eq!(service.waiting("bob", "phone"), ids);
    });
}

#[test]
fn only_who_takes_part_may_send_and_look() {
    both(|service| {
        group(&service);
        let text = "there is no such group, or the user takes no part in it";
        let forbidden = Err(Refused::Forbidden(text.into()));
        assert_eq!(service.store(&says("dave", "r1", 10)), forbidden);
        assert_eq!(service.store(&changes("dave", "r2", 11, &add("dave"))), forbidden);
        assert!(matches!(
            service.store(&changes("bob", "r3", 12, &remove("carol"))),
            Err(Refused::Forbidden(_))
        ));
        assert_eq!(state(&service, "dave"), None);
        assert_eq!(history(&service, "dave"), []);
        let readable = service.quorum.readable(user("dave"), lunch().into());
        assert_eq!(readable.now_or_never().unwrap(), Ok::<_, RepositoryError>(None));
        assert_eq!(members(&service).len(), 3);
    });
}

#[test]
fn who_is_removed_hears_of_that_and_of_nothing_later() {
    both(|service| {
        let created = group(&service);
        let removed = service.store(&changes("alice", "r1", 10, &remove("bob"))).unwrap();
        let said = service.store(&says("carol", "r2", 20)).unwrap();
        assert_eq!(service.waiting("bob", "phone"), [created, removed.id]);
        assert_eq!(history(&service, "bob"), [created, removed.id]);
        assert!(matches!(service.store(&says("bob", "r3", 30)), Err(Refused::Forbidden(_))));
        // Back again, they read on from there.
        let back = service.store(&changes("alice", "r4", 40, &add("bob"))).unwrap();
        assert_eq!(service.waiting("bob", "phone"), [created, removed.id, back.id]);
        assert_eq!(history(&service, "bob"), [back.id]);
        assert_eq!(history(&service, "alice"), [created, removed.id, said.id, back.id]);
    });
}

#[test]
fn what_a_user_finds_among_all_their_conversations_includes_their_groups() {
    both(|service| {
        let created = group(&service);
        let direct = service.store(&message("alice", "bob", "r1", 5, "hi")).unwrap().id;
        let removed = service.store(&changes("alice", "r2", 10, &remove("bob"))).unwrap().id;
        service.store(&says("carol", "r3", 20)).unwrap();
        let query = Query { user: Some(user("bob")), ..everything() };
        let found = service.all(query, NOW).into_iter().map(|message| message.message);
        assert_eq!(found.collect::<Vec<_>>(), [removed, direct, created]);
    });
}

#[test]
fn a_member_who_comes_while_a_message_is_stored_gets_it() {
    let service = Service::of_one();
    group(&service);
    service.register("dave", "phone");
    let known = state(&service, "alice").unwrap();
    let joining = changes("alice", "r1", 5, &add("dave"));
    let next = Group::decide(Some(&known), joining.id, &user("alice"), Some(&add("dave")));
    let known = next.unwrap().next.unwrap();
    service.replica().before_next_write(move |view: &mut MemoryView| {
        let part = Part::LearnGroup { group: lunch(), known };
        apply::apply(view, &Batch(vec![Unit(vec![part])]), NOW).unwrap();
    });
    let said = service.store(&says("bob", "r2", 10)).unwrap();
    assert_eq!(service.waiting("dave", "phone"), [said.id]);
}

#[test]
fn a_repetition_is_answered_alike_and_names_those_who_still_wait() {
    both(|service| {
        group(&service);
        let append = says("alice", "r1", 10);
        let stored = service.store(&append).unwrap();
        service.acknowledge("bob", "phone", [stored.id]);
        service.register("carol", "tablet");
        let again = service.store(&says("alice", "r1", 500)).unwrap();
        assert_eq!(again.id, stored.id);
        assert_eq!(devices(&again), ["alice/laptop", "carol/phone"]);
        assert_eq!(service.waiting("bob", "phone").len(), 1);
        // Also for somebody who takes no part any more.
        let left = service.store(&changes("carol", "r2", 20, &leave())).unwrap();
        let again = service.store(&changes("carol", "r2", 600, &leave())).unwrap();
        assert_eq!(again.id, left.id);
        let sent = service.store(&says("bob", "r3", 30)).unwrap();
        service.store(&changes("alice", "r4", 40, &remove("bob"))).unwrap();
        assert_eq!(service.store(&says("bob", "r3", 700)).unwrap().id, sent.id);
        assert_eq!(members(&service), [("alice".to_owned(), Role::Owner)]);
    });
}

#[test]
fn a_repetition_of_somebody_who_was_removed_names_those_who_still_wait_too() {
    both(|service| {
        group(&service);
        service.register("bob", "laptop");
        let sent = service.store(&says("bob", "r1", 10)).unwrap();
        service.acknowledge("carol", "phone", [sent.id]);
        service.store(&changes("alice", "r2", 20, &remove("bob"))).unwrap();
        let again = service.store(&says("bob", "r1", 500)).unwrap();
        assert_eq!(again.id, sent.id);
        assert_eq!(devices(&again), ["alice/laptop", "alice/phone", "bob/laptop"]);
    });
}

#[test]
fn a_change_that_was_half_stored_is_finished_once() {
    let service = Service::of_three();
    let created = group(&service);
    let append = changes("bob", "r1", 10, &leave());
    let next =
        Group::decide(state(&service, "bob").as_ref(), append.id, &user("bob"), Some(&leave()));
    // One replica alone has it, as if the service had died.
    let basis = service.replicas[0].basis(lunch(), next.unwrap().next);
    let part = Part::Home {
        id: append.id,
        message: append.message.clone(),
        claim: Claim::First,
        group: Some(basis),
    };
    service.replicas[0].apply_alone(Batch(vec![Unit(vec![part])]));
    assert_eq!(service.finish_pending(MessageId::floor(NOW + 1000)), 1);
    assert_eq!(service.waiting("carol", "phone"), [created, append.id]);
    assert_eq!(service.store(&changes("bob", "r1", 900, &leave())).unwrap().id, append.id);
    assert_eq!(members(&service).len(), 2);
    assert_eq!(service.finish_pending(MessageId::floor(NOW + 1000)), 0);
}

#[test]
fn what_was_allowed_when_it_came_is_finished_though_its_sender_has_been_removed() {
    let service = Service::of_one();
    let created = group(&service);
    let append = says("bob", "r1", 10);
    let basis = service.replica().basis(lunch(), None);
    let (id, message) = (append.id, append.message.clone());
    let part = Part::Home { id, message, claim: Claim::First, group: Some(basis) };
    service.replica().apply_alone(Batch(vec![Unit(vec![part])]));
    let removed = service.store(&changes("alice", "r2", 20, &remove("bob"))).unwrap().id;
    assert_eq!(service.finish_pending(MessageId::floor(NOW + 1000)), 1);
    assert_eq!(service.waiting("carol", "phone"), [created, append.id, removed]);
    assert_eq!(service.store(&says("bob", "r1", 900)).unwrap().id, append.id);
    assert!(service.store(&says("bob", "r3", 910)).is_err());
}

/// These replicas have a message to the group, pending under its id.
fn reaches(append: &Append, replicas: &[MemoryReplica]) {
    for replica in replicas {
        let Append { id, message } = append.clone();
        let group = Some(replica.basis(lunch(), None));
        let part = Part::Home { id, message, claim: Claim::First, group };
        let replies = replica.apply_alone(Batch(vec![Unit(vec![part])]));
        assert_eq!(replies[0].stop, None);
    }
}

/// A pod died when it had stored two messages on a majority. The first one has moved up since, the second one
/// was finished where it was, and who sent them was removed.
#[test]
fn what_follows_a_message_that_moved_up_moves_though_its_sender_has_been_removed() {
    let first = |millis| says("bob", "r1", millis);
    let second = |millis| says("bob", "r2", millis);
    for away in [0, 1, 2] {
        let service = Service::of_three();
        group(&service);
        reaches(&first(10), &service.replicas[..2]);
        reaches(&second(11), &service.replicas[..2]);
        let one = with_away(&service, Some(0), || service.store(&first(100))).unwrap();
        assert_eq!(one.id, first(100).id);
        with_away(&service, None, || service.finish_pending(MessageId::floor(NOW + 50)));
        service.store(&changes("alice", "r3", 20, &remove("bob"))).unwrap();

        let two = with_away(&service, Some(away), || service.store(&second(200))).unwrap();
        assert!(one.id < two.id, "without {away}: {} and {}", one.id, two.id);
        for away in [0, 1, 2] {
            let repeat = with_away(&service, Some(away), || service.store(&second(300)));
            assert_eq!(repeat.unwrap().id, two.id);
        }
        let waiting = with_away(&service, None, || service.waiting("carol", "phone"));
        assert!(waiting.contains(&two.id));
        let later = MessageId::floor(NOW + 1000);
        service.finish_pending(later);
        assert_eq!(service.finish_pending(later), 0, "without {away}");
    }
}

/// The first message is pending on too few replicas, the second one is complete, and their sender was removed.
#[test]
fn what_is_complete_behind_what_moves_up_moves_though_its_sender_has_been_removed() {
    let (first, second) = (says("bob", "r1", 10), says("bob", "r2", 11));
    let service = Service::of_three();
    group(&service);
    reaches(&first, &service.replicas[..2]);
    reaches(&second, &service.replicas[..2]);
    for replica in &service.replicas[..2] {
        let Append { id, message } = second.clone();
        let part = Part::Complete { id, stored: id, message, devices: vec![] };
        replica.apply_alone(Batch(vec![Unit(vec![part])]));
    }
    service.store(&changes("alice", "r3", 20, &remove("bob"))).unwrap();
    let batch = vec![says("bob", "r1", 100), says("bob", "r2", 101)];
    let outcomes = with_away(&service, Some(0), || service.append(batch));
    let ids: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
}

#[test]
fn a_replica_that_missed_a_change_learns_it() {
    let service = Service::of_three();
    group(&service);
    service.register("dave", "phone");
    service.replicas[2].set_away(true);
    service.store(&changes("alice", "r1", 10, &add("dave"))).unwrap();
    service.replicas[2].set_away(false);
    service.replicas[0].set_away(true);
    let said = service.store(&says("bob", "r2", 20)).unwrap();
    service.replicas[1].set_away(true);
    service.replicas[0].set_away(false);
    service.replicas[2].set_away(false);
    // Of replicas 0 and 2 the first has missed the message, and the last had missed the member.
    assert!(service.waiting("dave", "phone").contains(&said.id));
}

/// One replica has a change and what was sent behind it. The others learn of the group, not of the messages,
/// just when both come again: they know the group that the later message goes by.
#[test]
fn what_is_sent_behind_a_change_is_not_stored_before_it() {
    let service = Service::of_three();
    let created = group(&service);
    let change = changes("alice", "r1", 10, &remove("bob"));
    let said = says("alice", "r2", 11);
    let known = state(&service, "alice");
    let next = Group::decide(known.as_ref(), change.id, &user("alice"), Some(&remove("bob")));
    let next = next.unwrap().next.unwrap();
    for (append, next) in [(&change, Some(next.clone())), (&said, None)] {
        let group = Some(service.replicas[2].basis(lunch(), next));
        let Append { id, message } = append.clone();
        let part = Part::Home { id, message, claim: Claim::First, group };
        let replies = service.replicas[2].apply_alone(Batch(vec![Unit(vec![part])]));
        assert_eq!(replies[0].stop, None);
    }
    for replica in &service.replicas[..2] {
        let known = next.clone();
        replica.before_next_write(move |view: &mut MemoryView| {
            let part = Part::LearnGroup { group: lunch(), known };
            apply::apply(view, &Batch(vec![Unit(vec![part])]), NOW).unwrap();
        });
    }
    let outcomes = service.append(vec![change.clone(), said.clone()]);
    let ids: Vec<_> = outcomes.into_iter().map(|outcome| outcome.map(|stored| stored.id)).collect();
    assert_eq!(ids, [Ok(change.id), Ok(said.id)]);
    assert_eq!(service.waiting("bob", "phone"), [created, change.id]);
    assert_eq!(service.waiting("carol", "phone"), [created, change.id, said.id]);
}

#[test]
fn receipts_of_groups_stay_with_those_who_have_read() {
    both(|service| {
        let created = group(&service);
        let said = service.store(&says("bob", "r1", 10)).unwrap();
        assert_eq!(service.acknowledge("carol", "phone", [created, said.id]), []);
        let mark =
            |name: &str, of: &str, up_to| service.mark_read((name, of), lunch().into(), up_to);
        let marked = mark("alice", "phone", said.id).unwrap();
        assert_eq!(marked.up_to, said.id);
        let told: Vec<_> = marked.receipts.iter().map(|one| (&one.to, &one.devices[..])).collect();
        assert_eq!(told, [(&user("alice"), &[device("laptop")][..])]);
        assert_eq!(mark("dave", "phone", said.id), Err(Unmarked::NoPart));
        service.store(&changes("alice", "r2", 20, &add("dave"))).unwrap();
        assert_eq!(mark("dave", "phone", said.id).map(|marked| marked.up_to), Ok(said.id));
        let role = GroupChange::Role(RoleGiven { user: user("bob"), role: Role::Owner });
        service.store(&changes("alice", "r3", 30, &role)).unwrap();
        service.store(&changes("bob", "r4", 40, &remove("alice"))).unwrap();
        assert_eq!(mark("alice", "phone", said.id), Err(Unmarked::NoPart));
    });
}

#[test]
fn who_sent_a_message_sees_who_of_its_readers_has_it() {
    both(|service| {
        group(&service);
        let said = service.store(&says("bob", "r1", 10)).unwrap().id;
        let of = |name: &str, mark| (name.to_owned(), mark);
        assert_eq!(service.receipts("bob", said), Some(vec![of("alice", '-'), of("carol", '-')]));
        service.acknowledge("carol", "phone", [said]);
        service.mark_read(("alice", "phone"), lunch().into(), said).unwrap();
        service.store(&changes("alice", "r2", 20, &add("dave"))).unwrap();
        service.store(&changes("alice", "r3", 30, &remove("carol"))).unwrap();
        // Who came later is not among them, who has left since is.
        assert_eq!(service.receipts("bob", said), Some(vec![of("alice", 'r'), of("carol", 'd')]));
        let later = service.store(&says("bob", "r4", 40)).unwrap().id;
        assert_eq!(service.receipts("bob", later), Some(vec![of("alice", '-'), of("dave", '-')]));

        assert_eq!(service.receipts("alice", said), None, "only who wrote it");
        assert_eq!(service.receipts("bob", MessageId::floor(NOW)), None, "there is none");
        service.store(&changes("alice", "r5", 50, &remove("bob"))).unwrap();
        assert!(service.receipts("bob", later).is_some(), "it can still be read");
        let created = history(&service, "alice").into_iter().min().unwrap();
        assert_eq!(service.receipts("carol", created), None, "not hers");
    });
}
