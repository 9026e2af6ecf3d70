use chatcluster_protocol::{
    client::Empty,
    id::{DeviceId, Identity, Reference, Stamp},
};

use super::*;

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn users(names: &[&str]) -> Vec<UserId> {
    names.iter().map(|name| user(name)).collect()
}

/// The nth change.
fn id(n: u64) -> MessageId {
    let (device, reference) =
        (DeviceId::new("d").unwrap(), Reference::new(format!("r{n}")).unwrap());
    MessageId::new(Stamp::new(n, 0), Identity::of(&user("u"), &device, &reference))
}

fn name(text: &str) -> GroupName {
    GroupName::new(text).unwrap()
}

fn creation(members: &[&str]) -> GroupChange {
    GroupChange::Create(GroupCreation { name: name("Lunch"), members: users(members) })
}

/// Of alice, with these members, as of change 1.
fn group(members: &[&str]) -> Group {
    let decision = Group::decide(None, id(1), &user("alice"), Some(&creation(members))).unwrap();
    decision.next.unwrap()
}

fn decide(
    group: &Group,
    n: u64,
    from: &str,
    change: GroupChange,
) -> Result<Decision, GroupRefusal> {
    Group::decide(Some(group), id(n), &user(from), Some(&change))
}

fn next(group: &Group, n: u64, from: &str, change: GroupChange) -> Group {
    decide(group, n, from, change).unwrap().next.unwrap()
}

fn give(to: &str, role: Role) -> GroupChange {
    GroupChange::Role(RoleGiven { user: user(to), role })
}

fn members(group: &Group) -> Vec<(&str, Role)> {
    group.members().map(|(user, role)| (user.as_str(), role)).collect()
}

#[test]
fn whoever_creates_a_group_owns_it() {
    let group = group(&["carol", "bob", "alice"]);
    let all = [("alice", Role::Owner), ("bob", Role::Member), ("carol", Role::Member)];
    assert_eq!(members(&group), all);
    assert_eq!(group.name(), &name("Lunch"));
    let again = Group::decide(Some(&group), id(2), &user("bob"), Some(&creation(&[])));
    assert_eq!(again, Err(GroupRefusal::Exists));
}

#[test]
fn a_message_goes_to_everybody_and_comes_from_somebody_who_takes_part() {
    let group = group(&["bob"]);
    let said = Group::decide(Some(&group), id(2), &user("bob"), None).unwrap();
    assert_eq!(said, Decision { next: None, recipients: users(&["alice", "bob"]) });
    for (group, from) in [(Some(&group), "carol"), (None, "alice")] {
        let refused = Group::decide(group, id(2), &user(from), None);
        assert_eq!(refused, Err(GroupRefusal::NoPart));
    }
}

#[test]
fn who_comes_and_who_goes_hears_of_it() {
    let group = group(&["bob"]);
    let added = decide(&group, 2, "alice", GroupChange::Add(users(&["bob", "carol"]))).unwrap();
    assert_eq!(added.recipients, users(&["alice", "bob", "carol"]));
    let group = added.next.unwrap();
    let removed = decide(&group, 3, "alice", GroupChange::Remove(users(&["bob"]))).unwrap();
    assert_eq!(removed.recipients, users(&["alice", "bob", "carol"]));
    let group = removed.next.unwrap();
    let left = decide(&group, 4, "carol", GroupChange::Leave(Empty {})).unwrap();
    assert_eq!(left.recipients, users(&["alice", "carol"]));
    assert_eq!(members(&left.next.unwrap()), [("alice", Role::Owner)]);
}

#[test]
fn each_role_may_do_what_it_may() {
    let group = group(&["bob", "carol", "dave"]);
    let group = next(&group, 2, "alice", give("bob", Role::Admin));
    let add = || GroupChange::Add(users(&["erin"]));
    let remove = |name| GroupChange::Remove(users(&[name]));
    let rename = || GroupChange::Rename(name("Dinner"));
    for (from, change, allowed) in [
        ("alice", add(), true),
        ("bob", add(), true),
        ("carol", add(), false),
        ("erin", add(), false),
        ("alice", remove("bob"), true),
        ("bob", remove("carol"), true),
        ("bob", remove("alice"), false),
        ("bob", remove("bob"), false),
        ("carol", remove("dave"), false),
        ("bob", remove("erin"), true),
        ("bob", rename(), true),
        ("carol", rename(), false),
        ("alice", give("carol", Role::Admin), true),
        ("alice", give("erin", Role::Admin), false),
        ("alice", give("alice", Role::Member), false),
        ("bob", give("carol", Role::Admin), false),
        ("carol", GroupChange::Leave(Empty {}), true),
    ] {
        let decided = decide(&group, 3, from, change.clone());
        assert_eq!(decided.is_ok(), allowed, "{from}: {change:?}: {decided:?}");
    }
    assert_eq!(next(&group, 3, "bob", rename()).name(), &name("Dinner"));
    // Of admins nobody but the owner is rid.
    let group = next(&group, 3, "alice", give("carol", Role::Admin));
    assert!(decide(&group, 4, "bob", remove("carol")).is_err());
}

#[test]
fn a_group_has_an_owner_as_long_as_it_has_members() {
    let group = group(&["carol", "bob"]);
    let given = next(&group, 2, "alice", give("bob", Role::Owner));
    assert_eq!(
        members(&given),
        [("alice", Role::Admin), ("bob", Role::Owner), ("carol", Role::Member)]
    );
    let leave = || GroupChange::Leave(Empty {});
    // An admin comes first, then whoever has been there longest.
    let left = next(&given, 3, "bob", leave());
    assert_eq!(members(&left), [("alice", Role::Owner), ("carol", Role::Member)]);
    let added = next(&group, 2, "alice", GroupChange::Add(users(&["aaron"])));
    let left = next(&added, 3, "alice", leave());
    assert_eq!(
        members(&left),
        [("aaron", Role::Member), ("bob", Role::Owner), ("carol", Role::Member)]
    );
    let alone = next(&next(&left, 4, "bob", leave()), 5, "aaron", leave());
    let nobody = next(&alone, 6, "carol", leave());
    assert_eq!(members(&nobody), []);
}

#[test]
fn members_read_what_was_said_while_they_took_part() {
    let mut group = group(&["bob"]);
    group = next(&group, 5, "alice", GroupChange::Remove(users(&["bob"])));
    let reads = |group: &Group, name: &str, n| {
        group.readable(&user(name)).is_some_and(|ids| ids.contains(id(n)))
    };
    assert_eq!([1, 4, 5, 6].map(|n| reads(&group, "bob", n)), [true, true, true, false]);
    assert!(reads(&group, "alice", 6) && !reads(&group, "carol", 6));
    group = next(&group, 9, "alice", GroupChange::Add(users(&["bob"])));
    assert_eq!([4, 6, 9, 10].map(|n| reads(&group, "bob", n)), [false, false, true, true]);
}

#[test]
fn a_change_that_comes_again_changes_nothing_more() {
    let group = group(&["bob"]);
    let leave = GroupChange::Leave(Empty {});
    let left = next(&group, 2, "bob", leave.clone());
    let again = decide(&left, 2, "bob", leave).unwrap();
    assert_eq!(again, Decision { next: None, recipients: users(&["alice", "bob"]) });
    let created = Group::decide(Some(&group), id(1), &user("alice"), Some(&creation(&["bob"])));
    assert_eq!(created.unwrap().next, None);
}

#[test]
fn there_is_room_for_so_many() {
    let mut group = group(&[]);
    for n in 0..10 {
        let count = if n == 9 { 99 } else { 100 };
        let names: Vec<String> = (0..count).map(|i| format!("u{n}-{i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        group = next(&group, n + 2, "alice", GroupChange::Add(users(&names)));
    }
    assert_eq!(group.members().count(), GROUP_MEMBERS);
    let add = |name| GroupChange::Add(users(&[name]));
    assert_eq!(decide(&group, 20, "alice", add("bob")), Err(GroupRefusal::Full));
    assert!(decide(&group, 20, "alice", add("u1-1")).is_ok());
}

#[test]
fn replicas_that_know_different_changes_come_to_the_same() {
    let group = group(&["bob", "carol"]);
    let one = next(&group, 2, "alice", GroupChange::Add(users(&["dave"])));
    let one = next(&one, 3, "alice", GroupChange::Remove(users(&["dave"])));
    let other = next(&group, 2, "carol", GroupChange::Leave(Empty {}));
    let other = next(&other, 3, "alice", give("bob", Role::Admin));
    let joined = one.clone().joined(other.clone());
    assert_eq!(joined, other.joined(one));
    assert_eq!(members(&joined), [("alice", Role::Owner), ("bob", Role::Admin)]);
    assert_eq!(joined.clone().joined(group), joined);
}
